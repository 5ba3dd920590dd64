//! A rule with one of its numbers set otherwise: which settings would hit?
//!
//! Of each number of a rule there are [`SETTINGS`] settings, its own among them, in the order from
//! the one that hits most to the one that hits least: whatever hits at one hits at every one before
//! it. So one look at a transaction gives the answer for all of them, as the number of settings that
//! hit, and a history is gone through once.
//!
//! The tests are those that judge: a setting is a rule's test with another number.

use super::judge::Seen;
use super::measure::{Outcome, measure};
use super::{Rule, RuleSet, Test, Thresholds};
use crate::money::Amount;
use crate::profile::PREDECESSORS_MAX;
use std::collections::BTreeSet;

/// How many settings a number of a rule is tried at.
pub const SETTINGS: usize = 20;

/// Settings as percentages of what the rule has, ascending, 100 among them.
const PERCENTAGES: [u32; SETTINGS] = [
    10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 100, 125, 150, 200, 250, 300, 400, 500, 700, 1000,
];

/// Which number of a rule is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// The thresholds of all currencies, together: a setting is a percentage of them.
    ThresholdPercent,
    /// How many sales in the window.
    Count,
    /// Length of the window.
    WindowSeconds,
    /// How many times the mean.
    Times,
    /// After how many sales.
    After,
}

impl Parameter {
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ThresholdPercent => "threshold_percent",
            Self::Count => "count",
            Self::WindowSeconds => "window_seconds",
            Self::Times => "times",
            Self::After => "after",
        }
    }
}

/// A rule at every setting of one of its numbers.
#[derive(Clone, Debug)]
pub struct Variation {
    /// The rule's place in its set.
    pub rule: usize,
    /// Which number.
    pub parameter: Parameter,
    rule_as_it_is: Rule,
    /// From the setting that hits most to the one that hits least.
    settings: Vec<(u32, Test)>,
}

/// Every number of every rule that judges.
#[must_use]
pub fn variations(rules: &RuleSet) -> Vec<Variation> {
    let mut all = Vec::new();
    for (place, rule) in rules.rules().iter().enumerate() {
        if rule.enabled {
            all.extend(of_rule(place, rule));
        }
    }
    all
}

fn of_rule(place: usize, rule: &Rule) -> Vec<Variation> {
    let made = |parameter, settings: Vec<(u32, Test)>| Variation {
        rule: place,
        parameter,
        rule_as_it_is: rule.clone(),
        settings,
    };
    let descending = |mut settings: Vec<(u32, Test)>| {
        settings.reverse();
        settings
    };
    match &rule.test {
        // The lower the threshold, the more is above it.
        Test::AmountHigh(thresholds) => {
            let test = |percent: &u32| (*percent, Test::AmountHigh(scaled(thresholds, *percent)));
            let settings = PERCENTAGES.iter().map(test).collect();
            vec![made(Parameter::ThresholdPercent, settings)]
        }
        Test::AmountLow(thresholds) => {
            let test = |percent: &u32| (*percent, Test::AmountLow(scaled(thresholds, *percent)));
            let settings = PERCENTAGES.iter().map(test).collect();
            vec![made(Parameter::ThresholdPercent, descending(settings))]
        }
        Test::CardVelocity {
            count,
            window_seconds,
        } => {
            let (window_seconds, count) = (*window_seconds, *count);
            let counts = counts_around(count).map(|count| {
                let test = Test::CardVelocity {
                    count,
                    window_seconds,
                };
                (count, test)
            });
            let windows = around(window_seconds).into_iter().map(|window_seconds| {
                let test = Test::CardVelocity {
                    count,
                    window_seconds,
                };
                (window_seconds, test)
            });
            vec![
                made(Parameter::Count, counts.collect()),
                // The longer the window, the more sales are in it.
                made(Parameter::WindowSeconds, descending(windows.collect())),
            ]
        }
        Test::AmountDeviation { times, after } => {
            let (times, after) = (*times, *after);
            let by_times = around(times)
                .into_iter()
                .map(|times| (times, Test::AmountDeviation { times, after }));
            let by_after = around(after)
                .into_iter()
                .map(|after| (after, Test::AmountDeviation { times, after }));
            vec![
                made(Parameter::Times, by_times.collect()),
                made(Parameter::After, by_after.collect()),
            ]
        }
        Test::ConflictingResubmission => Vec::new(),
    }
}

fn scaled(thresholds: &Thresholds, percent: u32) -> Thresholds {
    let scale = |amount: Amount| {
        let minor = u128::from(amount.0) * u128::from(percent) / 100;
        Amount(u64::try_from(minor).unwrap_or(u64::MAX).max(1))
    };
    thresholds
        .iter()
        .map(|(currency, amount)| (currency, scale(amount)))
        .collect()
}

/// Counts in a row, the rule's own among them, none that a profile could not decide.
fn counts_around(count: u32) -> impl Iterator<Item = u32> {
    let (most, settings) = (PREDECESSORS_MAX as u32, SETTINGS as u32);
    let first = count
        .saturating_sub(settings / 2)
        .clamp(1, (most + 1).saturating_sub(settings).max(1));
    first..first + settings
}

/// Whole numbers around a rule's own, each once, ascending, its own among them.
fn around(own: u32) -> Vec<u32> {
    let scale = |percent: &u32| {
        let scaled = u64::from(own) * u64::from(*percent) / 100;
        u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
    };
    let mut settings: BTreeSet<u32> = PERCENTAGES.iter().map(scale).collect();
    // Of small numbers some percentages are the same.
    let mut next = own;
    while settings.len() < SETTINGS {
        next = next.saturating_add(1);
        settings.insert(next);
    }
    settings.into_iter().collect()
}

impl Variation {
    /// The settings, from the one that hits most to the one that hits least.
    pub fn settings(&self) -> impl Iterator<Item = u32> {
        self.settings.iter().map(|(setting, _)| *setting)
    }

    /// The rule's own setting: the place of it among the settings.
    #[must_use]
    pub fn own(&self) -> Option<usize> {
        let own = &self.rule_as_it_is.test;
        self.settings.iter().position(|(_, test)| test == own)
    }

    /// At how many of the settings the rule hits: those are the first ones.
    #[must_use]
    pub fn hits(&self, seen: &Seen<'_>) -> usize {
        if !self.rule_as_it_is.types.has(seen.judged().facts.kind) {
            return 0;
        }
        let subject = seen.subject();
        let hits = |(_, test): &(u32, Test)| {
            matches!(measure::<_, false>(test, &subject), Outcome::Hit(..))
        };
        // Nearly everything hits at none.
        match self.settings.first() {
            Some(first) if hits(first) => self.settings.partition_point(hits),
            _ => 0,
        }
    }
}
