//! The document of `txp trace`: all that is known of one transaction, from the line of the file to
//! who was told, for the operator.
//!
//! It holds what the parts say and concludes nothing. Deliberately absent: where the parts are read;
//! a merchant's view, who sees the status only.

use super::{AsOfDocument, HistoryDocument, PositionDocument, StateName, StatusName};
use serde::Serialize;
use txp_domain::event::{Decoded, Event, RowOutcome, UploadReceived, ViolationData};
use txp_domain::finding::{Finding, Hit};
use txp_domain::id::UploadId;
use txp_domain::rule::Severity;
use txp_domain::time::Timestamp;
use txp_domain::transaction::{Class, Transaction};
use txp_domain::upload::Upload;

/// All that is known of one transaction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceDocument {
    /// The merchant's id of it.
    pub transaction_id: String,
    /// The merchant.
    pub merchant_id: String,
    /// Where it stands.
    pub status: StatusName,
    /// With exactly the currency's minor digits; null until there is a good row.
    pub amount: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// The files that its rows came in, in the order of their events.
    pub files: Vec<FileDocument>,
    /// Its events, in the order of the history.
    pub events: Vec<EventDocument>,
    /// What rules found, and who was told of it.
    pub findings: Vec<FindingDocument>,
    /// What rules found that were only tried, of which nobody is told, as far as the history was
    /// searched for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shadow_findings: Vec<FindingDocument>,
    /// What all of it came to.
    pub state: RevisionDocument,
    /// The item keeps no more events than these: later ones were looked for in the history.
    pub history_truncated: bool,
    /// Whether all of the history was searched: else duplicates, which change no item, are not
    /// among the events.
    pub scanned: bool,
    /// What could not be found, in words.
    pub notes: Vec<String>,
}

/// A file that rows of the transaction came in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileDocument {
    /// The upload.
    pub upload_id: UploadId,
    /// Its name, long numbers redacted.
    pub file: Option<String>,
    /// Who sent it.
    pub client_id: Option<String>,
    /// When it arrived.
    pub received_at: Option<Timestamp>,
    /// Where the upload stands.
    pub state: StateName,
    /// SHA-256 of the file, once all of it was read.
    pub sha256: Option<String>,
}

impl FileDocument {
    /// From the upload's state.
    #[must_use]
    pub fn of(upload: &Upload) -> Self {
        let received: Option<&UploadReceived> = upload.received.as_ref();
        Self {
            upload_id: upload.id,
            file: received.map(|received| received.file.name.clone()),
            client_id: received.map(|received| received.client_id.clone()),
            received_at: received.map(|received| received.uploaded_at),
            state: upload.state().into(),
            sha256: upload
                .ending
                .as_ref()
                .and_then(|ending| ending.tally().sha256.clone()),
        }
    }
}

/// One event of the transaction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventDocument {
    /// As in the status.
    #[serde(flatten)]
    pub entry: HistoryDocument,
    /// Of a row: the upload that it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<UploadId>,
    /// Of a row: its record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Of a row: its physical line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Of a row that was rejected: the codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// The item's revision that it made; null where it made none, or where links of chargebacks,
    /// which raise it too, leave that open.
    pub revision: Option<u64>,
}

/// A finding, the rules that made it, and its alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingDocument {
    /// The id of the `anomaly.flagged` event, and of the alert; or of the `anomaly.shadowed` event.
    pub id: String,
    /// Where that event stands.
    pub position: Option<PositionDocument>,
    /// The row that was judged.
    pub event_id: String,
    /// The transaction's facts revision that was judged.
    pub facts_revision: u32,
    /// The card's profile that it saw: how many sales were judged before.
    pub profile_revision: Option<u64>,
    /// The rules that judged.
    pub rule_set: RuleSetDocument,
    /// For ranking.
    pub score: u16,
    /// How grave.
    pub severity: Severity,
    /// Event time of the row that caused the finding.
    pub event_time: Timestamp,
    /// The rules that hit, with the numbers that they compared.
    pub hits: Vec<Hit>,
    /// Who was told; null where no alert is recorded.
    pub alert: Option<AlertTraceDocument>,
}

/// A set of rules, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RuleSetDocument {
    /// The version, as its file names it.
    pub version: String,
    /// SHA-256 of the canonical rule file, where its activation was found.
    pub sha256: Option<String>,
    /// Who activated it, or wanted it tried.
    pub activated_by: Option<String>,
    /// When.
    pub activated_at: Option<Timestamp>,
    /// Where that stands in the history.
    pub position: Option<PositionDocument>,
}

/// An alert, and how it was handed on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertTraceDocument {
    /// `sent`, `sent_in_digest`, `pending`, `recorded` or `suppressed`.
    pub delivery: String,
    /// When it was recorded, and what was to become of it decided.
    pub recorded_at: Timestamp,
    /// When it was handed to the sink.
    pub handed_at: Option<Timestamp>,
    /// The message that it went in: its own, or the digest's.
    pub message_id: Option<String>,
    /// How many findings that digest stands for.
    pub digest_findings: Option<u64>,
}

/// What the events came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RevisionDocument {
    /// One up with every change.
    pub revision: u64,
    /// One up with what rules judge.
    pub facts_revision: u32,
    /// Links of chargebacks among the revisions.
    pub links: u64,
    /// Who wrote it: `live`, or `replay:` and its id.
    pub writer: String,
    /// Up to where the history is folded into the answer.
    pub as_of: AsOfDocument,
}

impl EventDocument {
    /// From where an event stands, what it says if it can be read, and the revision it made.
    #[must_use]
    pub fn of(entry: HistoryDocument, event: Option<&Decoded<'_>>, revision: Option<u64>) -> Self {
        let mut document = Self {
            entry,
            upload_id: None,
            row: None,
            line: None,
            codes: Vec::new(),
            revision,
        };
        if let Some(Decoded::Rejected { data, .. }) = event {
            document.codes = codes_of(data.violations.get());
        }
        if let Some(event) = event
            && let Event::Row(row) = event.event()
        {
            document.upload_id = Some(row.upload_id);
            document.row = Some(row.record);
            document.line = Some(row.line);
        }
        document
    }
}

fn codes_of(violations: &str) -> Vec<String> {
    let violations: Vec<ViolationData<'_>> = serde_json::from_str(violations).unwrap_or_default();
    let codes = violations.into_iter();
    codes.map(|violation| violation.code.into_owned()).collect()
}

/// What a row is for an item, as documents name it. Of an item that a later row was accepted into,
/// an earlier rejected row is `rejected` all the same.
#[must_use]
pub fn class_of(transaction: &Transaction, event: &Decoded<'_>) -> Option<String> {
    let Event::Row(row) = event.event() else {
        return None;
    };
    let class = match row.outcome {
        RowOutcome::Rejected(_) => Class::Rejected,
        RowOutcome::Valid { .. } => transaction.classify(&row),
    };
    Some(class.name().to_owned())
}

impl FindingDocument {
    /// From the finding; its rules by version only, its alert not yet looked up.
    #[must_use]
    pub fn of(finding: Finding) -> Self {
        Self {
            position: None,
            event_id: finding.event_id.to_string(),
            facts_revision: finding.facts_revision,
            profile_revision: finding.inputs.profile.map(|profile| profile.revision),
            rule_set: RuleSetDocument {
                version: finding.rule_set.clone(),
                ..RuleSetDocument::default()
            },
            score: finding.score,
            severity: finding.severity,
            event_time: finding.event_time(),
            hits: finding.hits,
            alert: None,
            id: finding.id,
        }
    }
}
