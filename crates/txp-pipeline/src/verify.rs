//! Verify: whether a state is what its history says, and where not.
//!
//! Here is what one comparison means and what is told of it; both are pure. The walk over all items is
//! the host's that has the room for it.
//!
//! What is compared of an item is everything but who wrote it: a replay writes the same items under
//! its own name. Its disputes are compared apart, since they are a set of links that others' events
//! make: its own events say nothing of them.

mod difference;
mod progress;

pub use difference::{Difference, differences};
pub use progress::{Incomplete, UploadsSeen};

use crate::document::HistoryDocument;
use serde::Serialize;
use txp_domain::transaction::Transaction;

/// Drifts that are told in full; more are counted.
pub const DRIFTS_TOLD_MAX: usize = 100;

/// Events that are told of each.
const EVENTS_TOLD_MAX: usize = 64;

/// What is wrong with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// It says something else than its history.
    Differs,
    /// It is not there.
    Missing,
    /// No event explains it.
    Unexplained,
    /// Events that are long folded elsewhere are not folded into it.
    Behind,
    /// It cannot be read.
    Unreadable,
}

impl DriftKind {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Differs => "differs from its history",
            Self::Missing => "is in the history and not in the state",
            Self::Unexplained => "is in the state, and no event of the history explains it",
            Self::Behind => "lacks events that were appended long ago",
            Self::Unreadable => "cannot be read in the state",
        }
    }
}

/// An item that is not what its history says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// The merchant.
    pub merchant_id: String,
    /// The merchant's id of the transaction.
    pub transaction_id: String,
    /// What is wrong.
    pub kind: DriftKind,
    /// What the fields say.
    pub fields: Vec<Difference>,
    /// The events that explain what the item should be; where none do, those that it claims.
    pub events: Vec<HistoryDocument>,
}

impl Drift {
    /// Of an item, by what its history makes of it and what was found: one of them at least.
    #[must_use]
    pub fn of(
        kind: DriftKind,
        merchant_id: &str,
        transaction_id: &str,
        expected: Option<&Transaction>,
        found: Option<&Transaction>,
    ) -> Self {
        let events = expected
            .or(found)
            .into_iter()
            .flat_map(|item| &item.history);
        Self {
            merchant_id: merchant_id.to_owned(),
            transaction_id: transaction_id.to_owned(),
            kind,
            fields: match (expected, found) {
                (Some(expected), Some(found)) => differences(expected, found),
                _ => Vec::new(),
            },
            events: events
                .take(EVENTS_TOLD_MAX)
                .map(HistoryDocument::from)
                .collect(),
        }
    }
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Items compared: those of the state, and those that are missing in it.
    pub transactions: u64,
    /// How many of them are not what their history says.
    pub drift: u64,
    /// The first of them.
    pub drifts: Vec<Drift>,
    /// Items that are behind or ahead of what was read, by events so young that they may be under way.
    pub in_flight: u64,
    /// Items that have events in what is damaged of the history: nobody can tell.
    pub unverifiable: u64,
    /// Events read.
    pub events: u64,
    /// Events that cannot be read, which the fold passes over.
    pub unreadable: u64,
    /// Uploads whose records were counted.
    pub uploads: u64,
    /// Uploads of which records are missing in the history, or are there more than once.
    pub incomplete: Vec<Incomplete>,
    /// What of history or state is damaged, by file and place.
    pub damage: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.drift == 0 && self.incomplete.is_empty() && self.damage.is_empty()
    }

    /// Takes down a drift.
    pub fn tell(&mut self, drift: Drift) {
        self.drift += 1;
        if self.drifts.len() < DRIFTS_TOLD_MAX {
            self.drifts.push(drift);
        }
    }

    /// Takes up what was found of the items that come next: the same as if they had been compared here.
    pub fn go_on(&mut self, next: Self) {
        self.transactions += next.transactions;
        self.drift += next.drift;
        self.drifts.extend(next.drifts);
        self.drifts.truncate(DRIFTS_TOLD_MAX);
        self.in_flight += next.in_flight;
        self.unverifiable += next.unverifiable;
        self.damage.extend(next.damage);
    }
}

#[cfg(test)]
mod tests;
