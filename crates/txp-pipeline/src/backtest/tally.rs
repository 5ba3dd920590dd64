//! Findings of two rule sets side by side: what is new, what is lost, what is kept.
//!
//! Two findings are the same if they are of the same judgement: the same transaction on the same
//! occasion. Of a rule, its hits are compared so. Money is summed per currency, in minor units: of a
//! finding, the amount of its transaction as first accepted.

use std::collections::BTreeMap;
use txp_domain::event::AnomalyFlagged;
use txp_domain::finding::{Finding, Money};
use txp_domain::money::{Currency, Sum};

/// Merchants that are told apart; those that come later are counted together.
const MERCHANTS_MAX: usize = 100_000;

/// Findings that are shown as examples, of each kind.
const EXAMPLES_MAX: usize = 20;

/// How a finding stands beside those of the other rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Only the rules that are tried find it.
    New,
    /// Only the rules that they are compared with find it.
    Lost,
    /// Both find it.
    Kept,
}

/// How many, and the money in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// How many.
    pub count: u64,
    /// By currency.
    pub money: BTreeMap<Currency, Sum>,
}

impl Part {
    fn add(&mut self, money: Money) {
        self.count += 1;
        self.money
            .entry(money.currency)
            .or_default()
            .add(money.amount);
    }
}

/// Findings, or hits of a rule, of both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Only by the rules that are tried.
    pub new: Part,
    /// Only by the rules that they are compared with.
    pub lost: Part,
    /// By both.
    pub kept: Part,
}

impl Compared {
    /// By the rules that are tried.
    #[must_use]
    pub fn findings(&self) -> u64 {
        self.new.count + self.kept.count
    }

    /// By the rules that they are compared with.
    #[must_use]
    pub fn baseline(&self) -> u64 {
        self.lost.count + self.kept.count
    }

    fn add(&mut self, standing: Standing, money: Money) {
        match standing {
            Standing::New => self.new.add(money),
            Standing::Lost => self.lost.add(money),
            Standing::Kept => self.kept.add(money),
        }
    }
}

/// All that was found.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Findings.
    pub all: Compared,
    /// Hits, by rule.
    pub by_rule: BTreeMap<String, Compared>,
    /// Findings, by merchant.
    pub by_merchant: BTreeMap<String, Compared>,
    /// Findings of merchants beyond those that are told apart.
    pub other_merchants: Compared,
    /// The new findings with the highest scores, the highest first.
    pub new: Vec<AnomalyFlagged>,
    /// The same of those lost.
    pub lost: Vec<AnomalyFlagged>,
}

impl Tally {
    /// Takes in what both found in one judgement.
    pub fn add(&mut self, tried: Option<AnomalyFlagged>, baseline: Option<AnomalyFlagged>) {
        match (&tried, &baseline) {
            (None, None) => return,
            (Some(_), Some(other)) => self.count(Standing::Kept, &other.finding),
            (Some(new), None) => self.count(Standing::New, &new.finding),
            (None, Some(lost)) => self.count(Standing::Lost, &lost.finding),
        }
        let tried_hits = rules_of(tried.as_ref());
        let baseline_hits = rules_of(baseline.as_ref());
        for (rule, money) in &tried_hits {
            let is_kept = baseline_hits.iter().any(|(other, _)| other == rule);
            let standing = if is_kept {
                Standing::Kept
            } else {
                Standing::New
            };
            self.count_rule(rule, standing, *money);
        }
        for (rule, money) in &baseline_hits {
            if !tried_hits.iter().any(|(other, _)| other == rule) {
                self.count_rule(rule, Standing::Lost, *money);
            }
        }
        match (tried, baseline) {
            (Some(new), None) => keep_highest(&mut self.new, new),
            (None, Some(lost)) => keep_highest(&mut self.lost, lost),
            _ => {}
        }
    }

    fn count(&mut self, standing: Standing, finding: &Finding) {
        let money = finding.inputs.content.money;
        self.all.add(standing, money);
        let has_room = self.by_merchant.len() < MERCHANTS_MAX;
        match self.by_merchant.get_mut(&finding.merchant_id) {
            Some(merchant) => merchant.add(standing, money),
            None if has_room => {
                let id = finding.merchant_id.clone();
                self.by_merchant.entry(id).or_default().add(standing, money);
            }
            None => self.other_merchants.add(standing, money),
        }
    }

    fn count_rule(&mut self, rule: &str, standing: Standing, money: Money) {
        if !self.by_rule.contains_key(rule) {
            self.by_rule.insert(rule.to_owned(), Compared::default());
        }
        if let Some(compared) = self.by_rule.get_mut(rule) {
            compared.add(standing, money);
        }
    }
}

fn rules_of(flagged: Option<&AnomalyFlagged>) -> Vec<(String, Money)> {
    let hits = flagged.into_iter().flat_map(|flagged| {
        let money = flagged.finding.inputs.content.money;
        let hits = flagged.finding.hits.iter();
        hits.map(move |hit| (hit.rule.clone(), money))
    });
    hits.collect()
}

/// Of the same score the earlier one stays in front.
fn keep_highest(kept: &mut Vec<AnomalyFlagged>, flagged: AnomalyFlagged) {
    let score = flagged.finding.score;
    let place = kept.partition_point(|other| other.finding.score >= score);
    if place < EXAMPLES_MAX {
        kept.insert(place, flagged);
        kept.truncate(EXAMPLES_MAX);
    }
}
