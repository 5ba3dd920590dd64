//! The cooldown of each merchant and rule.
//!
//! Bounded: at most [`COOLDOWNS_MAX`] windows are open. One more closes the one that would end
//! first: its digest, if it holds anything, is handed out at once, so nothing is lost; all that is
//! forgotten is that its next finding could have waited.

use super::{Decision, Digest, Notice};
use crate::rule::AlertPolicy;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most cooldowns open at a time: some 10 MB where each gathers a digest.
pub const COOLDOWNS_MAX: usize = 4096;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// Merchant and rule.
type Key = Arc<(String, String)>;

/// A window in which further findings are gathered.
#[derive(Clone, Debug)]
struct Window {
    starts_at: Timestamp,
    ends_at: Timestamp,
    gathered: Option<Digest>,
}

/// The open cooldowns.
#[derive(Clone, Debug)]
pub struct Cooldowns {
    windows: BTreeMap<Key, Window>,
    /// The same windows by their ends.
    ends: BTreeSet<(Timestamp, Key)>,
    limit: usize,
}

impl Default for Cooldowns {
    fn default() -> Self {
        Self::with_limit(COOLDOWNS_MAX)
    }
}

impl Cooldowns {
    /// No cooldown open, and at most `limit` at a time.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            windows: BTreeMap::new(),
            ends: BTreeSet::new(),
            limit: limit.max(1),
        }
    }

    /// What is to become of a finding at `now`.
    ///
    /// A window that has ended holds back findings while its digest has not been taken with
    /// [`Cooldowns::due`]; they go into that digest.
    #[must_use]
    pub fn decide(&self, policy: &AlertPolicy, notice: &Notice, now: Timestamp) -> Decision {
        if policy.is_too_old(notice.event_time, now) {
            return Decision::RecordOnly;
        }
        match self.windows.get(&key_of(notice)) {
            Some(window) if now < window.ends_at || window.gathered.is_some() => Decision::Digest,
            _ => Decision::Send,
        }
    }

    /// Takes up a decision; `at` is when it was made. To be called once for each finding, in the
    /// order of decisions, and again with the recorded ones after a restart.
    ///
    /// A digest that comes back was closed early to keep within the limit and is to be sent.
    #[must_use = "a digest closed early is to be sent"]
    pub fn record(
        &mut self,
        policy: &AlertPolicy,
        notice: &Notice,
        decision: Decision,
        at: Timestamp,
    ) -> Option<Digest> {
        let opens = decision == Decision::Send && policy.cooldown_seconds > 0;
        if !opens && decision != Decision::Digest {
            return None;
        }
        let key = key_of(notice);
        if decision == Decision::Digest
            && let Some(window) = self.windows.get_mut(&key)
        {
            let starts_at = window.starts_at;
            let digest = window
                .gathered
                .get_or_insert_with(|| Digest::new(notice, starts_at));
            digest.add(notice, at);
            return None;
        }
        let mut window = Window {
            starts_at: at,
            ends_at: after(at, policy.cooldown_seconds),
            gathered: None,
        };
        if decision == Decision::Digest {
            // Its window was closed early or its opening is not in the record any more.
            let mut digest = Digest::new(notice, at);
            digest.add(notice, at);
            window.gathered = Some(digest);
        }
        let ended = self.remove(&key);
        let evicted = if self.windows.len() >= self.limit {
            let first = self.ends.first().map(|(_, key)| Arc::clone(key));
            first.and_then(|key| self.remove(&key))
        } else {
            None
        };
        self.insert(key, window);
        evicted.or(ended).and_then(|window| window.gathered)
    }

    /// The digests of the windows that have ended by `now`, by their ends. A window that gathered
    /// something is opened again, so that a lasting storm yields one digest per cooldown.
    #[must_use = "the digests are to be sent"]
    pub fn due(&mut self, policy: &AlertPolicy, now: Timestamp) -> Vec<Digest> {
        let mut digests = Vec::new();
        while let Some((_, key)) = self.ends.first().filter(|(ends_at, _)| *ends_at <= now) {
            let key = Arc::clone(key);
            let Some(digest) = self.remove(&key).and_then(|window| window.gathered) else {
                continue;
            };
            digests.push(digest);
            if policy.cooldown_seconds > 0 {
                let window = Window {
                    starts_at: now,
                    ends_at: after(now, policy.cooldown_seconds),
                    gathered: None,
                };
                self.insert(key, window);
            }
        }
        digests
    }

    /// When [`Cooldowns::due`] is to be called next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.ends.first().map(|(ends_at, _)| *ends_at)
    }

    /// Every digest gathered so far, before its time; for a program that ends. The windows stay.
    #[must_use = "the digests are to be sent"]
    pub fn drain(&mut self) -> Vec<Digest> {
        self.windows
            .values_mut()
            .filter_map(|window| window.gathered.take())
            .collect()
    }

    /// How many cooldowns are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    fn insert(&mut self, key: Key, window: Window) {
        self.ends.insert((window.ends_at, Arc::clone(&key)));
        self.windows.insert(key, window);
    }

    fn remove(&mut self, key: &Key) -> Option<Window> {
        let window = self.windows.remove(key)?;
        self.ends.remove(&(window.ends_at, Arc::clone(key)));
        Some(window)
    }
}

impl AlertPolicy {
    /// Whether a finding on this event time is recorded only.
    #[must_use]
    pub fn is_too_old(&self, event_time: Timestamp, now: Timestamp) -> bool {
        after(event_time, self.alert_max_age_seconds) < now
    }
}

fn key_of(notice: &Notice) -> Key {
    Arc::new((notice.merchant_id.clone(), notice.rule.clone()))
}

fn after(at: Timestamp, seconds: u32) -> Timestamp {
    Timestamp(at.0.saturating_add(i64::from(seconds).saturating_mul(NANOSECONDS_PER_SECOND)))
}
