//! The embedded host's HTTP API: the routes, documents and problems of the API, over one data
//! directory; and the page for people at `/`.
//!
//! [`run`] serves until a signal comes; [`Running`] serves in a thread of the caller's process.
//! Handlers are thin: what a request may say and who may see what is decided in
//! `txp_pipeline::api`, what is stored in `txp_local`. Deliberately absent: TLS (put a proxy before
//! it, or stay on loopback).

mod answer;
mod app;
mod caller;
mod claims;
mod content;
mod guard;
mod link;
mod meter;
mod operator;
mod options;
mod origin;
mod page;
mod queue;
mod rate;
mod read;
mod refuse;
mod router;
mod run;
mod series;
mod serve;
mod site;
mod spool;
mod unread;
mod wire;

pub use options::{Log, Options};
pub use run::{Running, ServeError, run};
pub use serve::Prepared;

#[cfg(test)]
mod tests;
