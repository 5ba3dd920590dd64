//! Bytes of a file that are read for its digest only.

use crate::csv::FileDigest;
use crate::port::{ObjectSource, PortError};
use std::io;

/// How much is read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Adds what a source still has to the digest, up to `bytes_max` of it or one chunk more; whether
/// that was all. The source's own fault is the error inside.
pub(super) async fn read_rest<R: ObjectSource>(
    source: &mut R,
    digest: &mut FileDigest,
    bytes_max: u64,
) -> Result<io::Result<bool>, PortError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let until = digest.bytes().saturating_add(bytes_max);
    while digest.bytes() < until {
        match source.read(&mut chunk) {
            Ok(0) => return Ok(Ok(true)),
            Ok(count) => digest.update(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => source.more().await?,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(false))
}
