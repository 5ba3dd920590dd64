//! The embedded host: one process, one directory, no cloud.
//!
//! The log is the durable truth; the state is a fold of it, published with its checkpoint.

pub mod alerts;
mod block_on;
mod clock;
pub mod control;
mod durable;
pub mod files;
pub mod format;
pub mod host;
mod lines;
pub mod lock;
pub mod log;
pub mod meter;
pub mod redrive;
pub mod replay;
pub mod runs;
pub mod scratch;
pub mod snapshot;
pub mod sorter;
pub mod state;
pub mod trace;
pub mod verify;
pub mod webhooks;

pub use clock::{mint_upload_id, now};
