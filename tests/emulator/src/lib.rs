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

mod ministack;
mod proxy;

pub use ministack::{ASK_EVERY, Emulator, START_LIMIT};
pub use proxy::{Once, Proxy, Request, Turn};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;

/// How clients of an emulator are made that listens there.
#[must_use]
pub fn config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "emulator");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().build_http())
        .build()
}
