//! How many requests a client may make: a bucket of tokens for each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The buckets. There is one per client that is known, so their number is bounded.
#[derive(Debug)]
pub(crate) struct Rates {
    per_second: u32,
    burst: u32,
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// Tokens in billionths, so that nothing is lost between requests that come fast.
#[derive(Debug)]
struct Bucket {
    tokens: u128,
    at: Instant,
}

impl Rates {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second,
            burst,
            buckets: Mutex::default(),
        }
    }

    /// Takes a token; `false` if there is none.
    pub(crate) fn admit(&self, client_id: &str, now: Instant) -> bool {
        let full = u128::from(self.burst) * NANOS_PER_SECOND;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(client_id) {
            let bucket = Bucket {
                tokens: full,
                at: now,
            };
            buckets.insert(client_id.to_owned(), bucket);
        }
        let Some(bucket) = buckets.get_mut(client_id) else {
            return true;
        };
        let since = now.saturating_duration_since(bucket.at).as_nanos();
        bucket.tokens = full.min(bucket.tokens + since * u128::from(self.per_second));
        bucket.at = now;
        match bucket.tokens.checked_sub(NANOS_PER_SECOND) {
            Some(rest) => {
                bucket.tokens = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_then_the_rate() {
        let rates = Rates::new(10, 3);
        let start = Instant::now();
        let admitted = |count: usize, at| (0..count).filter(|_| rates.admit("a", at)).count();
        assert_eq!(admitted(5, start), 3);
        assert_eq!(admitted(5, start + Duration::from_millis(250)), 2);
        assert_eq!(admitted(5, start + Duration::from_secs(60)), 3);
        assert!(rates.admit("b", start));
    }
}
