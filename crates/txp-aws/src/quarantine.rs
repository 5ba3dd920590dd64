//! Events that cannot be processed, by position: one small object per record of the stream.
//!
//! `quarantine/{stage}/{bucket}/{sequence}-{subsequence}.json`, named after the first of them, says where
//! they stand and why they are there, never what is in them. One record may hold a hundred thousand:
//! neighbours with one reason are told as one stretch, and so many stretches are told as fit. The name
//! follows from the positions, so the same events again change nothing. [`kept`] reads them again.

mod kept;

pub use kept::{Kept, KeptStretch, kept};

use crate::s3::Bucket;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use txp_domain::redact::redact;
use txp_pipeline::document::PositionDocument;
use txp_pipeline::port::{ErrorKind, Poison, PortError, Quarantine};

/// What all names begin with.
pub const PREFIX: &str = "quarantine/";

/// Objects written at the same time: a delivery full of them is done within its time.
const IN_FLIGHT_MAX: usize = 16;
/// Stretches that one object tells of, at some 200 bytes each.
const STRETCHES_MAX: usize = 1_000;

/// The quarantine of one stage, in a bucket.
#[derive(Clone, Debug)]
pub struct S3Quarantine {
    bucket: Bucket,
    stage: &'static str,
}

#[derive(Serialize, Deserialize)]
struct Document<'a> {
    stage: Cow<'a, str>,
    /// Of the first.
    position: PositionDocument,
    /// Of the first.
    reason: String,
    /// How many events of the record are in quarantine.
    events: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stretches: Vec<Stretch>,
}

/// Events of one bucket, one behind the other, with one reason.
#[derive(Serialize, Deserialize)]
struct Stretch {
    bucket: u8,
    first_subsequence: u64,
    last_subsequence: u64,
    reason: String,
}

impl S3Quarantine {
    /// That of a stage.
    #[must_use]
    pub fn new(bucket: Bucket, stage: &'static str) -> Self {
        Self { bucket, stage }
    }

    /// Writes the object of one record's events.
    async fn write(&self, poisons: &[Poison]) -> Result<(), PortError> {
        let Some(first) = poisons.first() else {
            return Ok(());
        };
        let position = &first.position;
        let key = format!(
            "{PREFIX}{}/{:02x}/{}-{}.json",
            self.stage, position.bucket.0, position.sequence, position.subsequence
        );
        let document = Document {
            stage: first.stage.into(),
            position: PositionDocument::from(position),
            reason: redact(&first.reason).into_owned(),
            events: u64::try_from(poisons.len()).unwrap_or(u64::MAX),
            stretches: match poisons {
                [_] => Vec::new(),
                _ => stretches(poisons),
            },
        };
        let body = serde_json::to_vec(&document).map_err(|error| {
            let context = "an event's quarantine cannot be written as JSON";
            PortError::caused(ErrorKind::Permanent, context, error)
        })?;
        self.bucket.put(&key, "application/json", body).await
    }
}

fn stretches(poisons: &[Poison]) -> Vec<Stretch> {
    let of = |poison: &Poison| (poison.position.bucket, poison.position.subsequence);
    let goes_on = |a: &Poison, b: &Poison| {
        let ((bucket, at), next) = (of(a), of(b));
        next == (bucket, at.saturating_add(1)) && a.reason == b.reason
    };
    let stretch = |poisons: &[Poison]| {
        let (first, last) = (poisons.first()?, poisons.last()?);
        Some(Stretch {
            bucket: first.position.bucket.0,
            first_subsequence: first.position.subsequence,
            last_subsequence: last.position.subsequence,
            reason: redact(&first.reason).into_owned(),
        })
    };
    let stretches = poisons.chunk_by(goes_on).filter_map(stretch);
    stretches.take(STRETCHES_MAX).collect()
}

impl Quarantine for S3Quarantine {
    async fn put(&mut self, poison: &Poison) -> Result<(), PortError> {
        self.write(std::slice::from_ref(poison)).await
    }

    async fn put_all(&mut self, poisons: &[Poison]) -> Result<(), PortError> {
        let of_one_record = |a: &Poison, b: &Poison| {
            a.position.sequence == b.position.sequence && a.stage == b.stage
        };
        let writes = poisons.chunk_by(of_one_record);
        let writes = writes.map(|poisons| self.write(poisons));
        let mut writes = stream::iter(writes).buffer_unordered(IN_FLIGHT_MAX);
        while writes.try_next().await?.is_some() {}
        Ok(())
    }
}
