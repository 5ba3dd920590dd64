//! What a rule file says about ranking, as types: printed from them, and described by them in the
//! JSON Schema.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use txp_domain::rule::{Curve, Mark, Scorecard, Signal};

/// Marks of a curve, points by what was measured; straight lines between them, flat beyond the first
/// and the last.
pub type Marks = BTreeMap<u32, i32>;

/// Signals whose points add up to a sale's score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScorecardEntry {
    /// What is measured: 1 to 16.
    pub signals: Vec<SignalEntry>,
}

/// One thing that is measured, and what it is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "signal", rename_all = "snake_case", deny_unknown_fields)]
pub enum SignalEntry {
    /// The amount compared with the mean of the card's sales in that currency.
    AmountDeviation {
        /// How many sales the card must have had before; with fewer the amount counts as the mean.
        after: u32,
        /// Over thousandths of the mean.
        points_by_permille: Marks,
    },
    /// How many sales the card had in the time before, of the last 32.
    CardVelocity {
        /// Event time before the sale.
        window_seconds: u32,
        /// Over the number of sales.
        points_by_count: Marks,
    },
    /// How many of the terminal's latest sales are disputed by now.
    TerminalDisputes {
        /// Event time before the sale.
        window_seconds: u32,
        /// A disputed sale of so many thousandths of its card's mean, or more, is not counted: it
        /// speaks of the card.
        ordinary_below_permille: u32,
        /// Over thousandths: disputed sales per sale that is old enough to be disputed, one more
        /// counted, since the first disputed one.
        points_by_share_permille: Marks,
        /// Over the event time since the first disputed one, added; together never below zero.
        points_by_age_seconds: Marks,
    },
}

impl ScorecardEntry {
    /// What ranks. Marks were checked when they were read; others are no curve and give no points.
    pub(super) fn to_scorecard(&self) -> Scorecard {
        Scorecard::new(self.signals.iter().filter_map(signal_of).collect())
    }
}

fn signal_of(entry: &SignalEntry) -> Option<Signal> {
    Some(match entry {
        SignalEntry::AmountDeviation {
            after,
            points_by_permille,
        } => Signal::AmountDeviation {
            after: *after,
            curve: curve(points_by_permille)?,
        },
        SignalEntry::CardVelocity {
            window_seconds,
            points_by_count,
        } => Signal::CardVelocity {
            window_seconds: *window_seconds,
            curve: curve(points_by_count)?,
        },
        SignalEntry::TerminalDisputes {
            window_seconds,
            ordinary_below_permille,
            points_by_share_permille,
            points_by_age_seconds,
        } => Signal::TerminalDisputes {
            window_seconds: *window_seconds,
            ordinary_below_milli: *ordinary_below_permille,
            by_share: curve(points_by_share_permille)?,
            by_age: curve(points_by_age_seconds)?,
        },
    })
}

/// The curve through marks.
fn curve(marks: &Marks) -> Option<Curve> {
    let marks = marks.iter();
    let marks = marks.map(|(&at, &points)| Mark { at, points });
    Curve::new(marks.collect())
}
