//! The events: what happened, in CloudEvents 1.0 JSON, for ever.
//!
//! Every version ever written is read ([`decode()`] upcasts on load); only the newest is written
//! ([`encode()`]). The bytes of a row's event depend on the file, the upload record and the
//! fingerprint key alone, so that reading an upload again gives the same events again.
//!
//! Deliberately absent: positions and arrival times. They belong to the log, beside the event.

mod decode;
mod encode;
mod finding;
mod pen;
mod plain;
mod redrive;
mod row;
mod ruleset;
pub mod schema;
mod upload;

pub use decode::{DecodeError, Decoded, RowPlace, decode, is_from_the_future};
pub use encode::{EncodedRow, RowEncoder, encode};
pub use finding::{AnomalyFlagged, AnomalyShadowed, Verdict};
pub use plain::read_plain_row;
pub use redrive::{REDRIVE_RECORDS_MAX, RecordSpans, Redrive};
pub use row::{
    CardData, RejectedData, RejectedRow, RowEvent, RowOutcome, TransactionData, ViolationData,
    rejected_partition_key,
};
pub use ruleset::{RulesetActivated, RulesetShadowed};
pub use upload::{
    BucketRecords, CurrencySums, Defaults, FailureReason, Merchants, SourceFile, UploadEvent,
    UploadFailed, UploadOptions, UploadParsed, UploadReceived, UploadTally,
};

use crate::id::UploadId;
use crate::time::Timestamp;
use crate::trace::TraceParent;
use std::fmt;

/// The CloudEvents version that every event is written in.
pub const SPEC_VERSION: &str = "1.0";

/// How many partitions of its own an upload has for rows that touch no transaction.
pub const REJECTED_ROW_PARTITIONS: u64 = 16;

/// The types of event, by their stable names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// An upload arrived.
    UploadReceived,
    /// Every row of an upload was read.
    UploadParsed,
    /// An upload ended before all of its rows were read.
    UploadFailed,
    /// A valid sale or refund row.
    TransactionAccepted,
    /// A valid chargeback row.
    TransactionDisputed,
    /// An invalid row.
    RowRejected,
    /// A rule's finding.
    AnomalyFlagged,
    /// A finding of rules that are only tried.
    AnomalyShadowed,
    /// A rule set judges from here on.
    RulesetActivated,
    /// A rule set is tried beside the one that judges from here on, or is not any more.
    RulesetShadowed,
}

impl EventType {
    /// All types.
    pub const ALL: [Self; 10] = [
        Self::UploadReceived,
        Self::UploadParsed,
        Self::UploadFailed,
        Self::TransactionAccepted,
        Self::TransactionDisputed,
        Self::RowRejected,
        Self::AnomalyFlagged,
        Self::AnomalyShadowed,
        Self::RulesetActivated,
        Self::RulesetShadowed,
    ];

    /// The `type` attribute.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UploadReceived => "upload.received",
            Self::UploadParsed => "upload.parsed",
            Self::UploadFailed => "upload.failed",
            Self::TransactionAccepted => "transaction.accepted",
            Self::TransactionDisputed => "transaction.disputed",
            Self::RowRejected => "row.rejected",
            Self::AnomalyFlagged => "anomaly.flagged",
            Self::AnomalyShadowed => "anomaly.shadowed",
            Self::RulesetActivated => "ruleset.activated",
            Self::RulesetShadowed => "ruleset.shadowed",
        }
    }

    /// The newest version of this type's data, the only one that is written.
    #[must_use]
    pub fn version(self) -> u32 {
        1
    }

    /// The `dataschema` attribute of the newest version.
    #[must_use]
    pub fn data_schema(self) -> String {
        format!("schemas/{}/{}.json", self.name(), self.version())
    }

    /// The type of a name; `None` if we know none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One event, owned or borrowing from the JSON that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// What became of a row.
    Row(RowEvent<'a>),
    /// A step in an upload's life.
    Upload(Box<UploadEvent>),
    /// A finding.
    AnomalyFlagged(Box<AnomalyFlagged>),
    /// A finding of rules that are only tried: no one is told, and nothing is folded of it.
    AnomalyShadowed(Box<AnomalyShadowed>),
    /// A change of the rules that judge.
    RulesetActivated(Box<RulesetActivated>),
    /// A change of the rules that are tried.
    RulesetShadowed(Box<RulesetShadowed>),
}

