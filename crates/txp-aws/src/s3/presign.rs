//! Links by which a client sends its file to the bucket, or fetches its report, without a key of
//! ours: signed by the SDK for one object, method and quarter of an hour.
//!
//! A link to send is bound to what it is signed with: `If-None-Match: *`, so that it works once;
//! the media type; and, where the client said so, the length and the SHA-256, which S3 then checks.
//! The SDK must not add a checksum of its own: it would be that of an empty body. A link is signed
//! as of when it was given out, so the same request gets the same link again, and never a longer
//! one. It ends earlier than it says where the credentials that signed it do.

use super::Bucket;
use crate::error::port_error;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_smithy_types::base64;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use txp_domain::time::Timestamp;
use txp_pipeline::api::LINK_SECONDS;
use txp_pipeline::port::{ErrorKind, PortError};

/// What a link to send a file is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Where the file goes.
    pub key: String,
    /// Exactly so many bytes.
    pub content_length: Option<u64>,
    /// This content only.
    pub sha256: Option<[u8; 32]>,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A link to send a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutLink {
    /// Where to.
    pub url: String,
    /// The headers that must be sent with it, exactly these.
    pub headers: BTreeMap<String, String>,
}

/// Signs links to the objects of one bucket.
#[derive(Clone, Debug)]
pub struct Presigner {
    client: Client,
    bucket: String,
}

impl Presigner {
    /// For a bucket; by a client of its own, which computes no checksums.
    #[must_use]
    pub fn new(bucket: &Bucket) -> Self {
        let config = bucket.client().config().to_builder();
        let config = config
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        Self {
            client: Client::from_conf(config.build()),
            bucket: bucket.name().to_owned(),
        }
    }

    /// A link to send a file, once.
    ///
    /// # Errors
    /// There are no credentials to sign with.
    pub async fn put(&self, bound: &Bound) -> Result<PutLink, PortError> {
        let length = bound.content_length.map(i64::try_from).transpose();
        let length = length.map_err(|error| self.unsigned(&bound.key, error))?;
        let issued_at = bound.expires_at.unix_seconds() - i64::from(LINK_SECONDS);
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(&bound.key)
            .if_none_match("*")
            .content_type("text/csv")
            .set_content_length(length)
            .set_checksum_sha256(bound.sha256.map(base64::encode));
        let signed = request
            .presigned(self.validity(&bound.key, issued_at)?)
            .await
            .map_err(|error| port_error(self.signing(&bound.key), error))?;
        Ok(PutLink {
            url: signed.uri().to_owned(),
            headers: headers_of(&signed),
        })
    }

    /// A link to fetch an object as a file of this name, which needs no header.
    ///
    /// # Errors
    /// There are no credentials to sign with.
    pub async fn get(
        &self,
        key: &str,
        file_name: &str,
        now: Timestamp,
    ) -> Result<String, PortError> {
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .response_content_type("text/csv; charset=utf-8")
            .response_content_disposition(format!("attachment; filename=\"{file_name}\""));
        let signed = request
            .presigned(self.validity(key, now.unix_seconds())?)
            .await
            .map_err(|error| port_error(self.signing(key), error))?;
        Ok(signed.uri().to_owned())
    }

    fn validity(&self, key: &str, from_unix_seconds: i64) -> Result<PresigningConfig, PortError> {
        let since = u64::try_from(from_unix_seconds).unwrap_or(0);
        let from: SystemTime = UNIX_EPOCH + Duration::from_secs(since);
        PresigningConfig::builder()
            .start_time(from)
            .expires_in(Duration::from_secs(u64::from(LINK_SECONDS)))
            .build()
            .map_err(|error| self.unsigned(key, error))
    }

    fn unsigned(
        &self,
        key: &str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> PortError {
        PortError::caused(ErrorKind::Permanent, self.signing(key), error)
    }

    fn signing(&self, key: &str) -> String {
        format!("signing a link to s3://{}/{key} failed", self.bucket)
    }
}

fn headers_of(signed: &PresignedRequest) -> BTreeMap<String, String> {
    let headers = signed.headers();
    headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
