//! Which days are measured: the protocol of the Fraud Detection Handbook.
//!
//! A week of training, a week until its frauds are known, a week of tests. Rules are not trained; the
//! week of training says which cards are known to be compromised when a test day begins: those with
//! a fraud since the start of training up to `delay_days` before that day. Their sales of the day
//! are not measured, since nobody would need a rule to stop them. Days are of event time, in UTC.

use txp_domain::time::Timestamp;

const SECONDS_PER_DAY: i64 = 24 * 3600;

/// What each of the three parts lasts if there are days enough.
const PART_DAYS: u32 = 7;

/// The day of a moment: days since 1970-01-01.
#[must_use]
pub fn day_of(at: Timestamp) -> i64 {
    at.unix_seconds().div_euclid(SECONDS_PER_DAY)
}

/// The first moment of a day.
#[must_use]
pub fn start_of(day: i64) -> Timestamp {
    let seconds = u64::try_from(day.saturating_mul(SECONDS_PER_DAY)).unwrap_or(0);
    Timestamp::from_unix_seconds(seconds).unwrap_or_default()
}

/// What was asked for; what is not given follows from the days that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The first day of training.
    pub train_start: Option<i64>,
    /// Days of training.
    pub train_days: Option<u32>,
    /// Days until a fraud is known.
    pub delay_days: Option<u32>,
    /// Days measured.
    pub test_days: Option<u32>,
}

/// The days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The first day of training.
    pub train_start: i64,
    /// Days of training.
    pub train_days: u32,
    /// Days until a fraud is known.
    pub delay_days: u32,
    /// Days measured.
    pub test_days: u32,
}

impl Days {
    /// The days for sales from `first` to `last`, the last day of which the labels are there. What is
    /// not asked for is a week each, the last one ending with `last`; with fewer than three weeks,
    /// a third each.
    #[must_use]
    pub fn over(first: i64, last: i64, wanted: Wanted) -> Self {
        let from = wanted.train_start.unwrap_or(first);
        let there = u32::try_from(last.saturating_sub(from).saturating_add(1)).unwrap_or(1);
        let there = there.clamp(1, 3 * PART_DAYS);
        let test = there.div_ceil(3);
        let train = (there - test).div_ceil(2);
        let train_days = wanted.train_days.unwrap_or(train);
        let delay_days = wanted.delay_days.unwrap_or(there - test - train);
        let test_days = wanted.test_days.unwrap_or(test);
        let all = i64::from(train_days) + i64::from(delay_days) + i64::from(test_days);
        Self {
            train_start: wanted.train_start.unwrap_or(last + 1 - all),
            train_days,
            delay_days,
            test_days,
        }
    }

    /// The first day that is measured.
    #[must_use]
    pub fn first_test_day(&self) -> i64 {
        self.train_start + i64::from(self.train_days) + i64::from(self.delay_days)
    }

    /// Which of the days measured a day is, from 0; `None` if it is none.
    #[must_use]
    pub fn test_day(&self, day: i64) -> Option<u32> {
        let number = u32::try_from(day.checked_sub(self.first_test_day())?).ok()?;
        (number < self.test_days).then_some(number)
    }

    /// Whether a card is known to be compromised when a test day begins, `first_fraud` being the day
    /// of its first fraud since training began.
    #[must_use]
    pub fn is_known(&self, first_fraud: i64, test_day: u32) -> bool {
        let known_before = self.train_start + i64::from(self.train_days) + i64::from(test_day);
        self.train_start <= first_fraud && first_fraud < known_before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(train_start: i64, train_days: u32, delay_days: u32, test_days: u32) -> Days {
        Days {
            train_start,
            train_days,
            delay_days,
            test_days,
        }
    }

    #[test]
    fn what_is_not_asked_for_follows_from_the_days_that_there_are() {
        let none = Wanted::default();
        for (first, last, wanted, expected) in [
            (100, 120, none, days(100, 7, 7, 7)),
            (0, 120, none, days(100, 7, 7, 7)),
            (100, 102, none, days(100, 1, 1, 1)),
            (100, 101, none, days(100, 1, 0, 1)),
            (100, 100, none, days(100, 0, 0, 1)),
            (100, 109, none, days(100, 3, 3, 4)),
            (
                0,
                200,
                Wanted {
                    train_start: Some(100),
                    ..none
                },
                days(100, 7, 7, 7),
            ),
            (
                0,
                200,
                Wanted {
                    test_days: Some(30),
                    delay_days: Some(0),
                    ..none
                },
                days(164, 7, 0, 30),
            ),
        ] {
            assert_eq!(
                Days::over(first, last, wanted),
                expected,
                "{first} {last} {wanted:?}"
            );
        }
    }

    #[test]
    fn a_card_is_known_by_a_fraud_of_the_training_or_of_days_whose_frauds_are_known_by_then() {
        let days = days(100, 7, 7, 7);
        assert_eq!(days.test_day(113), None);
        assert_eq!(days.test_day(114), Some(0));
        assert_eq!(days.test_day(120), Some(6));
        assert_eq!(days.test_day(121), None);
        for (first_fraud, test_day, expected) in [
            (99, 0, false),
            (100, 0, true),
            (106, 0, true),
            (107, 0, false),
            (107, 1, true),
            (112, 6, true),
            (113, 6, false),
        ] {
            assert_eq!(
                days.is_known(first_fraud, test_day),
                expected,
                "{first_fraud} {test_day}"
            );
        }
        assert_eq!(day_of(start_of(17_737)), 17_737);
    }
}
