//! What a rule set must be before it may judge.
//!
//! Every fault is reported, each with its path in the file and what to do, so that one run of
//! `rules check` is enough.

use super::{AlertPolicy, Rule, RuleSet, SCORE_MAX, Scorecard, Signal, Test, Thresholds, Types};
use crate::id::{IDENTIFIER_BYTES_MAX, is_identifier};
use crate::money::AMOUNT_DIGITS_MAX;
use crate::profile::PREDECESSORS_MAX;
use crate::redact::needs_redaction;
use crate::row::TransactionType;
use std::collections::BTreeMap;

/// The most rules in a set: each costs time on every transaction.
const RULES_MAX: usize = 64;

/// The most signals of a scorecard.
const SIGNALS_MAX: usize = 16;

/// The longest window and age: a year.
const SPAN_SECONDS_MAX: u32 = 366 * 24 * 3600;

/// The highest multiple of a mean: keeps products inside 128 bits with room to spare.
const TIMES_MAX: u32 = 1_000_000;

/// The highest amount of a transaction in minor units: 15 digits.
const AMOUNT_MAX: u64 = 10u64.pow(AMOUNT_DIGITS_MAX) - 1;

/// What a rule file says, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSetParts {
    /// The version.
    pub version: String,
    /// When findings become alerts.
    pub alerts: AlertPolicy,
    /// The rules.
    pub rules: Vec<Rule>,
    /// How sales are ranked.
    pub scorecard: Option<Scorecard>,
}

/// One thing that is wrong with a rule file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Fault {
    /// Where: `rules[2].thresholds.EUR`.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Fault {
    /// A fault at a path.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl RuleSet {
    /// Makes a rule set of what a file says, if nothing is wrong with it.
    ///
    /// # Errors
    /// Every fault found, in the order of the file.
    pub fn check(parts: RuleSetParts, sha256: [u8; 32]) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        check_name("version", &parts.version, &mut faults);
        check_alerts(&parts.alerts, &mut faults);
        if parts.rules.is_empty() {
            faults.push(Fault::new("rules", "there is no rule; name at least one"));
        } else if !parts.rules.iter().any(|rule| rule.enabled) {
            faults.push(Fault::new(
                "rules",
                "every rule is disabled, so nothing would be judged; enable at least one",
            ));
        }
        if parts.rules.len() > RULES_MAX {
            faults.push(Fault::new(
                "rules",
                format!(
                    "{} rules; at most {RULES_MAX} are possible",
                    parts.rules.len()
                ),
            ));
        }
        let mut first_by_id = BTreeMap::new();
        for (index, rule) in parts.rules.iter().enumerate() {
            let first = *first_by_id.entry(&rule.id).or_insert(index);
            if first != index {
                faults.push(Fault::new(
                    format!("rules[{index}].id"),
                    format!("rules[{first}] has this id, too; give each rule its own"),
                ));
            }
            check_rule(&format!("rules[{index}]"), rule, &mut faults);
        }
        if let Some(scorecard) = &parts.scorecard {
            check_scorecard(scorecard, &mut faults);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            version: parts.version.into(),
            sha256,
            alerts: parts.alerts,
            rules: parts.rules.into(),
            scorecard: parts.scorecard,
        })
    }
}

fn check_name(path: &str, name: &str, faults: &mut Vec<Fault>) {
    if !is_identifier(name.as_bytes()) {
        faults.push(Fault::new(
            path,
            format!(
                "must be 1 to {IDENTIFIER_BYTES_MAX} of A-Z a-z 0-9 _ - . : and start with a letter or digit"
            ),
        ));
    } else if needs_redaction(name) {
        // Versions and ids are echoed in every finding and alert.
        faults.push(Fault::new(
            path,
            "holds a run of digits as long as a card number's; use fewer digits",
        ));
    }
}

fn check_range(
    path: String,
    value: u32,
    range: std::ops::RangeInclusive<u32>,
    why: &str,
) -> Option<Fault> {
    let (low, high) = (range.start(), range.end());
    (!range.contains(&value))
        .then(|| Fault::new(path, format!("{value} is not in {low} to {high}{why}")))
}

