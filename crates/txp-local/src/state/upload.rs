//! An upload as it is stored: JSON, since there are few of them and people may look.

use serde::{Deserialize, Serialize};
use txp_domain::event::{FailureReason, UploadReceived, UploadTally};
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::time::Timestamp;
use txp_domain::trace::TraceParent;
use txp_domain::upload::{ClassCounts, Ending, Upload, Watermarks};

#[derive(Serialize, Deserialize)]
struct StoredUpload {
    received: Option<StoredReceived>,
    ending: Option<StoredEnding>,
    /// Absent once every row is folded.
    watermarks: Option<Vec<(u8, u64)>>,
    accepted: u64,
    rejected: u64,
    duplicates: u64,
    conflicts: u64,
    changed_at_millis: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredReceived {
    uploaded_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<TraceParent>,
    #[serde(flatten)]
    data: UploadReceived,
}

#[derive(Serialize, Deserialize)]
struct StoredEnding {
    failure: Option<FailureReason>,
    tally: UploadTally,
}

/// Encodes an upload.
pub(super) fn encode(upload: &Upload) -> Result<Vec<u8>, serde_json::Error> {
    let ending = upload.ending.as_ref().map(|ending| match ending {
        Ending::Parsed(tally) => StoredEnding {
            failure: None,
            tally: tally.clone(),
        },
        Ending::Failed(reason, tally) => StoredEnding {
            failure: Some(reason.clone()),
            tally: tally.clone(),
        },
    });
    let received = upload.received.as_ref().map(|data| StoredReceived {
        uploaded_at: data.uploaded_at,
        trace: data.trace.clone(),
        data: data.clone(),
    });
    let marks = upload.watermarks.as_ref();
    serde_json::to_vec(&StoredUpload {
        received,
        ending,
        watermarks: marks.map(|marks| {
            marks
                .iter()
                .map(|(bucket, last)| (bucket.0, last))
                .collect()
        }),
        accepted: upload.counts.accepted,
        rejected: upload.counts.rejected,
        duplicates: upload.counts.duplicates,
        conflicts: upload.counts.conflicts,
        changed_at_millis: upload.changed_at_millis,
    })
}

/// Decodes an upload.
pub(super) fn decode(id: UploadId, value: &[u8]) -> Result<Upload, serde_json::Error> {
    let stored: StoredUpload = serde_json::from_slice(value)?;
    let watermarks = stored.watermarks.map(|known| {
        let mut marks = Watermarks::default();
        for (bucket, last) in known {
            // A fresh set of watermarks takes any record above 0.
            let _moved = marks.advance(Bucket(bucket), last);
        }
        marks
    });
    Ok(Upload {
        id,
        received: stored.received.map(|r| UploadReceived {
            upload_id: id,
            uploaded_at: r.uploaded_at,
            trace: r.trace,
            ..r.data
        }),
        ending: stored.ending.map(|ending| match ending.failure {
            None => Ending::Parsed(ending.tally),
            Some(reason) => Ending::Failed(reason, ending.tally),
        }),
        watermarks,
        counts: ClassCounts {
            accepted: stored.accepted,
            rejected: stored.rejected,
            duplicates: stored.duplicates,
            conflicts: stored.conflicts,
        },
        changed_at_millis: stored.changed_at_millis,
    })
}
