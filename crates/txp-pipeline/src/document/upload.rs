//! The document of one upload, and the list of them.

use super::{RowErrors, moment};
use crate::receipt::ReceiptKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use txp_domain::event::{CurrencySums, FailureReason, UploadTally};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::upload::{ClassCounts, Ending, Upload, UploadState};

/// The form of receipts.
const RECEIPT_VERSION: u32 = 1;

/// How long a client should wait before it asks again, while the upload goes on.
const POLL_AFTER_SECONDS: u32 = 1;
/// The same, while nothing has come yet.
const POLL_PENDING_SECONDS: u32 = 5;

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// A link was given, nothing came yet.
    Pending,
    /// A link was given and nothing came in time.
    Expired,
    /// It is being read.
    Processing,
    /// All of it was read; not every row is folded.
    Parsed,
    /// Every row is folded.
    Completed,
    /// Reading ended early.
    Failed,
    /// It was validated only.
    DryRun,
}

impl From<UploadState> for StateName {
    fn from(state: UploadState) -> Self {
        match state {
            UploadState::Pending => Self::Pending,
            UploadState::Expired => Self::Expired,
            UploadState::Processing => Self::Processing,
            UploadState::Parsed => Self::Parsed,
            UploadState::Completed => Self::Completed,
            UploadState::Failed => Self::Failed,
        }
    }
}

/// Rows by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountsDocument {
    /// First with their id.
    pub accepted: u64,
    /// Invalid.
    pub rejected: u64,
    /// Equal to the first with their id.
    pub duplicates: u64,
    /// Other than the first with their id.
    pub conflicts: u64,
}

impl From<ClassCounts> for CountsDocument {
    fn from(counts: ClassCounts) -> Self {
        Self {
            accepted: counts.accepted,
            rejected: counts.rejected,
            duplicates: counts.duplicates,
            conflicts: counts.conflicts,
        }
    }
}

/// Why an upload failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureDocument {
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

impl From<&FailureReason> for FailureDocument {
    fn from(reason: &FailureReason) -> Self {
        Self {
            code: reason.code.clone(),
            message: reason.message.clone(),
            hint: reason.hint.clone(),
            line: reason.line,
        }
    }
}

/// What a merchant keeps: which bytes were processed, and what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptDocument {
    /// Of this form: 1.
    pub version: u32,
    /// The upload.
    pub upload_id: UploadId,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// Records read.
    pub rows: u64,
    /// What became of them.
    pub counts: CountsDocument,
    /// Sums of the valid rows per currency.
    pub sums: BTreeMap<String, CurrencySums>,
    /// When the file arrived.
    pub received_at: Timestamp,
    /// When its last row was folded.
    pub completed_at: Timestamp,
    /// Of all the rest, as canonical JSON (RFC 8785).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureDocument>,
}

/// A receipt's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignatureDocument {
    /// `EdDSA`, with the curve Ed25519.
    pub algorithm: String,
    /// Names the key, which GET /receipt-key publishes.
    pub key_id: String,
    /// The signature in base64url.
    pub value: String,
}

/// The document of one upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UploadDocument {
    /// The upload; null for a dry run, which leaves no upload behind.
    pub upload_id: Option<UploadId>,
    /// Where it stands.
    pub state: StateName,
    /// The file's name, long numbers redacted.
    pub file: Option<String>,
    /// When the file arrived.
    pub received_at: Option<Timestamp>,
    /// Rows of this earlier upload, which were rejected by mistake, read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive_of: Option<UploadId>,
    /// Until when the link can be used; only while nothing has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Records read, once reading has ended.
    pub rows: Option<u64>,
    /// What became of the rows folded so far.
    pub counts: CountsDocument,
    /// How much of it is done; null while it is not known how much there is.
    pub percent: Option<u8>,
    /// Rejected rows by code; a row may have several.
    pub rejected_by_code: BTreeMap<String, u64>,
    /// The first rejected rows.
    pub errors: Vec<RowErrors>,
    /// Where the whole report is, once there is one.
    pub rejects_url: Option<String>,
    /// Columns that were dropped.
    pub unknown_columns: Vec<String>,
    /// Sums of the valid rows per currency.
    pub sums: BTreeMap<String, CurrencySums>,
    /// Of a dry run: what the rules found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<u64>,
    /// Why it failed, where it did.
    pub failure: Option<FailureDocument>,
    /// Ask again after so many seconds; null once nothing will change.
    pub poll_after_s: Option<u32>,
    /// Once it is completed.
    pub receipt: Option<ReceiptDocument>,
}

/// Uploads, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UploadsDocument {
    /// The uploads of this page.
    pub uploads: Vec<UploadDocument>,
    /// Where the next page starts; null at the end.
    pub next_cursor: Option<String>,
}

