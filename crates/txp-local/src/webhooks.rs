//! Webhooks on the embedded host: messages wait in a file until they were taken or given up.
//!
//! Whoever writes to the directory puts messages there, durably, before it goes on; `txp serve`
//! sends them in a thread of its own, `txp webhooks send` by itself. So an endpoint that does not
//! answer holds up nothing, and a crash loses nothing: what is not marked is sent again, under the
//! same id. Without any endpoint set, nothing is kept.

mod oldest;
mod queue;
mod sender;

pub(crate) use oldest::Oldest;
pub use queue::{DAMAGED_QUEUE, Putter, Queue, Waiting};
pub use sender::{Sender, send_waiting};

/// Where the queue lies in a data directory.
pub const WEBHOOKS_DIR: &str = "webhooks";

#[cfg(test)]
mod tests;
