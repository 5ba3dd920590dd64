//! Events: frozen bytes, what is written is read, the encoder by hand is serde, faults are named.

mod faults;
mod frozen;
mod roundtrip;
pub(crate) mod samples;
mod schemas;