/// What an upload's document is made of, beside the upload itself.
#[derive(Clone, Debug, Default)]
pub struct UploadSource {
    /// It was validated only.
    pub is_dry_run: bool,
    /// Of a dry run: what the rules found.
    pub findings: Option<u64>,
    /// How much of it is read, in hundredths, where that is known.
    pub percent_read: Option<u8>,
    /// The first rows of its rejects report.
    pub errors: Vec<RowErrors>,
    /// Where that report is found.
    pub rejects_url: Option<String>,
}

impl UploadDocument {
    /// The document of an upload that nothing is known of but its state.
    #[must_use]
    pub fn empty(upload_id: UploadId, state: StateName) -> Self {
        Self {
            upload_id: Some(upload_id),
            state,
            file: None,
            received_at: None,
            redrive_of: None,
            expires_at: None,
            rows: None,
            counts: CountsDocument::default(),
            percent: matches!(state, StateName::Pending).then_some(0),
            rejected_by_code: BTreeMap::new(),
            errors: Vec::new(),
            rejects_url: None,
            unknown_columns: Vec::new(),
            sums: BTreeMap::new(),
            findings: None,
            failure: None,
            poll_after_s: poll_after(state),
            receipt: None,
        }
    }

    /// The document of an upload of which the history knows nothing yet. `expires_at` is its link's.
    #[must_use]
    pub fn announced(
        upload_id: UploadId,
        state: StateName,
        file: String,
        expires_at: Timestamp,
    ) -> Self {
        let is_waited_for = matches!(state, StateName::Pending | StateName::Expired);
        Self {
            file: Some(file),
            expires_at: is_waited_for.then_some(expires_at),
            ..Self::empty(upload_id, state)
        }
    }

    /// The same with its receipt signed, if there is one.
    #[must_use]
    pub fn signed(mut self, key: Option<&ReceiptKey>) -> Self {
        if let (Some(key), Some(receipt)) = (key, &mut self.receipt) {
            key.sign(receipt);
        }
        self
    }

    fn tell(&mut self, tally: &UploadTally) {
        self.rows = Some(tally.records);
        self.rejected_by_code.clone_from(&tally.rejected_by_code);
        self.unknown_columns.clone_from(&tally.unknown_columns);
        // Older histories have sums of what a refused upload did not take.
        if !tally.has_no_rows() {
            self.sums.clone_from(&tally.sums);
        }
    }
}

/// The document of an upload.
#[must_use]
pub fn upload_document(upload: &Upload, source: UploadSource) -> UploadDocument {
    let state = match upload.state() {
        UploadState::Parsed | UploadState::Completed if source.is_dry_run => StateName::DryRun,
        state => state.into(),
    };
    let mut document = UploadDocument::empty(upload.id, state);
    if source.is_dry_run {
        document.upload_id = None;
    }
    let received = upload.received.as_ref();
    document.file = received.map(|received| received.file.name.clone());
    document.received_at = received.map(|received| received.uploaded_at);
    let redrive = received.and_then(|received| received.options.redrive.as_ref());
    document.redrive_of = redrive.map(|redrive| redrive.upload_id);
    document.counts = upload.row_counts().into();
    document.findings = source.findings;
    document.percent = percent(upload, state).or(source.percent_read);
    document.errors = source.errors;
    document.rejects_url = source.rejects_url;
    if let Some(ending) = &upload.ending {
        document.tell(ending.tally());
        if let Ending::Failed(reason, _) = ending {
            document.failure = Some(reason.into());
        }
    }
    document.receipt = receipt(upload, state);
    document
}

fn receipt(upload: &Upload, state: StateName) -> Option<ReceiptDocument> {
    let (StateName::Completed, Some(ending)) = (state, &upload.ending) else {
        return None;
    };
    let tally = ending.tally();
    Some(ReceiptDocument {
        version: RECEIPT_VERSION,
        upload_id: upload.id,
        sha256: tally.sha256.clone(),
        bytes: tally.bytes,
        rows: tally.records,
        counts: upload.counts.into(),
        sums: tally.sums.clone(),
        received_at: upload.received.as_ref()?.uploaded_at,
        completed_at: moment(upload.changed_at_millis),
        signature: None,
    })
}

fn percent(upload: &Upload, state: StateName) -> Option<u8> {
    match (state, &upload.ending) {
        (StateName::Completed | StateName::DryRun, _) => Some(100),
        (StateName::Parsed, Some(ending)) => {
            let hundredths = upload.counts.total().saturating_mul(100);
            let folded = hundredths.checked_div(ending.tally().records)?;
            // 100 is kept for completed: the last rows may be folded and not yet published.
            u8::try_from(folded.min(99)).ok()
        }
        _ => None,
    }
}

fn poll_after(state: StateName) -> Option<u32> {
    match state {
        StateName::Pending => Some(POLL_PENDING_SECONDS),
        StateName::Processing | StateName::Parsed => Some(POLL_AFTER_SECONDS),
        StateName::Expired | StateName::Completed | StateName::Failed | StateName::DryRun => None,
    }
}
