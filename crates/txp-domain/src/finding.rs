//! A finding: which rules hit a transaction, by which numbers, and in which words.
//!
//! It is the data of an `anomaly.flagged` event. It carries every input that the rules compared, so
//! that it can be evaluated again from itself, long after the card's profile has moved on.
//!
//! Its numbers are plain decimals with exactly the currency's minor digits, as everywhere; words, for
//! people, are in groups of three. There is no hash in it, so that what looks like a card number is
//! at most a sum.

mod amount;
mod words;

pub use amount::{Money, Total};

use crate::card::{Brand, Fingerprint, Last4};
use crate::id::EventId;
use crate::money::{Amount, Currency};
use crate::row::{CardFacts, TransactionType};
use crate::rule::{Rule, Severity};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the rules found in one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `{event_id}:{rule_set}:{facts_revision}`.
    pub id: String,
    /// Id of the event that first accepted the transaction.
    pub event_id: EventId,
    /// Version of the rule set that judged.
    pub rule_set: String,
    /// The transaction's facts revision that was judged.
    pub facts_revision: u32,
    /// The transaction's id.
    pub transaction_id: String,
    /// The merchant's id.
    pub merchant_id: String,
    /// The card.
    pub card: CardSeen,
    /// For ranking: 500 where one rule just hits, up to 1000.
    pub score: u16,
    /// The gravest hit's severity, or critical by the score.
    pub severity: Severity,
    /// The rules that hit, in the order of the rule file; at least one.
    pub hits: Vec<Hit>,
    /// What the rules were asked about.
    pub inputs: Inputs,
}

impl Finding {
    /// The id of the finding of a rule set in a transaction at a facts revision.
    #[must_use]
    pub fn id_of(event_id: EventId, rule_set: &str, facts_revision: u32) -> String {
        format!("{event_id}:{rule_set}:{facts_revision}")
    }

    /// Event time of the row that caused the judgement: the conflicting one's, if there is one.
    #[must_use]
    pub fn event_time(&self) -> Timestamp {
        let conflict = self.inputs.conflict.as_ref();
        conflict.map_or(self.inputs.event_time, |conflict| conflict.event_time)
    }

    /// The hit that stands for the finding: the gravest, then the strongest, then the first.
    #[must_use]
    pub fn leading_hit(&self) -> Option<&Hit> {
        // `max_by_key` takes the last of equals.
        self.hits
            .iter()
            .rev()
            .max_by_key(|hit| (hit.severity, hit.strength))
    }
}

/// What may be known of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CardSeen {
    /// Keyed fingerprint of the card number.
    pub fingerprint: Fingerprint,
    /// The end of the card number.
    pub last4: Last4,
    /// The brand.
    pub brand: Brand,
}

impl From<CardFacts> for CardSeen {
    fn from(card: CardFacts) -> Self {
        Self {
            fingerprint: card.fingerprint,
            last4: card.last4,
            brand: card.brand,
        }
    }
}

/// One rule's hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// The rule's id.
    pub rule: String,
    /// The rule's severity.
    pub severity: Severity,
    /// How far beyond its threshold: 500 at it, up to 1000.
    pub strength: u16,
    /// The numbers compared.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// The same in words.
    pub words: String,
}

impl Hit {
    pub(crate) fn new(rule: &Rule, strength: u16, numbers: Numbers) -> Self {
        Self {
            rule: rule.id.to_string(),
            severity: rule.severity,
            strength,
            numbers,
            words: numbers.to_string(),
        }
    }
}

/// The numbers that a rule compared, by kind of rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Numbers {
    /// The amount is above the threshold.
    AmountHigh {
        /// The amount.
        observed: Money,
        /// The highest that is usual.
        threshold: Money,
    },
    /// The amount is below the threshold.
    AmountLow {
        /// The amount.
        observed: Money,
        /// The lowest that is usual.
        threshold: Money,
    },
    /// So many earlier sales on the card in the window.
    CardVelocity {
        /// Earlier sales in the window; 32 stands for 32 or more.
        observed: u32,
        /// This many or more are a hit.
        threshold: u32,
        /// Length of the window.
        window_seconds: u32,
    },
    /// The amount is above a multiple of the card's mean.
    AmountDeviation {
        /// The amount.
        observed: Money,
        /// More than so many times the mean is a hit.
        times: u32,
        /// How many sales the card must have had before.
        after: u32,
        /// How many it had; the mean is the sum by this.
        sales: u64,
        /// Their amounts together.
        sum: Total,
    },
    /// The id was sent again with other content.
    ConflictingResubmission {
        /// As first accepted; it stands.
        first: Content,
        /// As sent again.
        second: Content,
    },
}

/// Type and amount of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// The transaction's type.
    #[serde(rename = "type")]
    pub kind: TransactionType,
    /// Its amount.
    #[serde(flatten)]
    pub money: Money,
}

impl Content {
    pub(crate) const fn new(kind: TransactionType, amount: Amount, currency: Currency) -> Self {
        Self {
            kind,
            money: Money { amount, currency },
        }
    }
}

/// Everything that the rules were asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inputs {
    /// The transaction as first accepted.
    #[serde(flatten)]
    pub content: Content,
    /// Its event time.
    pub event_time: Timestamp,
    /// The card's profile before it; sales on their first acceptance only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileSeen>,
    /// What each window held that a rule asked for, hit or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowSeen>,
    /// What was sent under the same id, if that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<ConflictSeen>,
}

/// A card's profile as a sale saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileSeen {
    /// Its revision: how many sales were judged on the card and currency before.
    pub revision: u64,
    /// Their amounts together.
    pub sum: Total,
}

/// What one window held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WindowSeen {
    /// Length of the window.
    pub window_seconds: u32,
    /// Earlier sales in it; 32 stands for 32 or more.
    pub earlier: u32,
}

/// What was sent again under the transaction's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConflictSeen {
    /// Id of the event that brought it.
    pub event_id: EventId,
    /// What it says.
    #[serde(flatten)]
    pub content: Content,
    /// Its event time.
    pub event_time: Timestamp,
}

#[cfg(test)]
mod tests;
