//! The function `api` over the emulator's tables and buckets: its links are used by a client of HTTP
//! that knows nothing of us, as a merchant's is.
//!
//! `cargo xtask ci --only test` makes the emulator's Python environment and runs this.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

mod link;
mod read;
mod stack;
