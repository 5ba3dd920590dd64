//! Over HTTP, with the real host in a temporary directory.

mod harness;
mod life;
mod limits;
mod malformed;
mod metrics;
mod operator;
mod secrets;
mod tenants;
