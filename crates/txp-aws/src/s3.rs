//! Objects in buckets.
//!
//! - [`archive`]: the history, kept for good;
//! - [`key`]: the keys of what is uploaded and what is reported;
//! - [`notification`]: what S3 tells of new objects;
//! - [`object`]: one version of an object, read as a stream;
//! - [`presign`]: links to send a file and to fetch a report;
//! - [`report`]: the report of rejected rows, written in parts.

mod head;

pub mod archive;
pub mod key;
pub mod notification;
pub mod object;
pub mod presign;
pub mod report;

use crate::error::port_error;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use txp_pipeline::port::{ErrorKind, PortError};

/// A bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    /// The bucket of this name.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client that it is reached by.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A small object as a whole; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read, or has more than `bytes_max` bytes.
    pub async fn get(&self, key: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, PortError> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key)
            .send()
            .await;
        let output = match answer {
            Ok(output) => output,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(port_error(self.reading(key), error)),
        };
        let length = output
            .content_length()
            .and_then(|bytes| u64::try_from(bytes).ok());
        if length.is_none_or(|bytes| bytes > bytes_max) {
            let context = format!("{}: it has more than {bytes_max} bytes", self.reading(key));
            return Err(PortError::new(ErrorKind::Permanent, context));
        }
        let body =
            output.body.collect().await.map_err(|error| {
                PortError::caused(ErrorKind::Transient, self.reading(key), error)
            })?;
        Ok(Some(body.to_vec()))
    }

    /// Stores an object as a whole, over whatever was there.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn put(&self, key: &str, content_type: &str, body: Vec<u8>) -> Result<(), PortError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(body));
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let context = format!("writing s3://{}/{key} failed", self.name);
                Err(port_error(context, error))
            }
        }
    }

    /// How many objects begin with this; no more than 1000 are counted.
    ///
    /// # Errors
    /// The bucket cannot be listed.
    pub async fn count(&self, prefix: &str) -> Result<u64, PortError> {
        let page = self.client.list_objects_v2().bucket(&self.name);
        match page.prefix(prefix).send().await {
            Ok(page) => Ok(page.contents().len() as u64),
            Err(error) => Err(port_error(self.reading(prefix), error)),
        }
    }

    fn reading(&self, key: &str) -> String {
        format!("reading s3://{}/{key} failed", self.name)
    }
}
