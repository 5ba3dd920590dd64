//! The port of the alert table.

use super::{NOW, position};
use txp_domain::alert::{Decision, Message};
use txp_domain::event::AnomalyFlagged;
use txp_domain::position::{Position, Sequence};
use txp_domain::rule::AlertPolicy;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{
    AlertLedger, AlertRecord, AlertSink, ErrorKind, Handed, PortError, Recorded,
};
use txp_pipeline::stage::alert::{Alerting, CooldownStore};

/// A finding of a rule about a merchant, recorded with this decision.
#[must_use]
pub fn record(number: u64, merchant_id: &str, decision: Decision) -> AlertRecord {
    let finding = serde_json::json!({
        "id": format!("bbbbbbbbbbbbbbbbbbbbbbbb:{number}:default:1"),
        "event_id": format!("bbbbbbbbbbbbbbbbbbbbbbbb:{number}"),
        "rule_set": "default",
        "facts_revision": 1,
        "transaction_id": "t",
        "merchant_id": merchant_id,
        "card": { "fingerprint": "b".repeat(32), "last4": "1111", "brand": "visa" },
        "score": 500,
        "severity": "high",
        "hits": [],
        "inputs": {
            "type": "sale",
            "amount": "1.00",
            "currency": "USD",
            "event_time": "2025-01-01T00:00:00Z",
        },
    });
    AlertRecord {
        flagged: AnomalyFlagged {
            finding: serde_json::from_value(finding).unwrap(),
            time: NOW,
        },
        decision,
        decided_at: at(number),
        // The embedded ledger goes by the one counter of its directory.
        position: Position {
            sequence: Sequence::from(number),
            subsequence: 0,
            ..position(7, number)
        },
    }
}

/// Seconds after [`NOW`].
#[must_use]
pub fn at(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 + i64::try_from(seconds).unwrap() * 1_000_000_000)
}

async fn look_up(ledger: &mut impl AlertLedger, record: &AlertRecord) -> Recorded {
    let known = ledger.look_up(record.flagged.id(), &record.position).await;
    known.unwrap()
}

/// An alert is unknown until it is recorded. Before it is marked, whoever is told that it waits is
/// told it whole; after, nobody is to hand it on.
pub async fn an_alert_is_recorded_then_marked(ledger: &mut impl AlertLedger) {
    let alerts = [
        record(1, "m-1", Decision::Send),
        record(2, "m-1", Decision::Digest),
        record(3, "m-1", Decision::RecordOnly),
        record(4, "m-2", Decision::Digest),
    ];
    for alert in &alerts {
        assert_eq!(look_up(ledger, alert).await, Recorded::No);
    }
    ledger.record(&alerts).await.unwrap();
    for alert in &alerts {
        match look_up(ledger, alert).await {
            Recorded::No => panic!("{} is not recorded", alert.flagged.id()),
            Recorded::Waiting(waiting) => {
                assert_eq!(*waiting, *alert);
                assert_ne!(alert.decision, Decision::RecordOnly);
            }
            Recorded::Yes => {}
        }
    }
    let [sent, gathered, ..] = &alerts;
    let handed = [
        Handed::Alert {
            id: sent.flagged.id().to_owned(),
        },
        Handed::Digest {
            id: "digest".to_owned(),
            merchant_id: "m-1".to_owned(),
            rule: String::new(),
            count: 1,
            alerts: vec![gathered.flagged.id().to_owned()],
        },
    ];
    ledger.mark(&handed, at(60)).await.unwrap();
    ledger.mark(&handed, at(61)).await.unwrap();
    for alert in [sent, gathered] {
        assert_eq!(look_up(ledger, alert).await, Recorded::Yes);
    }
    ledger.record(&[]).await.unwrap();
    ledger.mark(&[], at(62)).await.unwrap();
}

/// How long the cooldowns of these tests are, in seconds.
pub const COOLDOWN_SECONDS: u32 = 60;

/// A policy under which no finding of [`record`] is too old.
pub const POLICY: AlertPolicy = AlertPolicy {
    alert_max_age_seconds: u32::MAX,
    cooldown_seconds: COOLDOWN_SECONDS,
    critical_score: 950,
};

/// A sink that remembers what it was told, and that may be out of order.
#[derive(Debug, Default)]
pub struct Told {
    /// The messages.
    pub messages: Vec<Message>,
    /// Whether it takes nothing.
    pub is_broken: bool,
}

