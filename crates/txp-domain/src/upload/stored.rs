//! What an upload's own events say, in the form that both hosts store beside an upload: JSON, with what
//! the events keep in their envelopes.

use super::Ending;
use crate::event::{FailureReason, UploadReceived, UploadTally};
use crate::id::UploadId;
use crate::time::Timestamp;
use crate::trace::TraceParent;
use serde::{Deserialize, Serialize};

/// What `upload.received` said, but for the upload's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredReceived {
    uploaded_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<TraceParent>,
    #[serde(flatten)]
    data: UploadReceived,
}

impl From<&UploadReceived> for StoredReceived {
    fn from(received: &UploadReceived) -> Self {
        Self {
            uploaded_at: received.uploaded_at,
            trace: received.trace.clone(),
            data: received.clone(),
        }
    }
}

impl StoredReceived {
    /// As it was said of this upload.
    #[must_use]
    pub fn of(self, upload_id: UploadId) -> UploadReceived {
        UploadReceived {
            upload_id,
            uploaded_at: self.uploaded_at,
            trace: self.trace,
            ..self.data
        }
    }
}

/// What `upload.parsed` or `upload.failed` said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredEnding {
    failure: Option<FailureReason>,
    tally: UploadTally,
}

impl From<&Ending> for StoredEnding {
    fn from(ending: &Ending) -> Self {
        let failure = match ending {
            Ending::Parsed(_) => None,
            Ending::Failed(reason, _) => Some(reason.clone()),
        };
        Self {
            failure,
            tally: ending.tally().clone(),
        }
    }
}

impl From<StoredEnding> for Ending {
    fn from(stored: StoredEnding) -> Self {
        match stored.failure {
            None => Self::Parsed(stored.tally),
            Some(reason) => Self::Failed(reason, stored.tally),
        }
    }
}
