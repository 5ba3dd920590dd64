//! `anomaly.flagged`: a finding, with all that it takes to evaluate it again. `anomaly.shadowed`: the
//! same of rules that are only tried.
//!
//! They are types of their own, not one with a mark in it: whatever alerts, flags or counts takes the
//! first alone, and a reader that does not know the second cannot take it for the first.

use crate::finding::Finding;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Data of `anomaly.flagged`, version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnomalyFlagged {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// When the upload of the judged row arrived; the envelope's time.
    #[serde(skip)]
    pub time: Timestamp,
}

impl AnomalyFlagged {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.finding.id
    }

    /// Merchant and transaction.
    #[must_use]
    pub fn ids(&self) -> (&str, &str) {
        (&self.finding.merchant_id, &self.finding.transaction_id)
    }

    /// The `subject` attribute, which is the transaction's partition key too.
    #[must_use]
    pub fn subject(&self) -> String {
        subject_of(&self.finding)
    }
}

/// Data of `anomaly.shadowed`, version 1: what rules found that are tried beside those that judge.
/// Its id ends with `:shadow`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnomalyShadowed {
    /// The finding, under an id of its own: the same rules may judge later, and find the same.
    #[serde(flatten)]
    pub(super) finding: Finding,
    /// When the upload of the judged row arrived; the envelope's time.
    #[serde(skip)]
    pub time: Timestamp,
}

impl AnomalyShadowed {
    /// Ends the id.
    pub const ID_SUFFIX: &str = ":shadow";

    /// A finding of rules that are tried, as they made it.
    #[must_use]
    pub fn new(mut finding: Finding, time: Timestamp) -> Self {
        finding.id.push_str(Self::ID_SUFFIX);
        Self { finding, time }
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.finding.id
    }

    /// Whether the id is one of this type.
    pub(super) fn is_marked(&self) -> bool {
        self.finding.id.ends_with(Self::ID_SUFFIX)
    }

    /// The finding, under the event's id.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        &self.finding
    }

    /// The finding as the rules made it: under the id that it has where they judge.
    #[must_use]
    pub fn as_judged(&self) -> Finding {
        let id = self.finding.id.strip_suffix(Self::ID_SUFFIX);
        Finding {
            id: id.unwrap_or(&self.finding.id).to_owned(),
            ..self.finding.clone()
        }
    }

    /// Merchant and transaction.
    #[must_use]
    pub fn ids(&self) -> (&str, &str) {
        (&self.finding.merchant_id, &self.finding.transaction_id)
    }

    /// The `subject` attribute, which is the transaction's partition key too.
    #[must_use]
    pub fn subject(&self) -> String {
        subject_of(&self.finding)
    }
}

fn subject_of(finding: &Finding) -> String {
    format!("{}/{}", finding.merchant_id, finding.transaction_id)
}

/// What rules found in one judgement, as history records it.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Of the rules that judge: people are told, the transaction is flagged.
    Flagged(AnomalyFlagged),
    /// Of rules that are tried.
    Shadowed(AnomalyShadowed),
}

impl Verdict {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Flagged(flagged) => flagged.id(),
            Self::Shadowed(shadowed) => shadowed.id(),
        }
    }

    /// The event that is appended.
    #[must_use]
    pub fn to_event(&self) -> super::Event<'static> {
        match self {
            Self::Flagged(flagged) => super::Event::AnomalyFlagged(Box::new(flagged.clone())),
            Self::Shadowed(shadowed) => super::Event::AnomalyShadowed(Box::new(shadowed.clone())),
        }
    }

    /// What people are told of.
    #[must_use]
    pub fn flagged(&self) -> Option<&AnomalyFlagged> {
        match self {
            Self::Flagged(flagged) => Some(flagged),
            Self::Shadowed(_) => None,
        }
    }
}
