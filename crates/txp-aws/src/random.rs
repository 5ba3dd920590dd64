//! New upload ids, and numbers that spread what would come together.

use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{ErrorKind, PortError};

/// A new upload's id: of this moment, and 48 random bits that keep processes apart.
///
/// # Errors
/// The system gives no randomness.
pub fn mint_upload_id(now: Timestamp) -> Result<UploadId, PortError> {
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(|error| {
        let context = format!("the system gives no random bytes for an upload's id: {error}");
        PortError::new(ErrorKind::Transient, context)
    })?;
    let unix_millis = u64::try_from(now.unix_millis()).unwrap_or(0);
    Ok(UploadId::new(unix_millis, random))
}

/// Any number; 0 where the system gives no randomness, with which things come a little more together.
#[must_use]
pub fn number() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).ok();
    u64::from_le_bytes(bytes)
}
