//! A scorecard: points for what was measured about a sale, added up, to rank sales by suspicion.
//!
//! Rules decide what is a finding; a scorecard only orders sales, those without a finding too. A
//! signal measures one thing and a curve turns it into points: a straight line between marks, flat
//! beyond the first and the last. Points are thousandths of log odds where a scorecard was fitted
//! to labels, so adding them weighs independent evidence; nothing here depends on that.
//!
//! Deliberately not here: probabilities, and any weight that is not in the rule file.

use crate::money::Amount;
use crate::profile::Before;
use crate::terminal::Evidence;

/// One is a thousand of what curves are drawn over.
const MILLI: u64 = 1000;

/// A mark of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What was measured, in the signal's unit.
    pub at: u32,
    /// What it is worth.
    pub points: i32,
}

/// Points over what was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve(Box<[Mark]>);

impl Curve {
    /// Through these marks; `None` unless there is one and each lies behind the one before it.
    #[must_use]
    pub fn new(marks: Vec<Mark>) -> Option<Self> {
        let is_sorted = marks.is_sorted_by(|a, b| a.at < b.at);
        (is_sorted && !marks.is_empty()).then(|| Self(marks.into()))
    }

    /// The marks.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.0
    }

    /// What a value is worth; between two marks rounded towards the first.
    #[must_use]
    pub fn points(&self, value: u64) -> i32 {
        let after = self.0.partition_point(|mark| u64::from(mark.at) <= value);
        let before = after.checked_sub(1).and_then(|place| self.0.get(place));
        match (before, self.0.get(after)) {
            (Some(from), Some(to)) => {
                let rise = i64::from(to.points) - i64::from(from.points);
                let run = i64::from(to.at) - i64::from(from.at);
                let way = value.saturating_sub(from.at.into());
                let way = i64::try_from(way).unwrap_or(run);
                // Within 32 bits: it lies between the points of the two marks.
                let part = rise.saturating_mul(way).checked_div(run).unwrap_or(0);
                from.points.saturating_add(i32::try_from(part).unwrap_or(0))
            }
            (Some(mark), None) | (None, Some(mark)) => mark.points,
            (None, None) => 0,
        }
    }
}

/// One thing that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The amount as so many thousandths of the mean of the card's sales.
    AmountDeviation {
        /// How many sales the card must have had before: with fewer the amount counts as the mean.
        after: u32,
        /// Over thousandths of the mean.
        curve: Curve,
    },
    /// How many sales the card had in the time before.
    CardVelocity {
        /// Event time before the sale.
        window_seconds: u32,
        /// Over the number of sales.
        curve: Curve,
    },
    /// How many of the terminal's sales were disputed by now.
    TerminalDisputes {
        /// Only sales in so much event time before are looked at.
        window_seconds: u32,
        /// A disputed sale of at least so many thousandths of its card's mean speaks of the card, not
        /// of the terminal, and is not counted.
        ordinary_below_milli: u32,
        /// Over thousandths: disputed sales per sale that is as old as those that were disputed, one
        /// more sale counted, so that a single dispute weighs less than many.
        by_share: Curve,
        /// Over seconds since the first of the disputed sales, added to the former: what went on for
        /// long has been found by now. Both together are never below zero.
        by_age: Curve,
    },
}

/// Signals, and what they are worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scorecard(Box<[Signal]>);

impl Scorecard {
    /// Of these signals.
    #[must_use]
    pub fn new(signals: Vec<Signal>) -> Self {
        Self(signals.into())
    }

    /// The signals.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.0
    }

    /// Whether it asks for what terminals have seen.
    #[must_use]
    pub fn needs_terminals(&self) -> bool {
        let mut signals = self.0.iter();
        signals.any(|signal| matches!(signal, Signal::TerminalDisputes { .. }))
    }

    /// What the card's past says about a sale.
    #[must_use]
    pub fn of_card(&self, amount: Amount, before: &Before<'_>) -> i32 {
        let points = self.0.iter().map(|signal| match signal {
            Signal::AmountDeviation { after, curve } => {
                let is_judged = before.count() >= u64::from(*after);
                let deviation = deviation_milli(amount, before).filter(|_| is_judged);
                curve.points(deviation.unwrap_or(MILLI))
            }
            Signal::CardVelocity {
                window_seconds,
                curve,
            } => curve.points(before.within(*window_seconds).into()),
            Signal::TerminalDisputes { .. } => 0,
        });
        points.fold(0, i32::saturating_add)
    }

    /// What the terminal's past says about a sale: `evidence` looks at it through a window and leaves
    /// out disputed sales that deviated so much.
    #[must_use]
    pub fn of_terminal(&self, evidence: impl Fn(u32, u32) -> Option<Evidence>) -> i32 {
        let points = self.0.iter().map(|signal| match signal {
            Signal::TerminalDisputes {
                window_seconds,
                ordinary_below_milli,
                by_share,
                by_age,
            } => {
                let seen = evidence(*window_seconds, *ordinary_below_milli);
                seen.map_or(0, |seen| {
                    let share = by_share.points(seen.share_milli());
                    let age = by_age.points(seen.first_age_seconds);
                    share.saturating_add(age).max(0)
                })
            }
            Signal::AmountDeviation { .. } | Signal::CardVelocity { .. } => 0,
        });
        points.fold(0, i32::saturating_add)
    }
}

