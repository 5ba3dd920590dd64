//! The document of one transaction: `GET /status/{transaction_id}` and `txp status --json`.

use super::flag::{FlagDocument, flags_of};
use super::{Audience, moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use txp_domain::card::{Brand, Last4};
use txp_domain::event::ViolationData;
use txp_domain::id::{EventId, UploadId};
use txp_domain::money::Currency;
use txp_domain::position::Position;
use txp_domain::row::{Country, Mcc, TimeSource, TransactionType};
use txp_domain::time::Timestamp;
use txp_domain::transaction::{
    FirstAccepted, HistoryEntry, HistoryEvent, Rejection, Status, Transaction, Writer,
};
use txp_domain::upload::Upload;

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusName {
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

impl From<Status> for StatusName {
    fn from(status: Status) -> Self {
        match status {
            Status::Validated => Self::Validated,
            Status::Flagged => Self::Flagged,
            Status::Disputed => Self::Disputed,
            Status::Rejected => Self::Rejected,
            Status::AwaitingOriginal => Self::AwaitingOriginal,
        }
    }
}

/// Up to where the history is folded into an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AsOfDocument {
    /// The last sequence number folded, in decimal digits.
    pub sequence: String,
    /// When that event was appended.
    pub time: Timestamp,
    /// Where the history has no order between buckets, the bucket that this is said of: the
    /// transaction's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u8>,
    /// With it, the index inside an aggregated record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsequence: Option<u64>,
}

impl AsOfDocument {
    /// From a sequence number and the Unix time in milliseconds of its arrival.
    #[must_use]
    pub fn new(sequence: u64, arrival_millis: i64) -> Self {
        Self {
            sequence: sequence.to_string(),
            time: moment(arrival_millis),
            bucket: None,
            subsequence: None,
        }
    }

    /// From the transaction itself, where nothing is known of the whole history: its last event and
    /// when that was appended. Of a transaction with more events than its history keeps, the last
    /// time kept; of a placeholder, whose event is in another bucket, the arrival of the upload.
    #[must_use]
    pub fn of(transaction: &Transaction) -> Self {
        let Some(Position {
            bucket,
            sequence,
            subsequence,
        }) = &transaction.as_of
        else {
            let uploads = transaction.disputes.iter().map(|event| event.upload_id);
            let newest = uploads.map(|id| id.unix_millis()).max().unwrap_or(0);
            return Self::new(0, i64::try_from(newest).unwrap_or(0));
        };
        let last = transaction.history.last();
        Self {
            sequence: sequence.to_string(),
            time: moment(last.map_or(0, |entry| entry.arrival_millis)),
            bucket: Some(bucket.0),
            subsequence: Some(*subsequence),
        }
    }
}

/// Where an event stands in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PositionDocument {
    /// The bucket of its partition key.
    pub bucket: u8,
    /// An unsigned integer of up to 129 decimal digits.
    pub sequence: String,
    /// Its index inside an aggregated record.
    pub subsequence: u64,
}

impl From<&Position> for PositionDocument {
    fn from(position: &Position) -> Self {
        Self {
            bucket: position.bucket.0,
            sequence: position.sequence.to_string(),
            subsequence: position.subsequence,
        }
    }
}

/// One event that changed the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryDocument {
    /// The event's id.
    pub id: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was appended.
    pub time: Timestamp,
    /// Where it stands.
    pub position: PositionDocument,
    /// What a row is beside the first accepted one: accepted, rejected, duplicate or conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

impl From<&HistoryEntry> for HistoryDocument {
    fn from(entry: &HistoryEntry) -> Self {
        let (id, class) = match &entry.what {
            HistoryEvent::Row { event, class, .. } => {
                (event.to_string(), Some(class.name().to_owned()))
            }
            HistoryEvent::Flagged { event } => (event.to_string(), None),
        };
        Self {
            id,
            kind: entry.what.event_type().name().to_owned(),
            time: moment(entry.arrival_millis),
            position: PositionDocument::from(&entry.position),
            class,
        }
    }
}

/// One reason why a row was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ViolationDocument {
    /// A stable code.
    pub code: String,
    /// The column, where one is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

/// Why only bad rows had this id so far: the latest of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RejectionDocument {
    /// The upload.
    pub upload_id: UploadId,
    /// The record.
    pub row: u64,
    /// The physical line.
    pub line: u64,
    /// All that was wrong.
    pub reasons: Vec<ViolationDocument>,
}

impl From<&Rejection> for RejectionDocument {
    fn from(rejection: &Rejection) -> Self {
        let violations: Vec<ViolationData<'_>> =
            serde_json::from_str(&rejection.violations).unwrap_or_default();
        let reasons = violations.into_iter().map(|violation| ViolationDocument {
            code: violation.code.into_owned(),
            field: violation.field.map(Cow::into_owned),
            message: violation.message.into_owned(),
            hint: violation.hint.into_owned(),
        });
        Self {
            upload_id: rejection.event.upload_id,
            row: rejection.event.record,
            line: rejection.line,
            reasons: reasons.collect(),
        }
    }
}

