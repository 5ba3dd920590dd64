//! The port of the alert table.

use super::{NOW, position};
use txp_domain::alert::Decision;
use txp_domain::event::AnomalyFlagged;
use txp_domain::position::{Position, Sequence};
use txp_domain::time::Timestamp;
use txp_pipeline::port::{AlertLedger, AlertRecord, Handed, Recorded};

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
