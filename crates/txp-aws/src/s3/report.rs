//! The report of rejected rows as an object: put at once if it is small, else in parts.
//!
//! Parts are cut at the same bytes however often the report is written, so a part that is written
//! again, by whoever, is the same. What is not a whole part at a checkpoint is kept in an object of
//! its own under `tmp/`.
//!
//! Deliberately absent: deleting those, and giving up parts of which nobody knows any more: rules of
//! the bucket's life cycle do that.

use super::object::object_error;
use super::{Bucket, key};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_runtime_api::http::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::error::Error;
use txp_domain::id::UploadId;
use txp_pipeline::port::{ErrorKind, PortError, ReportSink, ReportStore};

/// The bytes of a part but the last: the least that S3 takes.
const PART_BYTES: usize = 5 << 20;

/// The most parts: 10 GB of report, and some 100 KB of checkpoint. What is beyond is not listed.
const PARTS_MAX: usize = 2_000;

const CONTENT_TYPE: &str = "text/csv; charset=utf-8";

/// The report of one upload.
#[derive(Debug)]
pub struct RejectsReport {
    bucket: Bucket,
    upload_id: UploadId,
    saved: Saved,
    /// What is in no part yet.
    tail: Vec<u8>,
}

/// What a checkpoint knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    /// S3's name for the parts together, once there is one.
    multipart: Option<String>,
    /// The tags of the parts.
    parts: Vec<String>,
    /// The bytes in all when the tail was kept; 0 if there was none.
    tail_at: u64,
}

impl RejectsReport {
    /// The report of an upload, nothing written.
    #[must_use]
    pub fn new(bucket: Bucket, upload_id: UploadId) -> Self {
        Self {
            bucket,
            upload_id,
            saved: Saved::default(),
            tail: Vec::new(),
        }
    }

    fn key(&self) -> String {
        key::of_rejects(self.upload_id)
    }

    fn disposition(&self) -> String {
        format!("attachment; filename=\"rejects-{}.csv\"", self.upload_id)
    }

    fn report_bytes(&self) -> u64 {
        (self.saved.parts.len() * PART_BYTES + self.tail.len()) as u64
    }

    fn writing(&self) -> String {
        format!("writing s3://{}/{} failed", self.bucket.name(), self.key())
    }

    fn error<E>(&self, error: SdkError<E, Response>) -> PortError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        object_error(self.writing(), error)
    }

    /// The name of the parts together.
    async fn multipart(&mut self) -> Result<String, PortError> {
        if let Some(id) = &self.saved.multipart {
            return Ok(id.clone());
        }
        let create = self.bucket.client().create_multipart_upload();
        let created = create
            .bucket(self.bucket.name())
            .key(self.key())
            .content_type(CONTENT_TYPE)
            .content_disposition(self.disposition())
            .send()
            .await
            .map_err(|error| self.error(error))?;
        let id = created.upload_id().map(str::to_owned).ok_or_else(|| {
            PortError::new(ErrorKind::Transient, "S3 gave an upload in parts no name")
        })?;
        self.saved.multipart = Some(id.clone());
        Ok(id)
    }

    /// Sends the first bytes of the tail as a part. If that fails they stay where they were: whoever
    /// publishes all the same must not leave them out.
    async fn put_part(&mut self, length: usize) -> Result<(), PortError> {
        let rest = self.tail.split_off(length);
        let part = Bytes::from(std::mem::replace(&mut self.tail, rest));
        let sent = self.send_part(part.clone()).await;
        if sent.is_err() {
            self.tail.splice(..0, part);
        }
        sent
    }

    async fn send_part(&mut self, body: Bytes) -> Result<(), PortError> {
        let id = self.multipart().await?;
        let number = i32::try_from(self.saved.parts.len() + 1).unwrap_or(i32::MAX);
        let put = self.bucket.client().upload_part();
        let put = put
            .bucket(self.bucket.name())
            .key(self.key())
            .upload_id(id)
            .part_number(number)
            .body(ByteStream::from(body))
            .send()
            .await;
        let tag = match put {
            // Without the quotes that S3 puts around it, and takes or leaves.
            Ok(output) => bare(output.e_tag()),
            Err(error) if error.code() == Some("NoSuchUpload") => {
                self.lost().await?;
                String::new()
            }
            Err(error) => return Err(self.error(error)),
        };
        self.saved.parts.push(tag);
        Ok(())
    }

    /// The parts are not known any more: fine if an earlier try published them.
    async fn lost(&self) -> Result<(), PortError> {
        match self
            .bucket
            .head(&self.key(), super::notification::NO_VERSION)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::Missing => {
                let context = format!("{}: the parts of an earlier try are gone", self.writing());
                Err(PortError::new(ErrorKind::Corrupt, context))
            }
            Err(error) => Err(error),
        }
    }

    async fn complete(&self, id: &str, tags: &[String]) -> Result<bool, PortError> {
        let parts = (1..).zip(tags).map(|(number, tag)| {
            let part = CompletedPart::builder().part_number(number);
            part.e_tag(tag).build()
        });
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect()));
        let completed = self
            .bucket
            .client()
            .complete_multipart_upload()
            .bucket(self.bucket.name())
            .key(self.key())
            .upload_id(id)
            .multipart_upload(parts.build())
            .send()
            .await;
        match completed {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("NoSuchUpload") => {
                self.lost().await?;
                Ok(true)
            }
            // Another try wrote a part again: the same bytes, under another tag.
            Err(error) if error.code() == Some("InvalidPart") => Ok(false),
            Err(error) => Err(self.error(error)),
        }
    }

    /// The tags of the parts as S3 has them.
    async fn tags(&self, id: &str) -> Result<Vec<String>, PortError> {
        let list = self.bucket.client().list_parts();
        let mut pages = list
            .bucket(self.bucket.name())
            .key(self.key())
            .upload_id(id)
            .into_paginator()
            .items()
            .send();
        let mut tags = Vec::new();
        while let Some(part) = pages.next().await {
            let part = part.map_err(|error| self.error(error))?;
            tags.push(bare(part.e_tag()));
        }
        tags.truncate(self.saved.parts.len());
        Ok(tags)
    }

    async fn put_whole(&mut self) -> Result<(), PortError> {
        let put = self.bucket.client().put_object();
        put.bucket(self.bucket.name())
            .key(self.key())
            .content_type(CONTENT_TYPE)
            .content_disposition(self.disposition())
            .body(ByteStream::from(self.tail.clone()))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| self.error(error))
    }

    async fn abort(&mut self) -> Result<(), PortError> {
        let Some(id) = self.saved.multipart.take() else {
            return Ok(());
        };
        let abort = self.bucket.client().abort_multipart_upload();
        let aborted = abort
            .bucket(self.bucket.name())
            .key(self.key())
            .upload_id(id)
            .send()
            .await;
        match aborted {
            Err(error) if error.code() != Some("NoSuchUpload") => Err(self.error(error)),
            _ => Ok(()),
        }
    }
}

