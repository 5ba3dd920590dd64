//! What nobody is to be told for a while: a known fault, a merchant's sale.
//!
//! A finding is recorded all the same, as suppressed; nothing of it is sent later. The list is the same
//! on both hosts; each keeps it where its own processes look.

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

/// More than these are no exceptions any more: change the rules.
pub const SUPPRESSIONS_MAX: usize = 1000;

/// There are too many that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{max} suppressions have not ended: change the rules instead", max = SUPPRESSIONS_MAX)]
pub struct TooManySuppressions;

/// Suppressions, those that have ended too, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressionList {
    /// All of them.
    pub suppressions: Vec<Suppression>,
}

impl SuppressionList {
    /// Adds one; in the place of one of the same merchant and rule that has not ended.
    ///
    /// # Errors
    /// There are too many.
    pub fn add(&mut self, new: Suppression, now: Timestamp) -> Result<(), TooManySuppressions> {
        let all = &mut self.suppressions;
        all.retain(|known| !(known.is_of(&new) && known.until > now));
        if all.iter().filter(|known| known.until > now).count() >= SUPPRESSIONS_MAX {
            return Err(TooManySuppressions);
        }
        // Those that ended first are forgotten first.
        if let Some(surplus) = all.len().checked_sub(SUPPRESSIONS_MAX) {
            let mut left = surplus + 1;
            all.retain(|known| {
                let goes = left > 0 && known.until <= now;
                left -= usize::from(goes);
                !goes
            });
        }
        all.push(new);
        Ok(())
    }

    /// Ends those of a merchant and rule now. Says how many that were.
    pub fn end(&mut self, merchant_id: Option<&str>, rule: Option<&str>, now: Timestamp) -> usize {
        let mut ended = 0;
        for known in &mut self.suppressions {
            let is_asked =
                known.merchant_id.as_deref() == merchant_id && known.rule.as_deref() == rule;
            if is_asked && known.until > now {
                known.until = now;
                ended += 1;
            }
        }
        ended
    }

    /// Forgets those that have ended.
    pub fn forget_ended(&mut self, now: Timestamp) {
        self.suppressions.retain(|known| known.until > now);
    }
}
