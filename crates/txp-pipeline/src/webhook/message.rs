//! What is told: `{"type", "timestamp", "data"}`, as Standard Webhooks has it.

use super::endpoint::Topic;
use crate::document::{StateName, UploadSource, upload_document};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use txp_domain::alert::{Message, Told};
use txp_domain::time::Timestamp;
use txp_domain::upload::Upload;

/// An upload that ended longer ago is no news, and is not told any more.
pub const NEWS_SECONDS: i64 = 48 * 3600;

/// One message, for every endpoint that wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Derived from what is told: the same again is the same message.
    pub id: String,
    /// What it is about.
    pub topic: Topic,
    /// When it became known.
    pub at: Timestamp,
    /// The body: JSON.
    pub body: String,
}

impl Outgoing {
    /// An upload's end; `None` if it is not at its end.
    #[must_use]
    pub fn of_upload(upload: &Upload, at: Timestamp) -> Option<Self> {
        let document = upload_document(upload, UploadSource::default());
        let kind = match document.state {
            StateName::Completed => "upload.completed",
            StateName::Failed => "upload.failed",
            _ => return None,
        };
        let received = upload.received.as_ref();
        let data = json!({
            "upload_id": upload.id,
            "client_id": received.map(|received| &received.client_id),
            "state": document.state,
            "file": document.file,
            "received_at": document.received_at,
            "redrive_of": document.redrive_of,
            "rows": document.rows,
            "counts": document.counts,
            "rejected_by_code": document.rejected_by_code,
            "sums": document.sums,
            "sha256": document.receipt.as_ref().and_then(|receipt| receipt.sha256.clone()),
            "completed_at": document.receipt.as_ref().map(|receipt| receipt.completed_at),
            "failure": document.failure,
        });
        let (_, step) = kind.split_once('.').unwrap_or_default();
        Some(Self {
            id: format!("{}:{step}", upload.id),
            topic: Topic::Uploads,
            at,
            body: body(kind, at, &data),
        })
    }

    /// An alert, or a digest of several.
    #[must_use]
    pub fn of_alert(message: &Message, at: Timestamp) -> Self {
        let kind = match &message.told {
            Told::Finding(_) => "alert.finding",
            Told::Digest(_) => "alert.digest",
        };
        let told = serde_json::to_value(&message.told).unwrap_or_default();
        let data =
            json!({ "subject": message.subject, "severity": message.severity, "alert": told });
        Self {
            id: message.id.clone(),
            topic: Topic::Alerts,
            at,
            body: body(kind, at, &data),
        }
    }
}

fn body(kind: &str, at: Timestamp, data: &Value) -> String {
    json!({ "type": kind, "timestamp": at, "data": data }).to_string()
}
