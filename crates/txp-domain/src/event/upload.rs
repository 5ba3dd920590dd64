//! A file's life: `upload.received`, `upload.parsed`, `upload.failed`.

use super::{EventType, Redrive};
use crate::id::UploadId;
use crate::position::Bucket;
use crate::time::Timestamp;
use crate::trace::TraceParent;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// A step in an upload's life.
#[derive(Clone, Debug, PartialEq)]
pub enum UploadEvent {
    /// The file is there and will be read.
    Received(UploadReceived),
    /// Every row was read.
    Parsed(UploadParsed),
    /// Reading ended early.
    Failed(UploadFailed),
}

impl UploadEvent {
    /// The event's type.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::Received(_) => EventType::UploadReceived,
            Self::Parsed(_) => EventType::UploadParsed,
            Self::Failed(_) => EventType::UploadFailed,
        }
    }

    /// The upload.
    #[must_use]
    pub fn upload_id(&self) -> UploadId {
        match self {
            Self::Received(e) => e.upload_id,
            Self::Parsed(e) => e.upload_id,
            Self::Failed(e) => e.upload_id,
        }
    }

    /// When the upload arrived.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Received(e) => e.uploaded_at,
            Self::Parsed(e) => e.uploaded_at,
            Self::Failed(e) => e.uploaded_at,
        }
    }

    /// The trace of the request that the upload began with.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceParent> {
        match self {
            Self::Received(e) => e.trace.as_ref(),
            Self::Parsed(e) => e.trace.as_ref(),
            Self::Failed(e) => e.trace.as_ref(),
        }
    }

    /// The event's id, `{upload_id}:received` and so on.
    #[must_use]
    pub fn id(&self) -> String {
        let step = match self {
            Self::Received(_) => "received",
            Self::Parsed(_) => "parsed",
            Self::Failed(_) => "failed",
        };
        format!("{}:{step}", self.upload_id())
    }
}

/// Data of `upload.received`, version 1: all that a reader of the file needs to read it alike again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UploadReceived {
    /// The upload; in the envelope's id.
    #[serde(skip)]
    pub upload_id: UploadId,
    /// When it arrived; the envelope's time.
    #[serde(skip)]
    pub uploaded_at: Timestamp,
    /// The trace of the request that it began with; the envelope's traceparent.
    #[serde(skip)]
    pub trace: Option<TraceParent>,
    /// Whose upload it is.
    pub client_id: String,
    /// The file.
    pub file: SourceFile,
    /// How to read it.
    pub options: UploadOptions,
    /// The merchants that the client may send for, as they stood when the upload arrived.
    pub merchants: Merchants,
}

/// The file of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceFile {
    /// Its name, long runs of digits redacted.
    pub name: String,
    /// Its size in bytes, where known before reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// A digest of path, size, modification time and options, by which an unfinished upload of the
    /// same file is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// How a file is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadOptions {
    /// One bad row refuses the whole file.
    #[serde(default)]
    pub strict: bool,
    /// What a row means that does not say.
    #[serde(default)]
    pub defaults: Defaults,
    /// Their column name to ours.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// Identifiers may look like card numbers: an operator's exemption of the client.
    #[serde(default)]
    pub long_number_ids_allowed: bool,
    /// Not a file of its own: rows of an earlier upload, read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<Redrive>,
}

/// What a row means that does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Defaults {
    /// Instead of USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// For timestamps without a zone, which are else rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// The merchants that a client may send for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Merchants {
    /// Every merchant.
    All,
    /// These, sorted.
    Only(Vec<String>),
}

/// What reading a file gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadTally {
    /// Records read.
    pub records: u64,
    /// Records that every rule holds for.
    pub valid: u64,
    /// Records that some rule is broken for.
    pub rejected: u64,
    /// Rows having each code: may sum to more than `rejected`.
    pub rejected_by_code: BTreeMap<String, u64>,
    /// Bytes read.
    pub bytes: u64,
    /// SHA-256 of the file in hexadecimal, where all of it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Option<String>,
    /// Sum of the valid rows' amounts per currency, refunds and chargebacks counted apart.
    pub sums: BTreeMap<String, CurrencySums>,
    /// The last record number that went to each bucket.
    pub last_record_by_bucket: BucketRecords,
    /// Columns that were dropped, long runs of digits redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_columns: Vec<String>,
}

impl UploadTally {
    /// Of a file of which no row event was appended: what was read is counted, no money was taken.
    #[must_use]
    pub fn without_rows(self) -> Self {
        Self {
            sums: BTreeMap::new(),
            last_record_by_bucket: BucketRecords::default(),
            ..self
        }
    }

    /// Whether no row event was appended.
    #[must_use]
    pub fn has_no_rows(&self) -> bool {
        self.last_record_by_bucket.0.is_empty()
    }
}

/// Sums of a file's valid rows in one currency, as decimals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CurrencySums {
    /// Of sales.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale: Option<String>,
    /// Of refunds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<String>,
    /// Of chargebacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chargeback: Option<String>,
}

/// The last record of an upload per bucket: with it one knows when all of them were folded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct BucketRecords(pub BTreeMap<u8, u64>);

impl<'de> Deserialize<'de> for BucketRecords {
    /// By hand, because keys of JSON are texts, and serde does not read them as numbers inside of
    /// what is flattened into another type.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_text = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let by_bucket = by_text.into_iter().map(|(bucket, record)| {
            let bucket = bucket
                .parse()
                .map_err(|_| D::Error::custom("expected a bucket of 0 to 255"))?;
            Ok((bucket, record))
        });
        by_bucket.collect::<Result<_, _>>().map(Self)
    }
}

impl BucketRecords {
    /// The last record that went to a bucket; `None` if none did.
    #[must_use]
    pub fn last(&self, bucket: Bucket) -> Option<u64> {
        self.0.get(&bucket.0).copied()
    }
}

/// Data of `upload.parsed`, version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UploadParsed {
    /// The upload; in the envelope's id.
    #[serde(skip)]
    pub upload_id: UploadId,
    /// When it arrived; the envelope's time.
    #[serde(skip)]
    pub uploaded_at: Timestamp,
    /// The trace of the request that it began with; the envelope's traceparent.
    #[serde(skip)]
    pub trace: Option<TraceParent>,
    /// What reading it gave.
    #[serde(flatten)]
    pub tally: UploadTally,
}

/// Data of `upload.failed`, version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UploadFailed {
    /// The upload; in the envelope's id.
    #[serde(skip)]
    pub upload_id: UploadId,
    /// When it arrived; the envelope's time.
    #[serde(skip)]
    pub uploaded_at: Timestamp,
    /// The trace of the request that it began with; the envelope's traceparent.
    #[serde(skip)]
    pub trace: Option<TraceParent>,
    /// Why.
    pub reason: FailureReason,
    /// What was read before.
    #[serde(flatten)]
    pub tally: UploadTally,
}

/// Why an upload failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureReason {
    /// A stable code.
    pub code: String,
    /// What is wrong and where.
    pub message: String,
    /// How to mend it.
    pub hint: String,
    /// The physical line, where one is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}
