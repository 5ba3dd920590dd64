//! Skeleton.
pub mod csv;
