//! What a rule file says, as types: printed from them, and described by them in the JSON Schema.

use super::scorecard::ScorecardEntry;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use txp_domain::money::{Amount, Currency};
use txp_domain::row::TransactionType;
use txp_domain::rule::{AlertPolicy, Rule, RuleSetParts, Severity, Test, Types};

/// A versioned set of anomaly rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Where an editor finds this schema; neither kept nor printed.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub schema: Option<String>,
    /// Words for people; judging ignores them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub description: Option<String>,
    /// The version, part of every finding's id: 1 to 64 of A-Z a-z 0-9 _ - . :
    pub version: String,
    /// When findings become alerts.
    #[serde(default)]
    pub alerts: Alerts,
    /// The rules; several may be of one kind.
    pub rules: Vec<RuleEntry>,
    /// How sales are ranked by suspicion. Without it: by how near they came to the rules' thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ScorecardEntry")]
    pub scorecard: Option<ScorecardEntry>,
}

/// When findings become alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Findings on older event times are recorded, not sent.
    pub alert_max_age_seconds: u32,
    /// After an alert, further findings of its merchant and rule are gathered for so long.
    pub cooldown_seconds: u32,
    /// A finding with this score or more is critical; scores go from 0 to 1000.
    pub critical_score: u16,
}

impl Default for Alerts {
    fn default() -> Self {
        let policy = AlertPolicy::default();
        Self {
            alert_max_age_seconds: policy.alert_max_age_seconds,
            cooldown_seconds: policy.cooldown_seconds,
            critical_score: policy.critical_score,
        }
    }
}

macro_rules! rule_entries {
    ($($(#[$doc:meta])* $kind:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)? } types $types:literal,)+) => {
        /// One rule, by its kind.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
        #[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
        pub enum RuleEntry {
            $($(#[$doc])* $kind {
                /// The rule's own id.
                id: String,
                /// Words for people; judging ignores them.
                #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
                description: Option<String>,
                /// Whether it judges.
                #[serde(default = "yes")]
                enabled: bool,
                /// How much a hit matters.
                #[serde(default = "medium")]
                severity: Severity,
                /// The transaction types that it sees.
                #[serde(default = $types)]
                types: Vec<TransactionType>,
                $($(#[$field_doc])* $field: $type,)?
            },)+
        }

        impl RuleEntry {
            /// What every kind of rule has.
            fn common(&self) -> (&str, bool, Severity, &[TransactionType]) {
                match self {
                    $(Self::$kind { id, enabled, severity, types, .. } => (id, *enabled, *severity, types),)+
                }
            }
        }
    };
}

rule_entries! {
    /// An amount above its currency's threshold.
    AmountHigh {
        /// By currency, in minor units. A currency without one is not judged by this rule.
        thresholds: BTreeMap<Currency, u64>,
    } types "sales",
    /// An amount below its currency's threshold.
    AmountLow {
        /// By currency, in minor units. A currency without one is not judged by this rule.
        thresholds: BTreeMap<Currency, u64>,
    } types "sales",
    /// Many sales on one card and currency in a short time.
    CardVelocity {
        /// How many in what time.
        velocity: Velocity,
    } types "sales",
    /// An amount far above the mean of the card's sales in that currency.
    AmountDeviation {
        /// How far, and after how many sales.
        deviation: Deviation,
    } types "sales",
    /// An accepted transaction's id sent again with other content.
    ConflictingResubmission {} types "every_type",
}

/// How many sales in what time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Velocity {
    /// This many earlier sales, or more, are a hit: 1 to 32.
    pub count: u32,
    /// Event time before the sale.
    pub window_seconds: u32,
}

/// How far from the mean, and after how many sales.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// More than this many times the mean is a hit.
    pub times: u32,
    /// How many sales the card must have had before.
    pub after: u32,
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn medium() -> Severity {
    Severity::Medium
}

pub(super) fn sales() -> Vec<TransactionType> {
    vec![TransactionType::Sale]
}

pub(super) fn every_type() -> Vec<TransactionType> {
    Types::all().iter().collect()
}

impl RuleFile {
    /// The canonical form: what is hashed, and what `rules show` prints.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, integers and maps with text keys always serialise.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    pub(super) fn to_parts(&self) -> RuleSetParts {
        RuleSetParts {
            version: self.version.clone(),
            alerts: AlertPolicy {
                alert_max_age_seconds: self.alerts.alert_max_age_seconds,
                cooldown_seconds: self.alerts.cooldown_seconds,
                critical_score: self.alerts.critical_score,
            },
            rules: self.rules.iter().map(rule_of).collect(),
            scorecard: self.scorecard.as_ref().map(ScorecardEntry::to_scorecard),
        }
    }
}

fn rule_of(entry: &RuleEntry) -> Rule {
    let pairs = |thresholds: &BTreeMap<Currency, u64>| {
        let pairs = thresholds.iter();
        pairs
            .map(|(currency, minor)| (*currency, Amount(*minor)))
            .collect()
    };
    let test = match entry {
        RuleEntry::AmountHigh { thresholds, .. } => Test::AmountHigh(pairs(thresholds)),
        RuleEntry::AmountLow { thresholds, .. } => Test::AmountLow(pairs(thresholds)),
        RuleEntry::CardVelocity { velocity, .. } => Test::CardVelocity {
            count: velocity.count,
            window_seconds: velocity.window_seconds,
        },
        RuleEntry::AmountDeviation { deviation, .. } => Test::AmountDeviation {
            times: deviation.times,
            after: deviation.after,
        },
        RuleEntry::ConflictingResubmission { .. } => Test::ConflictingResubmission,
    };
    let (id, enabled, severity, types) = entry.common();
    Rule {
        id: id.into(),
        enabled,
        types: types
            .iter()
            .fold(Types::NONE, |types, kind| types.and(*kind)),
        severity,
        test,
    }
}
