//! The default rules, naively: the whole list of a card's sales, walked for every question.

use super::{Content, Event};
use std::collections::{BTreeMap, HashMap};

/// The rules whose verdict depends on the order in which a card's sales are judged.
pub const NAMES_NEEDING_ORDER: [&str; 2] = ["card_velocity", "amount_deviation"];

/// The version of the default rules, a part of each finding's id.
const RULE_SET: &str = "default-1";
const VELOCITY_COUNT: usize = 5;
const VELOCITY_SECONDS: u64 = 600;
/// A window looks at so many sales judged before.
const LOOKED_BACK_AT: usize = 32;
const DEVIATION_TIMES: u128 = 10;
const DEVIATION_AFTER: usize = 10;

/// Above what an amount is high and below what it is low, in minor units; the currencies that the
/// workload uses. One that is not named here is not judged by amount.
const AMOUNTS: [(&str, u64, u64); 3] = [
    ("USD", 1_000_000, 100),
    ("EUR", 900_000, 90),
    ("JPY", 1_500_000, 150),
];

/// A rule that hits, and what it counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedHit {
    /// The rule.
    pub rule: &'static str,
    /// Earlier sales that it counted: in the window, or in all.
    pub counted: Option<u64>,
}

/// A finding that must be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedFinding {
    /// The event first accepted.
    pub event: Event,
    /// The revision of the facts that was judged.
    pub facts_revision: u32,
    /// The rules that hit, in the order of the rule file.
    pub hits: Vec<ExpectedHit>,
}

impl ExpectedFinding {
    /// The id of its event.
    #[must_use]
    pub fn id(&self) -> String {
        let (upload, record) = &self.event;
        format!("{upload}:{record}:{RULE_SET}:{}", self.facts_revision)
    }
}

#[derive(Clone, Debug)]
struct Sale {
    seconds: u64,
    amount: u64,
}

/// Every sale of every card.
#[derive(Debug, Default)]
pub(super) struct Detector {
    sales: HashMap<(u8, String, &'static str), Vec<Sale>>,
}

impl Detector {
    pub(super) fn first_accepted(
        &mut self,
        event: &Event,
        content: &Content,
    ) -> Option<ExpectedFinding> {
        // Sales only; the default rules see nothing else when it is first accepted.
        if content.kind != "sale" {
            return None;
        }
        let key = (
            content.fingerprint_key,
            content.card.clone(),
            content.currency,
        );
        let earlier = self.sales.entry(key).or_default();
        let hits = hits(earlier, content);
        earlier.push(Sale {
            seconds: content.event_seconds(),
            amount: content.amount,
        });
        (!hits.is_empty()).then(|| ExpectedFinding {
            event: event.clone(),
            facts_revision: 1,
            hits,
        })
    }

    pub(super) fn conflict(first: &Event, facts_revision: u32) -> ExpectedFinding {
        ExpectedFinding {
            event: first.clone(),
            facts_revision,
            hits: vec![ExpectedHit {
                rule: "conflicting_resubmission",
                counted: None,
            }],
        }
    }

    pub(super) fn sums(&self) -> BTreeMap<(u8, String, &'static str), (u64, u128)> {
        let sums = self.sales.iter().map(|(key, sales)| {
            let sum = sales.iter().map(|sale| u128::from(sale.amount)).sum();
            (key.clone(), (sales.len() as u64, sum))
        });
        sums.collect()
    }
}

fn hits(earlier: &[Sale], sale: &Content) -> Vec<ExpectedHit> {
    let mut hits = Vec::new();
    let mut hit = |rule, counted| hits.push(ExpectedHit { rule, counted });
    let amounts = AMOUNTS.iter().find(|(code, ..)| *code == sale.currency);
    if let Some((_, high, low)) = amounts {
        if sale.amount > *high {
            hit("amount_high", None);
        }
        if sale.amount < *low {
            hit("amount_low", None);
        }
    }
    let end = sale.event_seconds();
    let start = end.saturating_sub(VELOCITY_SECONDS);
    let in_window = earlier
        .iter()
        .rev()
        .take(LOOKED_BACK_AT)
        .filter(|other| start <= other.seconds && other.seconds <= end)
        .count();
    if in_window >= VELOCITY_COUNT {
        hit("card_velocity", Some(in_window as u64));
    }
    let sum: u128 = earlier.iter().map(|other| u128::from(other.amount)).sum();
    let is_far = u128::from(sale.amount) * earlier.len() as u128 > DEVIATION_TIMES * sum;
    if earlier.len() >= DEVIATION_AFTER && is_far {
        hit("amount_deviation", Some(earlier.len() as u64));
    }
    hits
}
