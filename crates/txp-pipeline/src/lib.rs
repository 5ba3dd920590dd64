//! Skeleton.

pub mod rulefile;
