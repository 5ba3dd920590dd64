//! An upload as it is stored: JSON, since there are few of them and people may look.

use serde::{Deserialize, Serialize};
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::upload::{ClassCounts, Ending, StoredEnding, StoredReceived, Upload, Watermarks};

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

/// Encodes an upload.
pub(super) fn encode(upload: &Upload) -> Result<Vec<u8>, serde_json::Error> {
    let marks = upload.watermarks.as_ref();
    serde_json::to_vec(&StoredUpload {
        received: upload.received.as_ref().map(StoredReceived::from),
        ending: upload.ending.as_ref().map(StoredEnding::from),
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
        received: stored.received.map(|received| received.of(id)),
        ending: stored.ending.map(Ending::from),
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
