//! What nobody is to be told for a while: a known fault, a merchant's sale.
//!
//! A finding is recorded all the same, as suppressed; nothing of it is sent later.

use super::Notice;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Of a merchant, a rule, or a merchant and a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The merchant; none: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merchant_id: Option<String>,
    /// The leading hit's rule; none: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// From when on.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// By whose word.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Suppression {
    /// Whether it is of the same merchant and rule as another.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        self.merchant_id == other.merchant_id && self.rule == other.rule
    }

    /// Whether a finding falls under it at `now`.
    #[must_use]
    pub fn covers(&self, notice: &Notice, now: Timestamp) -> bool {
        self.since <= now
            && now < self.until
            && self
                .merchant_id
                .as_ref()
                .is_none_or(|id| *id == notice.merchant_id)
            && self.rule.as_ref().is_none_or(|rule| *rule == notice.rule)
    }
}
