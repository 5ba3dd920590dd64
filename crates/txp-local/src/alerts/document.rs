//! An alert as the command line and the operator's page show it.

use super::line::{AlertEntry, Delivery};
use serde::Serialize;
use txp_domain::alert::Notice;
use txp_domain::card::{Brand, Last4};
use txp_domain::finding::{Hit, Money, Numbers};
use txp_domain::rule::Severity;
use txp_domain::time::Timestamp;
use txp_pipeline::document::PositionDocument;

/// One alert: what was found, by which numbers, in words, and what became of the message.
#[derive(Clone, Debug, Serialize)]
pub struct AlertDocument {
    /// The finding's id.
    pub id: String,
    /// The transaction's id.
    pub transaction_id: String,
    /// The merchant's id.
    pub merchant_id: String,
    /// The rule of the leading hit.
    pub rule: String,
    /// The finding's severity.
    pub severity: Severity,
    /// 500 where a rule just hits, up to 1000.
    pub score: u16,
    /// The transaction's amount.
    #[serde(flatten)]
    pub money: Money,
    /// The end of the card number.
    pub card_last4: Last4,
    /// The card's brand.
    pub brand: Brand,
    /// The leading hit in words.
    pub words: String,
    /// Every rule that hit.
    pub hits: Vec<HitDocument>,
    /// Version of the rule set that judged.
    pub rule_set: String,
    /// Event time of the row that caused it.
    pub event_time: Timestamp,
    /// What became of it.
    pub delivery: Delivery,
    /// When that was decided.
    pub decided_at: Timestamp,
    /// Where its event stands.
    pub position: PositionDocument,
}

/// One rule's hit, with the numbers that it compared.
#[derive(Clone, Debug, Serialize)]
pub struct HitDocument {
    /// The rule's id.
    pub rule: String,
    /// The rule's severity.
    pub severity: Severity,
    /// What it found, in words.
    pub words: String,
    /// The numbers.
    pub numbers: Numbers,
}

impl From<&Hit> for HitDocument {
    fn from(hit: &Hit) -> Self {
        Self {
            rule: hit.rule.clone(),
            severity: hit.severity,
            words: hit.words.clone(),
            numbers: hit.numbers,
        }
    }
}

impl From<&AlertEntry> for AlertDocument {
    fn from(entry: &AlertEntry) -> Self {
        let finding = &entry.record.flagged.finding;
        let notice = Notice::of(finding);
        Self {
            id: notice.id,
            transaction_id: notice.transaction_id,
            merchant_id: notice.merchant_id,
            rule: notice.rule,
            severity: notice.severity,
            score: notice.score,
            money: notice.money,
            card_last4: finding.card.last4,
            brand: finding.card.brand,
            words: notice.words,
            hits: finding.hits.iter().map(HitDocument::from).collect(),
            rule_set: finding.rule_set.clone(),
            event_time: notice.event_time,
            delivery: entry.delivery,
            decided_at: entry.record.decided_at,
            position: PositionDocument::from(&entry.record.position),
        }
    }
}
