//! What ranking remembers of one terminal: its latest sales, and which of them were disputed.
//!
//! A terminal that copies cards shows in the disputes of its sales, which come days later. A sale is
//! decided once it is as old as a disputed sale of the terminal was when its dispute came: if it were
//! to be disputed, it would be by now. Of the decided sales since the first disputed one, the share
//! that was disputed tells whether the terminal is at fault or one card was.
//!
//! Bounded: the last [`SALES_MAX`] sales. Deliberately not here: thresholds and points (the scorecard
//! owns them), refunds, and any clock.

use crate::time::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

/// How many of a terminal's latest sales are remembered.
pub const SALES_MAX: usize = 64;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// Disputes of sales of one moment come within an hour of each other, or are taken to.
const LAG_SLACK_SECONDS: i64 = 3600;

/// A sale as a terminal's past keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    digest: u64,
    at_seconds: i64,
    /// The amount as thousandths of the card's mean, if the card had enough of a past.
    deviation_milli: u64,
    is_disputed: bool,
}

/// A terminal's latest sales, in the order in which they were accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminalPast {
    sales: Vec<Seen>,
    /// Where the next sale goes once the ring is full.
    next: usize,
    /// How long after its sale the latest dispute came.
    lag_seconds: Option<i64>,
}

/// What a terminal's past says about a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Sales in the window that were disputed, without those that deviated much from their card's
    /// mean.
    pub disputed: u64,
    /// Decided sales since the first of them, itself counted.
    pub decided: u64,
    /// Event time since the first of them.
    pub first_age_seconds: u64,
}

impl Evidence {
    /// Disputed sales per decided sale, one more counted, in thousandths.
    #[must_use]
    pub fn share_milli(&self) -> u64 {
        let decided = self.decided.max(self.disputed).saturating_add(1);
        self.disputed.saturating_mul(1000) / decided
    }
}

/// What a terminal's sales are told apart by.
#[must_use]
pub fn digest_of(transaction_id: &str) -> u64 {
    xxh3_64(transaction_id.as_bytes())
}

const fn seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(NANOSECONDS_PER_SECOND)
}

impl TerminalPast {
    /// Takes in a sale that was accepted, and how its amount compares with its card's mean.
    pub fn sale(&mut self, transaction_id: &str, at: Timestamp, deviation_milli: Option<u64>) {
        let sale = Seen {
            digest: digest_of(transaction_id),
            at_seconds: seconds(at),
            deviation_milli: deviation_milli.unwrap_or(1000),
            is_disputed: false,
        };
        match self.sales.get_mut(self.next) {
            Some(place) => *place = sale,
            None => self.sales.push(sale),
        }
        self.next = (self.next + 1) % SALES_MAX;
    }

    /// Takes in a dispute of a sale. One that is not remembered says nothing; says whether it was.
    pub fn dispute(&mut self, original_transaction_id: &str, at: Timestamp) -> bool {
        let digest = digest_of(original_transaction_id);
        let Some(sale) = self.sales.iter_mut().find(|sale| sale.digest == digest) else {
            return false;
        };
        sale.is_disputed = true;
        self.lag_seconds = Some(seconds(at).saturating_sub(sale.at_seconds).max(0));
        true
    }

    /// What is known at a moment about the terminal's sales in the time before it; `None` if nothing
    /// speaks against it.
    #[must_use]
    pub fn evidence(
        &self,
        at: Timestamp,
        window_seconds: u32,
        ordinary_below_milli: u32,
    ) -> Option<Evidence> {
        let lag = self.lag_seconds?;
        let at = seconds(at);
        let start = at.saturating_sub(window_seconds.into());
        let disputed = self.sales.iter().filter(|sale| {
            sale.is_disputed
                && sale.deviation_milli < u64::from(ordinary_below_milli)
                && (start..=at).contains(&sale.at_seconds)
        });
        let (mut count, mut first) = (0, i64::MAX);
        for sale in disputed {
            count += 1;
            first = first.min(sale.at_seconds);
        }
        if count == 0 {
            return None;
        }
        let decided_until = at
            .saturating_sub(lag)
            .saturating_add(LAG_SLACK_SECONDS)
            .min(at);
        let decided = self
            .sales
            .iter()
            .filter(|sale| (first..=decided_until).contains(&sale.at_seconds));
        Some(Evidence {
            disputed: count,
            decided: decided.count() as u64,
            first_age_seconds: at.abs_diff(first),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn day(days: i64) -> Timestamp {
        Timestamp(days * DAY * NANOSECONDS_PER_SECOND)
    }

    /// A sale a day, named by its day.
    fn past(days: std::ops::Range<i64>) -> TerminalPast {
        let mut past = TerminalPast::default();
        for at in days {
            past.sale(&format!("s-{at}"), day(at), None);
        }
        past
    }

    #[test]
    fn without_disputes_there_is_no_evidence() {
        assert_eq!(past(0..9).evidence(day(9), 1_000_000, 2200), None);
    }

    #[test]
    fn sales_too_young_to_be_disputed_do_not_count_for_the_terminal() {
        let mut past = past(0..10);
        assert!(past.dispute("s-1", day(8)));
        assert!(past.dispute("s-2", day(9)));
        let evidence = past.evidence(day(10), 30 * 86_400, 2200).unwrap();
        // Days 1, 2 and 3 are as old as those that were disputed.
        assert_eq!(
            evidence,
            Evidence {
                disputed: 2,
                decided: 3,
                first_age_seconds: 9 * 86_400
            }
        );
        assert_eq!(evidence.share_milli(), 500);
    }

    #[test]
    fn a_dispute_of_an_unusual_amount_speaks_of_the_card() {
        let mut past = TerminalPast::default();
        past.sale("usual", day(0), Some(1500));
        past.sale("unusual", day(1), Some(5000));
        assert!(past.dispute("unusual", day(8)));
        assert_eq!(past.evidence(day(9), 30 * 86_400, 2200), None);
        assert!(past.dispute("usual", day(8)));
        let evidence = past.evidence(day(9), 30 * 86_400, 2200).unwrap();
        assert_eq!(evidence.disputed, 1);
    }

    #[test]
    fn what_lies_before_the_window_is_forgotten() {
        let mut past = past(0..40);
        past.dispute("s-1", day(8));
        assert!(past.evidence(day(31), 30 * 86_400, 2200).is_some());
        assert_eq!(past.evidence(day(32), 30 * 86_400, 2200), None);
    }

    #[test]
    fn only_the_latest_sales_are_remembered_and_repeats_change_nothing() {
        let mut past = past(0..100);
        assert!(!past.dispute("s-35", day(100)), "the 65th before");
        assert!(past.dispute("s-36", day(100)));
        let once = past.clone();
        assert!(past.dispute("s-36", day(100)));
        assert_eq!(past, once);
        assert!(!past.dispute("never", day(100)));
    }
}
