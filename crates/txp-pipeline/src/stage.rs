//! The stages: each takes a batch and returns how far it got.

pub mod aggregate;
pub mod alert;
pub mod detect;
pub mod ingest;
pub mod preview;
