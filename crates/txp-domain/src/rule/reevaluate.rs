//! A recorded finding held against the rules again, from nothing but what it carries.
//!
//! It answers "was this finding right by these rules?" without the history. A finding that agrees
//! here but not with a backtest saw another past: the order of events differed, not the code.

use super::RuleSet;
use super::measure::{Past, Subject, assess, severity_of};
use crate::finding::{Finding, Inputs, ProfileSeen};
use std::fmt;

/// One way in which a finding differs from what the rules say of its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Another rule set version made it.
    RuleSet {
        /// The finding's.
        recorded: String,
        /// The one that it was held against.
        given: String,
    },
    /// Its id is not the one that its parts make.
    Id,
    /// Its score is another.
    Score {
        /// The finding's.
        recorded: u16,
        /// By the rules.
        now: u16,
    },
    /// Its severity is another.
    Severity,
    /// A rule hit that does not hit now.
    Lost(String),
    /// A rule hits now that did not.
    New(String),
    /// A rule hits with other numbers, words, severity or strength.
    Changed(String),
    /// A rule asks for a window that the finding does not carry.
    NotCarried(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuleSet { recorded, given } => {
                write!(f, "made by rule set {recorded}, held against {given}")
            }
            Self::Id => f.write_str("its id is not the one that its parts make"),
            Self::Score { recorded, now } => write!(f, "score {recorded}, now {now}"),
            Self::Severity => f.write_str("another severity now"),
            Self::Lost(rule) => write!(f, "rule {rule} does not hit now"),
            Self::New(rule) => write!(f, "rule {rule} hits now"),
            Self::Changed(rule) => write!(f, "rule {rule} hits with other numbers now"),
            Self::NotCarried(rule) => {
                write!(
                    f,
                    "rule {rule} asks for a window that the finding does not carry"
                )
            }
        }
    }
}

/// What a finding carries of the card's past.
struct Carried<'a> {
    profile: &'a ProfileSeen,
    inputs: &'a Inputs,
}

impl Past for Carried<'_> {
    fn count(&self) -> u64 {
        self.profile.revision
    }

    fn sum(&self) -> u128 {
        self.profile.sum.minor
    }

    fn within(&self, window_seconds: u32) -> Option<u32> {
        let mut windows = self.inputs.windows.iter();
        windows
            .find(|seen| seen.window_seconds == window_seconds)
            .map(|seen| seen.earlier)
    }
}

/// Evaluates a finding again from its own inputs; no difference means that it stands.
#[must_use]
pub fn reevaluate(rules: &RuleSet, finding: &Finding) -> Vec<Difference> {
    let inputs = &finding.inputs;
    let carried = inputs
        .profile
        .as_ref()
        .map(|profile| Carried { profile, inputs });
    let subject = Subject {
        content: inputs.content,
        past: carried.as_ref(),
        conflict: inputs.conflict.as_ref().map(|conflict| conflict.content),
    };
    let now = assess::<_, false>(rules.seeing(inputs.content.kind), &subject);
    let mut differences = Vec::new();
    if finding.rule_set != rules.version() {
        differences.push(Difference::RuleSet {
            recorded: finding.rule_set.clone(),
            given: rules.version().into(),
        });
    }
    if finding.id != Finding::id_of(finding.event_id, &finding.rule_set, finding.facts_revision) {
        differences.push(Difference::Id);
    }
    for hit in &finding.hits {
        match now.hits.iter().find(|other| other.rule == hit.rule) {
            None => differences.push(Difference::Lost(hit.rule.clone())),
            Some(other) if other != hit => differences.push(Difference::Changed(hit.rule.clone())),
            Some(_) => {}
        }
    }
    let is_new = |rule: &str| !finding.hits.iter().any(|hit| hit.rule == rule);
    differences.extend(
        now.hits
            .iter()
            .filter(|hit| is_new(&hit.rule))
            .map(|hit| Difference::New(hit.rule.clone())),
    );
    differences.extend(
        now.unknown
            .into_iter()
            .map(|rule| Difference::NotCarried(rule.into())),
    );
    if finding.score != now.score {
        differences.push(Difference::Score {
            recorded: finding.score,
            now: now.score,
        });
    }
    if finding.severity != severity_of(&now.hits, now.score, rules.alerts().critical_score) {
        differences.push(Difference::Severity);
    }
    differences
}
