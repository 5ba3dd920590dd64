//! The state of one transaction: an ordered fold of its own events, and the set of its disputes.
//!
//! The class of a row is a function of the row and of the item's first accepted event only, so a
//! redelivered row is classed as it was the first time. All functions here are total: whatever the
//! history, folding it gives a state.
//!
//! Deliberately absent: who stores it, and in what form.

mod content;
mod fold;
mod fresh;

pub use content::{ConflictDigest, ConflictingRow, Content, KeptConflict, Standing};
pub use fold::{Applied, Class, DisputeLink, FIRST_FACTS_REVISION};
pub use fresh::FreshTransaction;

use crate::card::{Brand, Last4};
use crate::event::EventType;
use crate::id::EventId;
use crate::position::Position;
use crate::row::TimeSource;
use crate::time::Timestamp;

/// How many applied events an item's history keeps; then it says that it was truncated.
pub const HISTORY_MAX: usize = 64;
/// How many distinct conflicting contents an item keeps.
pub const CONFLICTS_MAX: usize = 16;
/// How many disputes an item keeps: those with the smallest event ids.
pub const DISPUTES_MAX: usize = 16;
/// How many findings an item keeps. One judgement is due per facts revision, of which there are at
/// most 1 + [`CONFLICTS_MAX`]; the rest is room for judgements under other rule sets.
pub const FLAGS_MAX: usize = 64;

/// Who wrote an item: what a replay writes alerts no one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Writer {
    /// The running pipeline.
    #[default]
    Live,
    /// A replay, by its id.
    Replay(Box<str>),
}

/// What a transaction is called: unique per merchant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionKey {
    /// The merchant's id of the transaction.
    pub transaction_id: Box<str>,
    /// The merchant.
    pub merchant_id: Box<str>,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Accepted, and nothing speaks against it.
    Validated,
    /// A rule has found something.
    Flagged,
    /// A chargeback names it.
    Disputed,
    /// Only bad rows had this id so far.
    Rejected,
    /// A chargeback names it, and no row had this id so far.
    AwaitingOriginal,
}

impl Status {
    /// The name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Validated => "validated",
            Self::Flagged => "flagged",
            Self::Disputed => "disputed",
            Self::Rejected => "rejected",
            Self::AwaitingOriginal => "awaiting_original",
        }
    }
}

/// The first accepted event of a transaction: it stands, whatever comes later.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstAccepted {
    /// The event.
    pub event: EventId,
    /// The physical line in the file.
    pub line: u64,
    /// What the row says, as far as a later row is compared with it.
    pub content: Content,
    /// The card's last four digits.
    pub last4: Last4,
    /// The card's brand.
    pub brand: Brand,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Where that comes from.
    pub time_source: TimeSource,
    /// When the upload arrived.
    pub uploaded_at: Timestamp,
}

/// Why only bad rows had this id so far: the latest of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The event.
    pub event: EventId,
    /// The physical line in the file.
    pub line: u64,
    /// The JSON array of violations.
    pub violations: Box<str>,
}

/// One event that changed the item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// What happened.
    pub what: HistoryEvent,
    /// Where it stands in the log.
    pub position: Position,
    /// When it was appended, Unix milliseconds.
    pub arrival_millis: i64,
}

/// What of an event the history keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryEvent {
    /// A row, and what it was classed as.
    Row {
        /// The event.
        event: EventId,
        /// A chargeback's own event is `transaction.disputed`.
        disputed: bool,
        /// Its class.
        class: Class,
    },
    /// A finding.
    Flagged {
        /// The event's id.
        event: Box<str>,
    },
}

impl HistoryEvent {
    /// The type of the event: a function of the row's class, and of its being a chargeback.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::Row {
                class: Class::Rejected,
                ..
            } => EventType::RowRejected,
            Self::Row { disputed: true, .. } => EventType::TransactionDisputed,
            Self::Row { .. } => EventType::TransactionAccepted,
            Self::Flagged { .. } => EventType::AnomalyFlagged,
        }
    }
}

/// One finding, as far as the item keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The id of the `anomaly.flagged` event.
    pub event: Box<str>,
    /// The data of the finding, as it stands in the event.
    pub finding: Box<str>,
}

/// The state of one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// What it is called.
    pub key: TransactionKey,
    /// The event that stands; `None` for a placeholder or where only bad rows came.
    pub first: Option<FirstAccepted>,
    /// Why there is none, if a bad row came.
    pub rejection: Option<Rejection>,
    /// Distinct contents that were refused, in order of arrival.
    pub conflicts: Vec<KeptConflict>,
    /// There were more.
    pub conflicts_truncated: bool,
    /// Chargebacks that name this transaction, ascending.
    pub disputes: Vec<EventId>,
    /// There were more.
    pub disputes_truncated: bool,
    /// Findings, in order of arrival.
    pub flags: Vec<Flag>,
    /// The first events that changed the item.
    pub history: Vec<HistoryEntry>,
    /// There were more.
    pub history_truncated: bool,
    /// One up with every change.
    pub revision: u64,
    /// One up with what a rule judges: the first accepted event, a kept new conflict.
    pub facts_revision: u32,
    /// The last of its own events that changed it; `None` for a placeholder.
    pub as_of: Option<Position>,
    /// Who wrote it.
    pub writer: Writer,
}

impl Transaction {
    /// An item that no event has touched yet.
    #[must_use]
    pub fn empty(merchant_id: &str, transaction_id: &str) -> Self {
        Self {
            key: TransactionKey {
                transaction_id: transaction_id.into(),
                merchant_id: merchant_id.into(),
            },
            first: None,
            rejection: None,
            conflicts: Vec::new(),
            conflicts_truncated: false,
            disputes: Vec::new(),
            disputes_truncated: false,
            flags: Vec::new(),
            history: Vec::new(),
            history_truncated: false,
            revision: 0,
            facts_revision: 0,
            as_of: None,
            writer: Writer::Live,
        }
    }

    /// Where the transaction stands: disputed over flagged over validated, once accepted.
    #[must_use]
    pub fn status(&self) -> Status {
        match (&self.first, &self.rejection) {
            (Some(_), _) if !self.disputes.is_empty() => Status::Disputed,
            (Some(_), _) if !self.flags.is_empty() => Status::Flagged,
            (Some(_), _) => Status::Validated,
            (None, Some(_)) => Status::Rejected,
            (None, None) => Status::AwaitingOriginal,
        }
    }
}

#[cfg(test)]
mod tests;
