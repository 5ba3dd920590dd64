//! What tests of the AWS adapters and functions stand on: [`Emulator`], ministack with the tables, buckets,
//! streams and topics of a test's own; [`Proxy`], what stands before an emulator and makes calls go
//! wrong.
//!
//! `cargo xtask ci --only test` makes the emulators' environments and says where they are. A panic is how
//! all of it says no.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "for tests: a panic is how they say no"
)]

mod client;
mod ministack;
mod proxy;

pub use client::config;
pub use ministack::{ASK_EVERY, Emulator, START_LIMIT};
pub use proxy::{Once, Proxy, Request, Turn};