fn check_alerts(alerts: &AlertPolicy, faults: &mut Vec<Fault>) {
    faults.extend(check_range(
        "alerts.alert_max_age_seconds".into(),
        alerts.alert_max_age_seconds,
        1..=SPAN_SECONDS_MAX,
        " seconds: no finding would ever be sent, or one of years ago",
    ));
    faults.extend(check_range(
        "alerts.cooldown_seconds".into(),
        alerts.cooldown_seconds,
        0..=SPAN_SECONDS_MAX,
        " seconds",
    ));
    faults.extend(check_range(
        "alerts.critical_score".into(),
        u32::from(alerts.critical_score),
        1..=u32::from(SCORE_MAX),
        ", the range of scores",
    ));
}

fn check_rule(path: &str, rule: &Rule, faults: &mut Vec<Fault>) {
    check_name(&format!("{path}.id"), &rule.id, faults);
    if rule.types == Types::NONE {
        faults.push(Fault::new(
            format!("{path}.types"),
            "names no type, so the rule would see nothing; name one or set enabled to false",
        ));
    } else if rule.test.needs_profile() && rule.types != Types::only(TransactionType::Sale) {
        faults.push(Fault::new(
            format!("{path}.types"),
            format!(
                "{} compares with the card's earlier sales and sees sales only; leave types out",
                rule.test.kind()
            ),
        ));
    }
    match &rule.test {
        Test::AmountHigh(thresholds) => {
            check_thresholds(path, thresholds, AMOUNT_MAX - 1, "above", faults);
        }
        Test::AmountLow(thresholds) => {
            check_thresholds(path, thresholds, AMOUNT_MAX, "below", faults);
        }
        Test::CardVelocity {
            count,
            window_seconds,
        } => {
            faults.extend(check_range(
                format!("{path}.velocity.count"),
                *count,
                1..=PREDECESSORS_MAX as u32,
                ": a card's profile looks back at that many sales and can decide no more",
            ));
            faults.extend(check_range(
                format!("{path}.velocity.window_seconds"),
                *window_seconds,
                1..=SPAN_SECONDS_MAX,
                " seconds",
            ));
        }
        Test::AmountDeviation { times, after } => {
            faults.extend(check_range(
                format!("{path}.deviation.times"),
                *times,
                1..=TIMES_MAX,
                " times the mean",
            ));
            faults.extend(check_range(
                format!("{path}.deviation.after"),
                *after,
                1..=u32::MAX,
                ": without an earlier sale there is no mean",
            ));
        }
        Test::ConflictingResubmission => {}
    }
}

fn check_scorecard(scorecard: &Scorecard, faults: &mut Vec<Fault>) {
    let signals = scorecard.signals();
    if signals.is_empty() || signals.len() > SIGNALS_MAX {
        faults.push(Fault::new(
            "scorecard.signals",
            format!(
                "{} signals; name 1 to {SIGNALS_MAX}, or leave scorecard out",
                signals.len()
            ),
        ));
    }
    for (index, signal) in signals.iter().enumerate() {
        let (Signal::CardVelocity { window_seconds, .. }
        | Signal::TerminalDisputes { window_seconds, .. }) = signal
        else {
            continue;
        };
        faults.extend(check_range(
            format!("scorecard.signals[{index}].window_seconds"),
            *window_seconds,
            1..=SPAN_SECONDS_MAX,
            " seconds",
        ));
    }
}

fn check_thresholds(
    path: &str,
    thresholds: &Thresholds,
    highest: u64,
    side: &str,
    faults: &mut Vec<Fault>,
) {
    if thresholds.is_empty() {
        faults.push(Fault::new(
            format!("{path}.thresholds"),
            "names no currency, so the rule would judge nothing; add one, such as \"USD\"",
        ));
    }
    for (currency, amount) in thresholds.iter() {
        if !(1..=highest).contains(&amount.0) {
            faults.push(Fault::new(
                format!("{path}.thresholds.{currency}"),
                format!(
                    "is out of range: minor units from 1 to 15 digits, and no amount can be {side} this one"
                ),
            ));
        }
    }
}
