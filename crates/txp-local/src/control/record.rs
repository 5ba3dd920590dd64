//! What is written down of a link's life: one JSON line per step.

use super::links::Link;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use txp_domain::event::UploadReceived;
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;

/// A file that arrived: what is to be said of it when it is read, however often that starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// The upload.
    pub upload_id: UploadId,
    /// When it arrived.
    pub uploaded_at: Timestamp,
    /// Validate only.
    pub dry_run: bool,
    received: UploadReceived,
}

impl Arrival {
    /// An arrival, from what upload.received will say.
    #[must_use]
    pub fn new(received: UploadReceived, dry_run: bool) -> Self {
        Self {
            upload_id: received.upload_id,
            uploaded_at: received.uploaded_at,
            dry_run,
            received,
        }
    }

    /// What upload.received says.
    #[must_use]
    pub fn received(&self) -> UploadReceived {
        // Both stand in the envelope of the event, and are not written with its data.
        UploadReceived {
            upload_id: self.upload_id,
            uploaded_at: self.uploaded_at,
            ..self.received.clone()
        }
    }
}

/// One line of the links' file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum Step {
    /// A link was given out.
    Issued(Link),
    /// Its file is there, whole.
    Arrived(Arrival),
    /// The file was processed; of a dry run, what came of it.
    Ended {
        upload_id: UploadId,
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<Value>,
    },
}
