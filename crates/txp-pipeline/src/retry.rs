//! Trying again: exponential backoff with full jitter, a cap, and a limit.

use crate::port::{Clock, PortError};

/// How often and how long to try.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// The longest first wait.
    pub first_wait_millis: u64,
    /// The longest wait at all.
    pub max_wait_millis: u64,
    /// Attempts in all, the first counted.
    pub attempts_max: u32,
}

impl RetryPolicy {
    /// Within one process that has time: about a minute in all before it gives up.
    pub const PATIENT: Self = Self {
        first_wait_millis: 20,
        max_wait_millis: 5_000,
        attempts_max: 24,
    };

    /// The longest wait before an attempt (2 is the first that waits).
    #[must_use]
    pub fn wait_bound_millis(&self, attempt: u32) -> u64 {
        let doublings = attempt.saturating_sub(2).min(32);
        self.first_wait_millis
            .saturating_mul(1 << doublings)
            .min(self.max_wait_millis)
    }

    /// Runs `operation` until it succeeds, fails for good, or the attempts are used up. It is told
    /// the attempt's number, from 1.
    ///
    /// # Errors
    /// The last error.
    pub async fn run<T>(
        &self,
        clock: &impl Clock,
        mut operation: impl AsyncFnMut(u32) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let mut attempt = 1;
        loop {
            let error = match operation(attempt).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if !error.is_retryable() || attempt >= self.attempts_max {
                return Err(error);
            }
            attempt += 1;
            clock
                .sleep(clock.jitter() % (self.wait_bound_millis(attempt) + 1))
                .await;
        }
    }
}
