//! Events that cannot be processed, by position: one small object each.
//!
//! `quarantine/{stage}/{bucket}/{sequence}-{subsequence}.json` says where the event stands and why it
//! is there, never what is in it. The name follows from the position, so the same event again
//! changes nothing.

use crate::s3::Bucket;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use txp_domain::redact::redact;
use txp_pipeline::document::PositionDocument;
use txp_pipeline::port::{ErrorKind, Poison, PortError, Quarantine};

/// What all names begin with.
pub const PREFIX: &str = "quarantine/";

/// Objects written at the same time: a delivery full of them is done within its time.
const IN_FLIGHT_MAX: usize = 16;

/// The quarantine of one stage, in a bucket.
#[derive(Clone, Debug)]
pub struct S3Quarantine {
    bucket: Bucket,
    stage: &'static str,
}

#[derive(Serialize)]
struct Document<'a> {
    stage: &'a str,
    position: PositionDocument,
    reason: &'a str,
}

impl S3Quarantine {
    /// That of a stage.
    #[must_use]
    pub fn new(bucket: Bucket, stage: &'static str) -> Self {
        Self { bucket, stage }
    }

    async fn write(&self, poison: &Poison) -> Result<(), PortError> {
        let position = &poison.position;
        let key = format!(
            "{PREFIX}{}/{:02x}/{}-{}.json",
            self.stage, position.bucket.0, position.sequence, position.subsequence
        );
        let document = Document {
            stage: poison.stage,
            position: PositionDocument::from(position),
            reason: &redact(&poison.reason),
        };
        let body = serde_json::to_vec(&document).map_err(|error| {
            let context = "an event's quarantine cannot be written as JSON";
            PortError::caused(ErrorKind::Permanent, context, error)
        })?;
        self.bucket.put(&key, "application/json", body).await
    }
}

impl Quarantine for S3Quarantine {
    async fn put(&mut self, poison: &Poison) -> Result<(), PortError> {
        self.write(poison).await
    }

    async fn put_all(&mut self, poisons: &[Poison]) -> Result<(), PortError> {
        let writes = poisons.iter().map(|poison| self.write(poison));
        let mut writes = stream::iter(writes).buffer_unordered(IN_FLIGHT_MAX);
        while writes.try_next().await?.is_some() {}
        Ok(())
    }
}