/// The document of one transaction. What only a good row tells is null until there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionDocument {
    /// The merchant's id of it.
    pub transaction_id: String,
    /// The merchant.
    pub merchant_id: String,
    /// Where it stands.
    pub status: StatusName,
    /// With exactly the currency's minor digits.
    pub amount: Option<String>,
    /// ISO 4217.
    pub currency: Option<Currency>,
    /// Sale, refund or chargeback.
    #[serde(rename = "type")]
    pub kind: Option<TransactionType>,
    /// When it took place.
    pub timestamp: Option<Timestamp>,
    /// Where that comes from.
    pub time_source: Option<TimeSource>,
    /// The card's last four digits.
    pub card_last4: Option<Last4>,
    /// The card's brand.
    pub brand: Option<Brand>,
    /// What a refund or chargeback is about.
    pub original_transaction_id: Option<String>,
    /// The terminal.
    pub terminal_id: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<Country>,
    /// The merchant category code.
    pub mcc: Option<Mcc>,
    /// The upload of the row that stands.
    pub upload_id: Option<UploadId>,
    /// Its record.
    pub row: Option<u64>,
    /// Its physical line.
    pub line: Option<u64>,
    /// The name of that upload's file, long numbers redacted.
    pub source_file: Option<String>,
    /// What rules found.
    pub flags: Vec<FlagDocument>,
    /// The events of chargebacks that name it.
    pub disputes: Vec<EventId>,
    /// There were more.
    pub disputes_truncated: bool,
    /// How many distinct other contents were refused.
    pub conflicts: u64,
    /// There were more.
    pub conflicts_truncated: bool,
    /// Why it is rejected, where it is.
    pub rejection: Option<RejectionDocument>,
    /// The first events that changed it.
    pub history: Vec<HistoryDocument>,
    /// There were more.
    pub history_truncated: bool,
    /// One up with every change.
    pub revision: u64,
    /// One up with what a rule judges.
    pub facts_revision: u32,
    /// Who wrote it: `live`, or `replay:{id}`.
    pub writer: String,
    /// Up to where the history is folded into this answer.
    pub as_of: AsOfDocument,
}

/// The upload of the row that stands: whose file the document names.
#[must_use]
pub fn upload_of(transaction: &Transaction) -> Option<UploadId> {
    let first = transaction.first.as_ref()?;
    Some(first.event.upload_id)
}

/// The document of a transaction. `upload` is the one of [`upload_of`].
#[must_use]
pub fn transaction_document(
    transaction: &Transaction,
    upload: Option<&Upload>,
    as_of: AsOfDocument,
    audience: Audience,
) -> TransactionDocument {
    let first = transaction.first.as_ref();
    let content = first.map(|first| &first.content);
    let received = upload.and_then(|upload| upload.received.as_ref());
    let source_file = received.map(|received| received.file.name.clone());
    let flags = transaction.flags.iter();
    TransactionDocument {
        transaction_id: transaction.key.transaction_id.to_string(),
        merchant_id: transaction.key.merchant_id.to_string(),
        status: transaction.status().into(),
        amount: first.map(amount),
        currency: content.map(|content| content.currency),
        kind: content.map(|content| content.kind),
        timestamp: first.map(|first| first.timestamp),
        time_source: first.map(|first| first.time_source),
        card_last4: first.map(|first| first.last4),
        brand: first.map(|first| first.brand),
        original_transaction_id: content.and_then(|content| {
            content
                .original_transaction_id
                .as_deref()
                .map(str::to_owned)
        }),
        terminal_id: content.and_then(|content| content.terminal_id.as_deref().map(str::to_owned)),
        country: content.and_then(|content| content.country),
        mcc: content.and_then(|content| content.mcc),
        upload_id: upload_of(transaction),
        row: first.map(|first| first.event.record),
        line: first.map(|first| first.line),
        source_file,
        flags: flags.flat_map(|flag| flags_of(flag, audience)).collect(),
        disputes: transaction.disputes.clone(),
        disputes_truncated: transaction.disputes_truncated,
        conflicts: transaction.conflicts.len() as u64,
        conflicts_truncated: transaction.conflicts_truncated,
        rejection: transaction.rejection.as_ref().map(RejectionDocument::from),
        history: transaction
            .history
            .iter()
            .map(HistoryDocument::from)
            .collect(),
        history_truncated: transaction.history_truncated,
        revision: transaction.revision,
        facts_revision: transaction.facts_revision,
        writer: match &transaction.writer {
            Writer::Live => "live".to_owned(),
            Writer::Replay(id) => format!("replay:{id}"),
        },
        as_of,
    }
}

fn amount(first: &FirstAccepted) -> String {
    let mut out = Vec::new();
    first
        .content
        .amount
        .write_decimal(first.content.currency, &mut out);
    String::from_utf8(out).unwrap_or_default()
}
