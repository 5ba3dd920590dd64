//! The embedded host: one process, one directory, no cloud.

pub mod format;
pub mod lock;
pub mod log;
//! Skeleton.

pub mod runs;
