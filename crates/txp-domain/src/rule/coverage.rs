//! Which transactions no threshold was there for.
//!
//! Counted per type and currency, not per rule: one addition a transaction, and the report by rule
//! is made from it when it is asked for.

use super::RuleSet;
use crate::money::Currency;
use crate::row::TransactionType;
use std::collections::BTreeMap;

/// How many transactions of each type and currency were judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<(Currency, TransactionType), u64>,
}

/// A rule that could not judge a currency's transactions, having no threshold for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJudged<'a> {
    /// The rule's id.
    pub rule: &'a str,
    /// The currency.
    pub currency: Currency,
    /// How many transactions that the rule sees came in it.
    pub transactions: u64,
}

impl Coverage {
    /// Counts a transaction that was judged on its first acceptance.
    pub fn count(&mut self, kind: TransactionType, currency: Currency) {
        *self.counts.entry((currency, kind)).or_default() += 1;
    }

    /// Adds another count to this one.
    pub fn merge(&mut self, other: &Self) {
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
    }

    /// What the rules of a set could not judge, by rule in the order of the file, then by currency.
    #[must_use]
    pub fn not_judged<'a>(&self, rules: &'a RuleSet) -> Vec<NotJudged<'a>> {
        let mut found = Vec::new();
        for rule in rules.rules().iter().filter(|rule| rule.enabled) {
            let Some(thresholds) = rule.test.thresholds() else {
                continue;
            };
            let mut by_currency = BTreeMap::new();
            for ((currency, kind), count) in &self.counts {
                if rule.types.has(*kind) && thresholds.get(*currency).is_none() {
                    *by_currency.entry(*currency).or_default() += count;
                }
            }
            found.extend(
                by_currency
                    .into_iter()
                    .map(|(currency, transactions)| NotJudged {
                        rule: &rule.id,
                        currency,
                        transactions,
                    }),
            );
        }
        found
    }
}
