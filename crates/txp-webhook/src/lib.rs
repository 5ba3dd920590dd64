//! Who posts webhooks on both hosts: the adapter of the pipeline's port [`Post`]. The embedded host
//! and the function `anomaly` send through it, each over a store of its own.
//!
//! Deliberately absent: what is sent, when, and how often (`txp_pipeline::webhook`).
//!
//! [`Post`]: txp_pipeline::webhook::Post

mod http;
mod tls;

pub use http::Http;

#[cfg(test)]
mod tests;
