//! Since when the oldest message waits, for who measures. What was read of the queue is kept between
//! looks, so that a look costs what was written since.

use super::queue::Queue;
use crate::control::Webhooks;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use txp_domain::time::Timestamp;

/// Looks again and again.
#[derive(Debug, Default)]
pub(crate) struct Oldest(Mutex<Option<Queue>>);

impl Oldest {
    /// When the oldest message was made that an endpoint waits for.
    ///
    /// # Errors
    /// The endpoints or the queue cannot be read.
    pub(crate) fn look(&self, dir: &Path) -> io::Result<Option<Timestamp>> {
        let webhooks = Webhooks::to_read(dir);
        if webhooks.stamp().is_none() {
            return Ok(None);
        }
        let endpoints = webhooks.list().map_err(io::Error::other)?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // After an error everything is read anew.
        let mut queue = match kept.take() {
            Some(queue) => queue,
            None => Queue::open(dir)?,
        };
        queue.refresh()?;
        let waiting = queue.waiting(&endpoints);
        *kept = Some(queue);
        Ok(waiting.into_iter().map(|waiting| waiting.at).min())
    }
}
