//! The archive of the history in a bucket: the sink that the archiver writes to, and the objects that
//! [`ArchiveSource`](txp_pipeline::history::archive::ArchiveSource) reads.

mod listing;

use super::Bucket;
use txp_pipeline::port::{ArchiveSink, PortError};

/// What an object is: the file itself, compressed. No content encoding: whoever reads the archive
/// goes by the name, and a client that unpacks by itself would hand on something else.
const CONTENT_TYPE: &str = "application/gzip";

/// An archive, below a prefix of a bucket.
#[derive(Clone, Debug)]
pub struct Archive {
    bucket: Bucket,
    prefix: String,
}

impl Archive {
    /// The archive whose names begin with `prefix`: empty, or a folder's name and a slash.
    #[must_use]
    pub fn new(bucket: Bucket, prefix: impl Into<String>) -> Self {
        Self {
            bucket,
            prefix: prefix.into(),
        }
    }
}

impl ArchiveSink for Archive {
    async fn put(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), PortError> {
        let key = format!("{}{name}", self.prefix);
        self.bucket.put(&key, CONTENT_TYPE, bytes).await
    }
}
