//! Which findings a person is told about, when, and in which words.
//!
//! One alert per finding, under the finding's id. Of findings that come in a storm the first of a
//! merchant and rule is sent; the others are gathered until the cooldown ends and sent as one
//! digest, and while the storm lasts there is one digest per cooldown. Findings on old event times
//! are recorded only.
//!
//! Pure: the caller says what time it is, keeps the record of alerts and hands messages to a sink.
//! The policy is split like an account: [`Cooldowns::decide`] looks, [`Cooldowns::record`] changes,
//! so that after a crash the state is made again from the record: [`Cooldowns::record`] for each
//! alert as it was decided, [`Cooldowns::due`] at the time of each digest.

mod cooldown;
mod digest;
mod message;
mod suppression;

pub use cooldown::{COOLDOWNS_MAX, Cooldowns};
pub use digest::{DIGEST_TOP_MAX, Digest, Mark};
pub use message::{Message, SUBJECT_CHARS_MAX, Told};
pub use suppression::{SUPPRESSIONS_MAX, Suppression, SuppressionList, TooManySuppressions};

use crate::finding::{Finding, Money};
use crate::rule::Severity;
use crate::time::Timestamp;
use serde::Serialize;

/// What becomes of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A message of its own.
    Send,
    /// A part of the next digest of its merchant and rule.
    Digest,
    /// No message: its event time is too long ago.
    RecordOnly,
    /// No message: the operator does not want to be told for a while.
    Suppressed,
}

impl Decision {
    /// The name used in the record of alerts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "sent",
            Self::Digest => "digest",
            Self::RecordOnly => "recorded",
            Self::Suppressed => "suppressed",
        }
    }
}

/// What alerting needs to know of a finding; small, so that a digest can keep some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The alert's id, which is the finding's.
    pub id: String,
    /// The merchant's id.
    pub merchant_id: String,
    /// The rule of the leading hit: a finding cools down under this one.
    pub rule: String,
    /// The transaction's id.
    pub transaction_id: String,
    /// The finding's severity.
    pub severity: Severity,
    /// The finding's score.
    pub score: u16,
    /// The transaction's amount.
    #[serde(flatten)]
    pub money: Money,
    /// Event time of the row that caused the finding.
    pub event_time: Timestamp,
    /// The leading hit in words.
    pub words: String,
}

impl Notice {
    /// What alerting needs to know of a finding.
    #[must_use]
    pub fn of(finding: &Finding) -> Self {
        let hit = finding.leading_hit();
        Self {
            id: finding.id.clone(),
            merchant_id: finding.merchant_id.clone(),
            rule: hit.map(|hit| hit.rule.clone()).unwrap_or_default(),
            transaction_id: finding.transaction_id.clone(),
            severity: finding.severity,
            score: finding.score,
            money: finding.inputs.content.money,
            event_time: finding.event_time(),
            words: hit.map(|hit| hit.words.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