impl Event<'_> {
    /// The event's type.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::Row(row) => row.event_type(),
            Self::Upload(upload) => upload.event_type(),
            Self::AnomalyFlagged(_) => EventType::AnomalyFlagged,
            Self::AnomalyShadowed(_) => EventType::AnomalyShadowed,
            Self::RulesetActivated(_) => EventType::RulesetActivated,
            Self::RulesetShadowed(_) => EventType::RulesetShadowed,
        }
    }

    /// Whether other rules judge, or are tried, behind it.
    #[must_use]
    pub fn changes_rules(&self) -> bool {
        matches!(self, Self::RulesetActivated(_) | Self::RulesetShadowed(_))
    }

    /// The trace that the event belongs to. Only an upload's own events carry it: by the upload's id
    /// its rows lead there, and 70 bytes in each of them would be a sixth of the history.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceParent> {
        match self {
            Self::Upload(upload) => upload.trace(),
            _ => None,
        }
    }

    /// The event's id: derived, so that a redelivered event is recognised.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Row(row) => row.id(),
            Self::Upload(upload) => upload.id(),
            Self::AnomalyFlagged(flagged) => flagged.id().to_owned(),
            Self::AnomalyShadowed(shadowed) => shadowed.id().to_owned(),
            Self::RulesetActivated(activated) => activated.id(),
            Self::RulesetShadowed(shadowed) => shadowed.id(),
        }
    }

    /// The partition key: events with the same key stay in order.
    #[must_use]
    pub fn partition_key(&self) -> String {
        match self {
            Self::Row(row) => row.partition_key(),
            Self::Upload(upload) => upload_partition_key(upload.upload_id()),
            Self::AnomalyFlagged(flagged) => flagged.subject(),
            Self::AnomalyShadowed(shadowed) => shadowed.subject(),
            Self::RulesetActivated(_) | Self::RulesetShadowed(_) => {
                RulesetActivated::PARTITION_KEY.to_owned()
            }
        }
    }

    /// The `source` attribute: what made the event.
    #[must_use]
    pub fn source(&self) -> String {
        match self {
            Self::Row(row) => upload_source(row.upload_id),
            Self::Upload(upload) => upload_source(upload.upload_id()),
            Self::AnomalyFlagged(flagged) => format!("/rules/{}", flagged.finding.rule_set),
            Self::AnomalyShadowed(shadowed) => format!("/rules/{}", shadowed.finding().rule_set),
            Self::RulesetActivated(activated) => format!("/rules/{}", activated.version),
            Self::RulesetShadowed(shadowed) => format!("/rules/{}", shadowed.version),
        }
    }

    /// The `subject` attribute: what the event is about.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Row(row) => row.subject(),
            Self::Upload(upload) => upload.upload_id().to_string(),
            Self::AnomalyFlagged(flagged) => flagged.subject(),
            Self::AnomalyShadowed(shadowed) => shadowed.subject(),
            Self::RulesetActivated(activated) => activated.version.clone(),
            Self::RulesetShadowed(shadowed) => shadowed.version.clone(),
        }
    }

    /// The `time` attribute: when the upload that it stems from arrived.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Row(row) => row.uploaded_at,
            Self::Upload(upload) => upload.time(),
            Self::AnomalyFlagged(flagged) => flagged.time,
            Self::AnomalyShadowed(shadowed) => shadowed.time,
            Self::RulesetActivated(activated) => activated.activated_at,
            Self::RulesetShadowed(shadowed) => shadowed.shadowed_at,
        }
    }
}

/// The partition key of an upload's own events.
#[must_use]
pub fn upload_partition_key(upload_id: UploadId) -> String {
    format!("upload/{upload_id}")
}

/// The `source` attribute of an upload's events.
#[must_use]
pub fn upload_source(upload_id: UploadId) -> String {
    format!("/uploads/{upload_id}")
}

#[cfg(test)]
pub(crate) mod tests;
