//! Skeleton.

pub mod runs;
