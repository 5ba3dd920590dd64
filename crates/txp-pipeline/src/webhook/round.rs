//! A round of sending: what came of each attempt, as it is written down, and which endpoints are let
//! alone for the rest of it.

use super::delivery::{Attempt, Post, attempt, retry_seconds};
use super::endpoint::Endpoint;
use super::message::Outgoing;
use crate::telemetry::{Metric, count};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use txp_domain::time::Timestamp;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The longest that an endpoint's other messages wait for one that failed: when it takes messages
/// again it is not known which of them it will take.
const REST_SECONDS_MAX: u64 = 30 * 60;

/// A message that is older is not tried again after a failure, however few attempts it had: of an
/// endpoint that is away for good, messages must not gather for ever.
const AGE_SECONDS_MAX: u64 = 5 * 24 * 3600;

/// A message that waits for longer is for a person to look after, as the alarm `webhooks-late` says.
pub const LATE_SECONDS: u64 = 3600;

/// What came of a message at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The message.
    pub id: String,
    /// The endpoint.
    pub webhook_id: String,
    /// When.
    pub at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// The end, if this is it.
    pub ending: Option<Ending>,
    /// The answer's status, or why there was none.
    pub answer: String,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// How a message ended at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was taken.
    Delivered,
    /// It was not, in all attempts, or will not be.
    GaveUp,
}

/// What came of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Messages taken.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Messages given up.
    pub gave_up: u64,
    /// Messages that wait for a later attempt.
    pub waiting: u64,
}

/// One round; of an endpoint that fails it tries no more than one message.
#[derive(Debug)]
pub struct Round<'p, P> {
    post: &'p mut P,
    jitter: fn() -> u64,
    resting: BTreeMap<String, Timestamp>,
    told: Told,
}

impl<'p, P: Post> Round<'p, P> {
    /// Begins. What `jitter` gives spreads later attempts.
    pub fn new(post: &'p mut P, jitter: fn() -> u64) -> Self {
        Self {
            post,
            jitter,
            resting: BTreeMap::new(),
            told: Told::default(),
        }
    }

    /// Until when an endpoint is let alone, if it failed in this round.
    #[must_use]
    pub fn rests_until(&self, endpoint: &Endpoint) -> Option<Timestamp> {
        self.resting.get(&endpoint.id).copied()
    }

    /// Counts a message that waits for a later attempt.
    pub fn waits(&mut self) {
        self.told.waiting += 1;
    }

    /// What came of it so far.
    #[must_use]
    pub fn told(&self) -> Told {
        self.told
    }

    /// Tries a message that was tried so often before. The mark is to be written down.
    pub async fn try_once(
        &mut self,
        endpoint: &Endpoint,
        message: &Outgoing,
        attempts_before: u32,
        now: Timestamp,
    ) -> Mark {
        let attempts = attempts_before.saturating_add(1);
        let (ending, answer) = match attempt(self.post, endpoint, message, now).await {
            Attempt::Delivered { status } => (Some(Ending::Delivered), status.to_string()),
            Attempt::Refused { why } => (Some(Ending::GaveUp), why),
            Attempt::Failed { why } => (None, why),
        };
        let mut mark = Mark {
            id: message.id.clone(),
            webhook_id: endpoint.id.clone(),
            at: now,
            attempts,
            ending,
            answer,
            next_at: None,
        };
        if mark.ending.is_none() {
            let is_fresh = now <= after(message.at, AGE_SECONDS_MAX);
            match retry_seconds(attempts, (self.jitter)()).filter(|_| is_fresh) {
                Some(seconds) => {
                    mark.next_at = Some(after(now, seconds));
                    let rest = after(now, seconds.min(REST_SECONDS_MAX));
                    self.resting.insert(endpoint.id.clone(), rest);
                }
                None => mark.ending = Some(Ending::GaveUp),
            }
        }
        match mark.ending {
            Some(Ending::Delivered) => {
                self.told.delivered += 1;
                count(Metric::WebhooksSent, 1);
            }
            Some(Ending::GaveUp) => {
                self.told.gave_up += 1;
                count(Metric::WebhookFailures, 1);
                count(Metric::WebhooksGivenUp, 1);
            }
            None => {
                self.told.failed += 1;
                self.told.waiting += 1;
                count(Metric::WebhookFailures, 1);
            }
        }
        mark
    }
}

fn after(now: Timestamp, seconds: u64) -> Timestamp {
    let wait = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_add(wait.saturating_mul(NANOS_PER_SECOND)))
}
