//! Ports, stages and wire formats: the pipeline, whatever it runs on.
//!
//! A stage takes a batch and returns an outcome; it is generic over the ports in [`port`], which
//! the embedded host (`txp-local`) and AWS (`txp-aws`) each implement once. Files, rules, alerts
//! and API documents are wire formats and live here; stored formats belong to the adapters.

pub mod api;
pub mod backtest;
pub mod batch;
pub mod csv;
pub mod document;
pub mod generate;
pub mod history;
mod json;
pub mod memory;
pub mod plan;
pub mod port;
pub mod receipt;
pub mod redrive;
pub mod rejects;
pub mod replay;
pub mod retry;
pub mod rulefile;
pub mod stage;
pub mod telemetry;
pub mod verify;
pub mod webhook;
