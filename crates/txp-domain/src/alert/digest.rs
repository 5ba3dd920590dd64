//! What a storm of findings of one merchant and rule comes down to.

use super::Notice;
use crate::finding::Total;
use crate::money::Currency;
use crate::rule::Severity;
use crate::time::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// How many findings a digest names.
pub const DIGEST_TOP_MAX: usize = 5;

/// The findings of one merchant and rule in one cooldown: counted, summed, the gravest named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// `{id of its first finding}:digest`.
    pub id: String,
    /// The merchant's id.
    pub merchant_id: String,
    /// The rule's id.
    pub rule: String,
    /// The gravest finding's severity.
    pub severity: Severity,
    /// When the cooldown began.
    pub since: Timestamp,
    /// How many findings it stands for.
    pub count: u64,
    /// Their amounts by currency.
    #[serde(serialize_with = "totals")]
    pub sums: BTreeMap<Currency, u128>,
    /// The first finding.
    pub first: Mark,
    /// The last one.
    pub last: Mark,
    /// The findings with the highest scores, at most [`DIGEST_TOP_MAX`]; of equals the earlier.
    pub top: Vec<Notice>,
}

/// One finding in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The finding's id.
    pub id: String,
    /// When it was decided.
    pub at: Timestamp,
}

impl Digest {
    /// An empty digest for findings like this one, which is to be its first.
    #[must_use]
    pub fn new(notice: &Notice, since: Timestamp) -> Self {
        let mark = Mark {
            id: notice.id.clone(),
            at: since,
        };
        Self {
            id: format!("{}:digest", notice.id),
            merchant_id: notice.merchant_id.clone(),
            rule: notice.rule.clone(),
            severity: notice.severity,
            since,
            count: 0,
            sums: BTreeMap::new(),
            first: mark.clone(),
            last: mark,
            top: Vec::new(),
        }
    }

    /// Takes up a finding.
    pub fn add(&mut self, notice: &Notice, at: Timestamp) {
        if self.count == 0 {
            self.first.at = at;
        }
        self.count = self.count.saturating_add(1);
        self.severity = self.severity.max(notice.severity);
        let sum = self.sums.entry(notice.money.currency).or_default();
        *sum = sum.saturating_add(u128::from(notice.money.amount.0));
        self.last = Mark {
            id: notice.id.clone(),
            at,
        };
        let place = self
            .top
            .partition_point(|other| other.score >= notice.score);
        if place < DIGEST_TOP_MAX {
            self.top.insert(place, notice.clone());
            self.top.truncate(DIGEST_TOP_MAX);
        }
    }

    /// The sums as totals, by currency.
    pub fn totals(&self) -> impl Iterator<Item = Total> {
        self.sums.iter().map(|(currency, minor)| Total {
            minor: *minor,
            currency: *currency,
        })
    }
}

fn totals<S: Serializer>(
    sums: &BTreeMap<Currency, u128>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(sums.iter().map(|(currency, minor)| Total {
        minor: *minor,
        currency: *currency,
    }))
}
