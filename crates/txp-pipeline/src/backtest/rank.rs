//! What a scorecard says about the sales of a pass, and what the pass remembers of terminals for it.
//!
//! In the order of the history: a dispute counts from where it stands. Bounded: of terminals that
//! were not seen for long nothing is known any more.

use std::collections::HashMap;
use txp_domain::row::{Facts, TransactionType};
use txp_domain::rule::Scorecard;
use txp_domain::terminal::TerminalPast;
use xxhash_rust::xxh3::Xxh3;

/// Terminals remembered at the most, each with up to 2 KB: half of them are the latest seen.
const TERMINALS_MAX: usize = 65_536;

/// The pasts of terminals, by a digest of merchant and terminal.
#[derive(Debug, Default)]
pub(super) struct Terminals {
    young: HashMap<u64, TerminalPast>,
    old: HashMap<u64, TerminalPast>,
}

impl Terminals {
    /// What the terminal of a sale says about it by each scorecard; then the sale is part of its past.
    pub(super) fn sale<const N: usize>(
        &mut self,
        facts: &Facts<'_>,
        deviation_milli: Option<u64>,
        scorecards: [Option<&Scorecard>; N],
    ) -> [i32; N] {
        let Some(past) = self.past(facts) else {
            return [0; N];
        };
        let points = scorecards.map(|scorecard| {
            scorecard.map_or(0, |scorecard| {
                scorecard.of_terminal(|window_seconds, ordinary_below_milli| {
                    past.evidence(facts.timestamp, window_seconds, ordinary_below_milli)
                })
            })
        });
        past.sale(facts.transaction_id, facts.timestamp, deviation_milli);
        points
    }

    /// Takes in a dispute. One that names no terminal speaks of none.
    pub(super) fn dispute(&mut self, facts: &Facts<'_>) {
        if facts.kind == TransactionType::Chargeback
            && let Some(original) = facts.original_transaction_id
            && let Some(past) = self.past(facts)
        {
            past.dispute(original, facts.timestamp);
        }
    }

    fn past(&mut self, facts: &Facts<'_>) -> Option<&mut TerminalPast> {
        let mut hasher = Xxh3::new();
        hasher.update(facts.merchant_id.as_bytes());
        hasher.update(b"/");
        hasher.update(facts.terminal_id?.as_bytes());
        let key = hasher.digest();
        if !self.young.contains_key(&key) {
            if self.young.len() >= TERMINALS_MAX / 2 {
                self.old = std::mem::take(&mut self.young);
            }
            let known = self.old.remove(&key).unwrap_or_default();
            self.young.insert(key, known);
        }
        self.young.get_mut(&key)
    }
}

/// A score of points: those below zero are no less suspicious than zero.
pub(super) fn score_of(card_points: i32, terminal_points: i32) -> u32 {
    u32::try_from(card_points.saturating_add(terminal_points)).unwrap_or(0)
}
