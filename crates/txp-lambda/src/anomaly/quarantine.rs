//! Records that make no sense, by position: one small object each, the same again for the same one.

use serde_json::json;
use txp_aws::s3::Bucket;
use txp_pipeline::port::{Poison, PortError, Quarantine};

/// The quarantine in the bucket of what is masked.
pub(super) struct ReportsQuarantine(pub(super) Bucket);

impl Quarantine for ReportsQuarantine {
    async fn put(&mut self, poison: &Poison) -> Result<(), PortError> {
        let Poison {
            position,
            stage,
            reason,
        } = poison;
        let (bucket, sequence) = (position.bucket.0, position.sequence.to_string());
        let subsequence = position.subsequence;
        let key = format!("quarantine/{stage}/{bucket:02x}/{sequence}-{subsequence}.json");
        let position =
            json!({ "bucket": bucket, "sequence": sequence, "subsequence": subsequence });
        let document = json!({ "stage": stage, "position": position, "reason": reason });
        let body = document.to_string().into_bytes();
        self.0.put(&key, "application/json", body).await
    }
}