/// An amount as thousandths of the mean of the card's earlier sales, if there are any and not all of
/// nothing.
#[must_use]
pub(super) fn deviation_milli(amount: Amount, before: &Before<'_>) -> Option<u64> {
    let scaled = u128::from(amount.0)
        .saturating_mul(MILLI.into())
        .saturating_mul(before.count().into());
    let milli = scaled.checked_div(before.sum())?;
    Some(u64::try_from(milli).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Profile, Sale};
    use crate::time::Timestamp;

    fn curve(marks: &[(u32, i32)]) -> Curve {
        let marks = marks.iter().map(|&(at, points)| Mark { at, points });
        Curve::new(marks.collect()).unwrap()
    }

    #[test]
    fn a_curve_is_straight_between_marks_and_flat_beyond() {
        let curve = curve(&[(10, -5), (20, 5), (40, 1005)]);
        for (value, points) in [
            (0, -5),
            (10, -5),
            (15, 0),
            (19, 4),
            (20, 5),
            (30, 505),
            (40, 1005),
            (u64::MAX, 1005),
        ] {
            assert_eq!(curve.points(value), points, "{value}");
        }
    }

    #[test]
    fn a_curve_falls_too_and_spans_all_that_can_be_written() {
        let curve = curve(&[(0, i32::MAX), (u32::MAX, i32::MIN)]);
        assert_eq!(curve.points(0), i32::MAX);
        assert_eq!(curve.points(u64::from(u32::MAX)), i32::MIN);
        assert!(curve.points(1 << 31).abs() <= 1);
    }

    #[test]
    fn marks_that_do_not_rise_are_no_curve() {
        let mark = |at| Mark { at, points: 0 };
        assert_eq!(Curve::new(Vec::new()), None);
        assert_eq!(Curve::new(vec![mark(1), mark(1)]), None);
        assert_eq!(Curve::new(vec![mark(2), mark(1)]), None);
    }

    #[test]
    fn the_cards_past_gives_points_once_there_is_enough_of_it() {
        let card = Scorecard::new(vec![
            Signal::AmountDeviation {
                after: 2,
                curve: curve(&[(1000, 0), (3000, 200)]),
            },
            Signal::CardVelocity {
                window_seconds: 60,
                curve: curve(&[(0, 0), (2, 20)]),
            },
        ]);
        let at = |seconds: i64| Timestamp(seconds * 1_000_000_000);
        let sale = |seconds, minor| Sale {
            digest: u64::try_from(seconds).unwrap(),
            at: at(seconds),
            amount: Amount(minor),
        };
        let mut profile = Profile::default();
        let mut points = |seconds, minor| {
            let sale = sale(seconds, minor);
            let points = card.of_card(sale.amount, &profile.before(&sale, None));
            profile.push(sale);
            points
        };
        assert_eq!(points(1000, 1000), 0, "no past counts as the mean");
        assert_eq!(
            points(1010, 9000),
            10,
            "one sale is no mean yet, but counts"
        );
        assert_eq!(
            points(2000, 10_000),
            100,
            "twice the mean, nothing in the window"
        );
        assert_eq!(points(2001, 0), 10);
    }

    #[test]
    fn what_a_terminal_has_seen_is_never_worth_less_than_nothing() {
        let card = Scorecard::new(vec![Signal::TerminalDisputes {
            window_seconds: 100,
            ordinary_below_milli: 2200,
            by_share: curve(&[(0, 0), (1000, 1000)]),
            by_age: curve(&[(10, 0), (20, -2000)]),
        }]);
        let seen = |disputed, decided, first_age_seconds| {
            card.of_terminal(|window_seconds, below| {
                assert_eq!((window_seconds, below), (100, 2200));
                Some(Evidence {
                    disputed,
                    decided,
                    first_age_seconds,
                })
            })
        };
        assert!(card.needs_terminals());
        assert_eq!(card.of_terminal(|_, _| None), 0);
        assert_eq!(seen(1, 1, 5), 500);
        assert_eq!(seen(9, 9, 5), 900);
        assert_eq!(seen(9, 9, 12), 500);
        assert_eq!(seen(9, 9, 99), 0);
    }
}
