//! One version of an object, read as a stream in bounded memory: what the connection gave last and
//! no more is in hand. Where a connection breaks, the next one goes on at the byte that is missing.

use super::Bucket;
use super::notification::NO_VERSION;
use crate::error::port_error;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bytes::{Buf, Bytes};
use std::error::Error;
use std::io::{self, Read};
use std::time::Duration;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{Clock, ErrorKind, ObjectSource, ObjectStore, PortError};
use txp_pipeline::retry::RetryPolicy;

/// A connection that gives nothing for so long is given up, and another is made.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

const SHA256_BYTES: usize = 32;

/// By what codes S3 says that a version is not there: also of a key that is deleted, and of one that
/// was written over in a bucket without versions.
const GONE: [&str; 5] = [
    "MethodNotAllowed",
    "NoSuchKey",
    "NoSuchVersion",
    "NotFound",
    "PreconditionFailed",
];

/// What is known of an object before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its size.
    pub bytes: u64,
    /// When it was put; the same on every try.
    pub put_at: Timestamp,
    /// Its SHA-256 in hexadecimal, if S3 checked it when it was put.
    pub sha256: Option<String>,
    etag: Option<String>,
}

/// A version of an object, of which the head is known.
#[derive(Clone, Debug)]
pub struct StoredObject<C> {
    bucket: Bucket,
    key: String,
    version: Option<String>,
    head: ObjectHead,
    clock: C,
}

impl Bucket {
    /// What is known of a version of an object. [`ErrorKind::Missing`] if it is not there.
    ///
    /// # Errors
    /// S3 does not say.
    pub async fn head(&self, key: &str, version: &str) -> Result<ObjectHead, PortError> {
        let answer = self
            .client()
            .head_object()
            .bucket(self.name())
            .key(key)
            .set_version_id(version_id(version))
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        let output = answer.map_err(|error| object_error(self.looking(key), error))?;
        let bytes = output.content_length().map(u64::try_from);
        let put_at = output.last_modified().and_then(moment);
        let (Some(Ok(bytes)), Some(put_at)) = (bytes, put_at) else {
            let context = format!("{}: size or time are missing", self.looking(key));
            return Err(PortError::new(ErrorKind::Transient, context));
        };
        Ok(ObjectHead {
            bytes,
            put_at,
            sha256: output.checksum_sha256().and_then(hexadecimal),
            etag: output.e_tag().map(str::to_owned),
        })
    }

    /// The version of an object that was put first, of those that are left; `None` if there is none.
    ///
    /// # Errors
    /// S3 does not say.
    pub async fn first_version(&self, key: &str) -> Result<Option<String>, PortError> {
        let (mut key_marker, mut version_marker) = (None, None);
        let mut first = None;
        loop {
            let list = self.client().list_object_versions();
            let page = list
                .bucket(self.name())
                .prefix(key)
                .set_key_marker(key_marker)
                .set_version_id_marker(version_marker)
                .send()
                .await
                .map_err(|error| object_error(self.looking(key), error))?;
            // The versions of this key come before those of longer ones, the newest first.
            let mut of_key = page.versions().iter().filter(|v| v.key() == Some(key));
            if let Some(oldest) = of_key.next_back() {
                first = oldest.version_id().map(str::to_owned);
            }
            key_marker = page.next_key_marker().map(str::to_owned);
            version_marker = page.next_version_id_marker().map(str::to_owned);
            let goes_on = page.is_truncated() == Some(true);
            if !goes_on || key_marker.as_deref() != Some(key) {
                return Ok(first);
            }
        }
    }

    fn looking(&self, key: &str) -> String {
        format!("looking at s3://{}/{key} failed", self.name())
    }
}

impl<C: Clock + Clone> StoredObject<C> {
    /// The version of an object that this head is of.
    #[must_use]
    pub fn new(bucket: Bucket, key: &str, version: &str, head: ObjectHead, clock: C) -> Self {
        Self {
            bucket,
            key: key.to_owned(),
            version: version_id(version),
            head,
            clock,
        }
    }

    /// What is known of it.
    #[must_use]
    pub fn head(&self) -> &ObjectHead {
        &self.head
    }

    /// The object from an offset on, and how many bytes before that come first: whoever serves it
    /// may give all of it, whatever was asked for.
    async fn get(&self, offset: u64) -> Result<(ByteStream, u64), PortError> {
        let mut get = self
            .bucket
            .client()
            .get_object()
            .bucket(self.bucket.name())
            .key(&self.key)
            .set_version_id(self.version.clone())
            .set_if_match(self.head.etag.clone());
        if offset > 0 {
            get = get.range(format!("bytes={offset}-"));
        }
        let answer = get.send().await;
        let output = answer.map_err(|error| object_error(self.reading(), error))?;
        let start = output.content_range().map_or(Some(0), range_start);
        match start.and_then(|start| offset.checked_sub(start)) {
            Some(before) => Ok((output.body, before)),
            None => {
                let context = format!("{}: the answer is of another range", self.reading());
                Err(PortError::new(ErrorKind::Transient, context))
            }
        }
    }

