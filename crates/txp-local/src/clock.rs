//! The system's clock and its randomness, as far as the host needs them.

use std::time::{SystemTime, UNIX_EPOCH};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;

/// Now.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A new upload's id. A host makes ids that ascend; this one is for where none is open.
#[must_use]
pub fn mint_upload_id() -> UploadId {
    upload_id_at(u64::try_from(now().unix_millis()).unwrap_or(0))
}

/// An upload's id of this moment.
pub(crate) fn upload_id_at(unix_millis: u64) -> UploadId {
    let mut random = [0; 6];
    if getrandom::fill(&mut random).is_err() {
        // Without a source of randomness the process id keeps two hosts apart.
        let id = std::process::id().to_be_bytes();
        random.iter_mut().zip(id).for_each(|(to, from)| *to = from);
    }
    UploadId::new(unix_millis, random)
}