fn bare(tag: Option<&str>) -> String {
    tag.unwrap_or_default().trim_matches('"').to_owned()
}

impl ReportSink for RejectsReport {
    async fn take(&mut self, bytes: &mut Vec<u8>) -> Result<(), PortError> {
        if self.saved.parts.len() >= PARTS_MAX {
            bytes.clear();
            return Ok(());
        }
        self.tail.append(bytes);
        while self.tail.len() >= PART_BYTES && self.saved.parts.len() < PARTS_MAX {
            self.put_part(PART_BYTES).await?;
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), PortError> {
        if self.saved.multipart.is_none() {
            return self.put_whole().await;
        }
        if !self.tail.is_empty() && self.saved.parts.len() < PARTS_MAX {
            self.put_part(self.tail.len()).await?;
        }
        let id = self.multipart().await?;
        if self.complete(&id, &self.saved.parts).await? {
            return Ok(());
        }
        let tags = self.tags(&id).await?;
        if self.complete(&id, &tags).await? {
            return Ok(());
        }
        let context = format!("{}: its parts changed meanwhile; try again", self.writing());
        Err(PortError::new(ErrorKind::Transient, context))
    }

    async fn discard(&mut self) -> Result<(), PortError> {
        self.tail.clear();
        self.abort().await?;
        self.saved = Saved::default();
        Ok(())
    }
}

impl ReportStore for RejectsReport {
    async fn save(&mut self) -> Result<String, PortError> {
        let at = self.report_bytes();
        if self.tail.is_empty() {
            self.saved.tail_at = 0;
        } else if self.saved.tail_at != at {
            let key = key::of_rejects_tail(self.upload_id, at);
            self.bucket
                .put(&key, CONTENT_TYPE, self.tail.clone())
                .await?;
            self.saved.tail_at = at;
        }
        serde_json::to_string(&self.saved).map_err(|error| {
            let context = "what a report is at cannot be written as JSON";
            PortError::caused(ErrorKind::Permanent, context, error)
        })
    }

    async fn resume(&mut self, saved: Option<&str>) -> Result<(), PortError> {
        self.tail.clear();
        let Some(saved) = saved else {
            self.saved = Saved::default();
            return Ok(());
        };
        let corrupt = |what: &str| {
            let context = format!("{}: what an earlier try {what}", self.writing());
            PortError::new(ErrorKind::Corrupt, context)
        };
        let saved: Saved =
            serde_json::from_str(saved).map_err(|_| corrupt("took down cannot be read"))?;
        if saved.tail_at > 0 {
            let key = key::of_rejects_tail(self.upload_id, saved.tail_at);
            let tail = self.bucket.get(&key, PART_BYTES as u64).await?;
            self.tail = tail.ok_or_else(|| corrupt("had written is gone"))?;
        }
        self.saved = saved;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamodb::uploads::CHECKPOINT_STATE_BYTES_MAX;

    #[test]
    fn the_longest_report_fits_a_checkpoint_beside_all_else() {
        let saved = Saved {
            multipart: Some("m".repeat(256)),
            // An MD5 in hexadecimal.
            parts: vec!["0".repeat(32); PARTS_MAX + 1],
            tail_at: u64::MAX,
        };
        let json = serde_json::to_string(&saved).unwrap();
        // It is a text in the state's JSON: each quote is escaped again.
        let in_state = serde_json::to_string(&json).unwrap();
        assert!(
            in_state.len() < CHECKPOINT_STATE_BYTES_MAX / 2,
            "{}",
            in_state.len()
        );
        assert_eq!(serde_json::from_str::<Saved>(&json).unwrap(), saved);
    }
}