    fn reading(&self) -> String {
        format!("reading s3://{}/{} failed", self.bucket.name(), self.key)
    }
}

impl<C: Clock + Clone> ObjectStore for StoredObject<C> {
    type Source = ObjectReader<C>;

    async fn open(&mut self, offset: u64) -> Result<Self::Source, PortError> {
        Ok(ObjectReader {
            object: self.clone(),
            offset,
            body: None,
            before: 0,
            chunk: Bytes::new(),
        })
    }
}

/// A version of an object while it is read.
#[derive(Debug)]
pub struct ObjectReader<C> {
    object: StoredObject<C>,
    /// Of the first byte that is neither given out nor in the chunk.
    offset: u64,
    body: Option<ByteStream>,
    /// Bytes that the connection gives before those.
    before: u64,
    chunk: Bytes,
}

impl<C: Clock + Clone> Read for ObjectReader<C> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() && self.offset < self.object.head.bytes {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = to.len().min(self.chunk.len());
        if let Some(to) = to.get_mut(..count) {
            self.chunk.copy_to_slice(to);
        }
        Ok(count)
    }
}

impl<C: Clock + Clone> ObjectSource for ObjectReader<C> {
    async fn more(&mut self) -> Result<(), PortError> {
        if !self.chunk.is_empty() || self.offset >= self.object.head.bytes {
            return Ok(());
        }
        let clock = self.object.clock.clone();
        let next = RetryPolicy::PATIENT.run(&clock, async |_| self.next_chunk().await);
        let chunk = next.await?;
        self.offset += chunk.len() as u64;
        self.chunk = chunk;
        Ok(())
    }
}

impl<C: Clock + Clone> ObjectReader<C> {
    /// The next bytes of this connection, or of a new one if there is none.
    async fn next_chunk(&mut self) -> Result<Bytes, PortError> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => {
                let (body, before) = self.object.get(self.offset).await?;
                self.before = before;
                body
            }
        };
        loop {
            let broken = |why: &str| {
                let context = format!("{}: {why}", self.object.reading());
                PortError::new(ErrorKind::Transient, context)
            };
            match tokio::time::timeout(STALL_TIMEOUT, body.next()).await {
                Err(_) => return Err(broken("nothing came for a while")),
                Ok(None) => return Err(broken("it ended early")),
                Ok(Some(Err(error))) => {
                    let context = self.object.reading();
                    return Err(PortError::caused(ErrorKind::Transient, context, error));
                }
                Ok(Some(Ok(mut chunk))) => {
                    let before = usize::try_from(self.before).unwrap_or(usize::MAX);
                    let before = before.min(chunk.len());
                    chunk.advance(before);
                    self.before -= before as u64;
                    if !chunk.is_empty() {
                        self.body = Some(body);
                        return Ok(chunk);
                    }
                }
            }
        }
    }
}

/// How a version is asked for: not at all where there are none.
fn version_id(version: &str) -> Option<String> {
    (version != NO_VERSION).then(|| version.to_owned())
}

/// Where the bytes of an answer begin, of its header `bytes 5-9/10`.
fn range_start(content_range: &str) -> Option<u64> {
    let range = content_range.trim().strip_prefix("bytes ")?;
    range.split_once('-')?.0.parse().ok()
}

/// A digest in base64 as hexadecimal; `None` for what is none, as the digest of digests of parts.
fn hexadecimal(base64: &str) -> Option<String> {
    let bytes = aws_smithy_types::base64::decode(base64).ok()?;
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    (bytes.len() == SHA256_BYTES).then(|| digits.collect())
}

fn moment(time: &DateTime) -> Option<Timestamp> {
    let millis = time.to_millis().ok()?;
    Timestamp::from_unix_millis(u64::try_from(millis).ok()?)
}

/// As [`port_error`], of objects: what is not there is told apart, and a refusal without a code, as
/// of a HEAD, is one.
pub(super) fn object_error<E>(context: String, error: SdkError<E, Response>) -> PortError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|raw| raw.status().as_u16());
    let code = error.code();
    let is_gone = code.is_some_and(|code| GONE.contains(&code)) || status == Some(404);
    let is_denied = status == Some(403);
    let mut error = port_error(context, error);
    if error.is_retryable() {
        return error;
    }
    if is_gone {
        error.kind = ErrorKind::Missing;
    } else if is_denied {
        error.kind = ErrorKind::Denied;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_where_it_begins() {
        for (text, expected) in [
            ("bytes 5-9/10", Some(5)),
            ("bytes 0-9/*", Some(0)),
            ("bytes */10", None),
            ("5-9/10", None),
            ("", None),
        ] {
            assert_eq!(range_start(text), expected, "{text}");
        }
    }

    #[test]
    fn only_a_digest_is_one() {
        let zeros = format!("{}=", "A".repeat(43));
        assert_eq!(hexadecimal(&zeros), Some("0".repeat(64)));
        for text in [format!("{zeros}-3"), "AAAA".to_owned(), String::new()] {
            assert_eq!(hexadecimal(&text), None, "{text}");
        }
    }
}
