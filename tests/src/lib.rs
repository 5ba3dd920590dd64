//! Tests of the whole: a naive reference model as oracle, and a seeded simulation that drives the
//! real stages through faults and holds what they leave to the model.
//!
//! Deliberately absent: any use of the code under test to say what is right. The model is written
//! from the design alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the whole package is test code: a panic is how a test says no"
)]

pub mod alarm;
pub mod conformance;
pub mod model;
pub mod random;
pub mod sim;
pub mod workload;
