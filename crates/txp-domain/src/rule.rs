//! Anomaly rules: a closed set of typed tests, and the pure code that judges by them.
//!
//! The same code judges live and in a backtest. It compares integers only; a [`RuleSet`] exists
//! only after [`RuleSet::check`] found nothing wrong with it, so judging cannot fail.
//!
//! Deliberately not here: the form of the rule file (the pipeline reads and prints it), a language
//! to write tests in, and any state besides the card's profile.

mod check;
mod coverage;
mod judge;
mod measure;
mod reevaluate;
mod score;
mod scorecard;
#[cfg(test)]
mod tests;
mod vary;

pub use check::{Fault, RuleSetParts};
pub use coverage::{Coverage, NotJudged};
pub use judge::{Conflict, Judged, Occasion, Seen, judge, judge_scored, see};
pub use reevaluate::{Difference, reevaluate};
pub use score::SCORE_MAX;
pub use scorecard::{Curve, Mark, Scorecard, Signal};
pub use vary::{Parameter, SETTINGS, Variation, variations};

use crate::money::{Amount, Currency};
use crate::row::TransactionType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a rule's hit, a finding or an alert matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look some day.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Worth being woken for.
    Critical,
}

impl Severity {
    /// The name used in rule files, events and alerts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High, Self::Critical]
            .into_iter()
            .find(|severity| severity.name() == name)
    }
}

/// The transaction types that a rule sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    /// No type.
    pub const NONE: Self = Self(0);

    /// Every type.
    #[must_use]
    pub fn all() -> Self {
        ALL_TYPES.into_iter().fold(Self::NONE, Self::and)
    }

    /// One type only.
    #[must_use]
    pub fn only(kind: TransactionType) -> Self {
        Self::NONE.and(kind)
    }

    /// These and one more.
    #[must_use]
    pub fn and(self, kind: TransactionType) -> Self {
        Self(self.0 | Self::bit(kind))
    }

    /// Whether the type is one of these.
    #[must_use]
    pub fn has(self, kind: TransactionType) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// These types.
    pub fn iter(self) -> impl Iterator<Item = TransactionType> {
        ALL_TYPES.into_iter().filter(move |kind| self.has(*kind))
    }

    const fn bit(kind: TransactionType) -> u8 {
        match kind {
            TransactionType::Sale => 1,
            TransactionType::Refund => 2,
            TransactionType::Chargeback => 4,
        }
    }
}

/// Every transaction type.
const ALL_TYPES: [TransactionType; 3] = [
    TransactionType::Sale,
    TransactionType::Refund,
    TransactionType::Chargeback,
];

/// Thresholds by currency, each in that currency's minor units.
///
/// A currency without one is not judged by the rule; [`Coverage`] tells which and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thresholds(Vec<(Currency, Amount)>);

impl Thresholds {
    /// The threshold for a currency.
    #[must_use]
    pub fn get(&self, currency: Currency) -> Option<Amount> {
        let place = self.0.binary_search_by_key(&currency, |(known, _)| *known);
        let (_, amount) = self.0.get(place.ok()?)?;
        Some(*amount)
    }

    /// All thresholds.
    pub fn iter(&self) -> impl Iterator<Item = (Currency, Amount)> {
        self.0.iter().copied()
    }

    /// Whether no currency has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Currency, Amount)> for Thresholds {
    /// Of several thresholds for a currency the first stands.
    fn from_iter<I: IntoIterator<Item = (Currency, Amount)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(currency, _)| *currency);
        pairs.dedup_by_key(|(currency, _)| *currency);
        Self(pairs)
    }
}

/// What a rule looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// An amount above the currency's threshold.
    AmountHigh(Thresholds),
    /// An amount below the currency's threshold.
    AmountLow(Thresholds),
    /// So many sales on the card in the time before the sale.
    CardVelocity {
        /// This many earlier sales, or more, are a hit.
        count: u32,
        /// Length of the window that ends with the sale.
        window_seconds: u32,
    },
    /// An amount above so many times the card's mean.
    AmountDeviation {
        /// More than this many times the mean is a hit.
        times: u32,
        /// How many sales the card must have had before.
        after: u32,
    },
    /// The id of an accepted transaction was sent again with other content.
    ConflictingResubmission,
}

impl Test {
    /// The name of the kind in rule files and findings.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AmountHigh(_) => "amount_high",
            Self::AmountLow(_) => "amount_low",
            Self::CardVelocity { .. } => "card_velocity",
            Self::AmountDeviation { .. } => "amount_deviation",
            Self::ConflictingResubmission => "conflicting_resubmission",
        }
    }

    /// Whether the test needs the card's past, which holds sales only.
    #[must_use]
    pub const fn needs_profile(&self) -> bool {
        matches!(
            self,
            Self::CardVelocity { .. } | Self::AmountDeviation { .. }
        )
    }

    /// The thresholds by currency, where the test has them.
    #[must_use]
    pub const fn thresholds(&self) -> Option<&Thresholds> {
        match self {
            Self::AmountHigh(thresholds) | Self::AmountLow(thresholds) => Some(thresholds),
            Self::CardVelocity { .. }
            | Self::AmountDeviation { .. }
            | Self::ConflictingResubmission => None,
        }
    }
}

/// One rule of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its own id; several rules may be of one kind.
    pub id: Box<str>,
    /// Whether it judges.
    pub enabled: bool,
    /// The transaction types that it sees.
    pub types: Types,
    /// How much a hit matters.
    pub severity: Severity,
    /// What it looks for.
    pub test: Test,
}

/// When findings become alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertPolicy {
    /// Findings on older event times are recorded, not sent.
    pub alert_max_age_seconds: u32,
    /// After an alert, further findings of its merchant and rule are gathered for so long; 0: never.
    pub cooldown_seconds: u32,
    /// A finding with this score or more is critical, whatever its rules say.
    pub critical_score: u16,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self {
            alert_max_age_seconds: 48 * 3600,
            cooldown_seconds: 15 * 60,
            critical_score: 950,
        }
    }
}

/// A checked set of rules: what judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    version: Box<str>,
    sha256: [u8; 32],
    alerts: AlertPolicy,
    rules: Box<[Rule]>,
    scorecard: Option<Scorecard>,
}

impl RuleSet {
    /// The version, part of every finding's id.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 of the canonical rule file.
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// When findings become alerts.
    #[must_use]
    pub const fn alerts(&self) -> &AlertPolicy {
        &self.alerts
    }

    /// Every rule in the order of the file, disabled ones too.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How sales are ranked, if the file says so.
    #[must_use]
    pub const fn scorecard(&self) -> Option<&Scorecard> {
        self.scorecard.as_ref()
    }

    /// The rules that judge a transaction of a type.
    pub(crate) fn seeing(&self, kind: TransactionType) -> impl Iterator<Item = &Rule> {
        self.rules
            .iter()
            .filter(move |rule| rule.enabled && rule.types.has(kind))
    }
}
