//! The first bytes of an object.

use super::Bucket;
use crate::error::port_error;
use aws_sdk_s3::error::ProvideErrorMetadata;
use txp_pipeline::port::{ErrorKind, PortError};

impl Bucket {
    /// The first bytes of an object, `bytes_max` at most; `None` if there is no object.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn head_of(&self, key: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, PortError> {
        let last = bytes_max.saturating_sub(1);
        let get = self
            .client()
            .get_object()
            .bucket(self.name())
            .key(key)
            .range(format!("bytes=0-{last}"));
        let context = || format!("reading s3://{}/{key} failed", self.name());
        let output = match get.send().await {
            Ok(output) => output,
            Err(error) => {
                return match error.code() {
                    Some("NoSuchKey") => Ok(None),
                    // It has no first byte.
                    Some("InvalidRange") => Ok(Some(Vec::new())),
                    _ => Err(port_error(context(), error)),
                };
            }
        };
        let body = output.body.collect().await;
        let body =
            body.map_err(|error| PortError::caused(ErrorKind::Transient, context(), error))?;
        Ok(Some(body.to_vec()))
    }
}
