//! Skeleton.
pub mod csv;
pub mod rejects;
