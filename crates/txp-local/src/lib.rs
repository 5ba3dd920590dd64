//! The embedded host: one process, one directory, no cloud.
//!
//! The log is the durable truth; the state is a fold of it, published with its checkpoint.

pub mod format;
pub mod lock;
pub mod log;
pub mod runs;
pub mod state;
