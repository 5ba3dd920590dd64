//! The stages: each takes a batch and returns how far it got.

pub mod aggregate;
pub mod alert;
pub mod anomaly;
pub mod detect;
pub mod ingest;
pub mod rulebook;
