//! The stages: each takes a batch and returns how far it got.

pub mod aggregate;
pub mod alert;
pub mod anomaly;
pub mod archive;
pub mod decode;
pub mod detect;
pub mod ingest;
pub mod preview;
pub mod rulebook;