impl Told {
    /// The ids of the messages since the last look.
    pub fn take(&mut self) -> Vec<String> {
        let messages = std::mem::take(&mut self.messages);
        messages.into_iter().map(|message| message.id).collect()
    }
}

impl AlertSink for Told {
    async fn send(&mut self, message: &Message) -> Result<(), PortError> {
        if self.is_broken {
            return Err(PortError::new(ErrorKind::Transient, "not now"));
        }
        self.messages.push(message.clone());
        Ok(())
    }
}

/// Findings as they come from the history: those of these numbers, about one merchant.
pub fn findings(
    numbers: impl IntoIterator<Item = u64>,
    merchant_id: &str,
) -> Vec<(Position, AnomalyFlagged)> {
    let records = numbers
        .into_iter()
        .map(|number| record(number, merchant_id, Decision::Send));
    records
        .map(|record| (record.position, record.flagged))
        .collect()
}

/// The id of the alert of a finding.
#[must_use]
pub fn id(number: u64) -> String {
    record(number, "", Decision::Send).flagged.id().to_owned()
}

/// The first finding is told by itself, the others by one digest a cooldown while the storm lasts;
/// after it, the next is told by itself again. What was recorded before is told nothing of.
pub async fn a_storm_is_told_by_digests<C: CooldownStore>(
    ledger: &mut impl AlertLedger,
    cooldowns: C,
) {
    let mut told = Told::default();
    let mut alerting = Alerting::new(cooldowns);
    let storm = findings(101..=105, "storm");
    for _ in 0..2 {
        let handled = alerting.handle(ledger, &mut told, &POLICY, storm.clone(), at(0));
        handled.await.unwrap();
    }
    assert_eq!(told.take(), [id(101)]);
    let other = findings([106], "calm");
    let handled = alerting.handle(ledger, &mut told, &POLICY, other, at(1));
    handled.await.unwrap();
    assert_eq!(told.take(), [id(106)]);
    for (second, expected) in [(59, None), (60, Some(4)), (61, None)] {
        let ticked = alerting.tick(ledger, &mut told, &POLICY, at(second)).await;
        ticked.unwrap();
        let counts: Vec<_> = told.messages.iter().map(|message| &*message.body).collect();
        match expected {
            None => assert!(counts.is_empty(), "at {second}"),
            Some(count) => {
                assert!(counts[0].starts_with(&format!("{count} more findings by ")));
                assert_eq!(told.take(), [format!("{}:digest", id(102))]);
            }
        }
    }
    // The window was opened again: the storm goes on.
    let more = findings([107], "storm");
    let handled = alerting.handle(ledger, &mut told, &POLICY, more, at(70));
    handled.await.unwrap();
    assert_eq!(told.take(), [""; 0]);
    alerting
        .tick(ledger, &mut told, &POLICY, at(120))
        .await
        .unwrap();
    assert_eq!(told.take(), [format!("{}:digest", id(107))]);
    // Nothing came since: the window is put away.
    alerting
        .tick(ledger, &mut told, &POLICY, at(180))
        .await
        .unwrap();
    let later = findings([108], "storm");
    let handled = alerting.handle(ledger, &mut told, &POLICY, later, at(181));
    handled.await.unwrap();
    assert_eq!(told.take(), [id(108)]);
    assert_eq!(alerting.handed().findings, 8);
    assert_eq!(alerting.handed().messages, 5);
}

/// A finding on an old event time is recorded, and nobody is told.
pub async fn an_old_finding_is_recorded_only<C: CooldownStore>(
    ledger: &mut impl AlertLedger,
    cooldowns: C,
) {
    let policy = AlertPolicy {
        alert_max_age_seconds: 60,
        ..POLICY
    };
    let (mut alerting, mut told) = (Alerting::new(cooldowns), Told::default());
    let old = findings([201], "old");
    // Seconds from [`NOW`] until two years after the event.
    let years_later = at(100_000_000);
    let handled = alerting.handle(ledger, &mut told, &policy, old.clone(), years_later);
    handled.await.unwrap();
    assert_eq!(told.take(), [""; 0]);
    for (position, flagged) in old {
        let known = ledger.look_up(flagged.id(), &position).await.unwrap();
        assert_eq!(known, Recorded::Yes);
    }
}
