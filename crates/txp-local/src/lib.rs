//! The embedded host: one process, one directory, no cloud.
//!
//! The log is the durable truth; the state is a fold of it, published with its checkpoint.

pub mod alerts;
mod block_on;
pub mod control;
pub mod format;
pub mod host;
pub mod lock;
pub mod log;
pub mod runs;
pub mod snapshot;
pub mod state;

use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;

/// Now, by the system's clock.
#[must_use]
pub fn now() -> Timestamp {
    host::clock()
}

/// A new upload's id, where no host is open.
#[must_use]
pub fn mint_upload_id() -> UploadId {
    host::upload_id_at(u64::try_from(now().unix_millis()).unwrap_or(0))
}
