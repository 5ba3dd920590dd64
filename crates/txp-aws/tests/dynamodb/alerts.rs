//! The alert table, and what the stage makes of it when a delivery comes again.

use crate::emulator::Emulator;
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::alerts::Alerts;
use txp_aws::dynamodb::tables;
use txp_domain::alert::{Decision, Message};
use txp_domain::rule::AlertPolicy;
use txp_pipeline::port::{AlertLedger as _, AlertSink, ErrorKind, Handed, PortError, Recorded};
use txp_pipeline::stage::alert::Alerting;
use txp_tests::conformance::alerts::{an_alert_is_recorded_then_marked, at, record};

async fn ledger(emulator: &Emulator) -> Alerts {
    let connection = Connection::new(emulator.client());
    Alerts::new(connection, emulator.table(&tables::ALERTS).await)
}

#[tokio::test]
async fn alerts_conform() {
    let emulator = Emulator::shared().await;
    an_alert_is_recorded_then_marked(&mut ledger(&emulator).await).await;
}

#[tokio::test]
async fn what_waits_is_found_by_merchant_and_rule() {
    let emulator = Emulator::shared().await;
    let mut ledger = ledger(&emulator).await;
    let alerts = [
        record(1, "m-1", Decision::Send),
        record(2, "m-1", Decision::Digest),
        record(3, "m-2", Decision::Digest),
        record(4, "m-1", Decision::RecordOnly),
        record(9, "m-1", Decision::Digest),
    ];
    ledger.record(&alerts).await.unwrap();
    let waiting = ledger.waiting("m-1", "", 10).await.unwrap();
    assert_eq!(waiting, [0, 1, 4].map(|at: usize| alerts[at].clone()));
    assert_eq!(ledger.waiting("m-1", "", 1).await.unwrap().len(), 1);
    // A digest of what was gathered until second 5: not the alert of its own, not the later one.
    let digest = Handed::Digest {
        id: "d-1".to_owned(),
        merchant_id: "m-1".to_owned(),
        rule: String::new(),
        count: 1,
    };
    ledger.mark(&[digest], at(5)).await.unwrap();
    let waiting = ledger.waiting("m-1", "", 10).await.unwrap();
    assert_eq!(waiting, [0, 4].map(|at: usize| alerts[at].clone()));
    assert_eq!(ledger.waiting("m-2", "", 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_alert_recorded_again_stays_as_it_is() {
    let emulator = Emulator::shared().await;
    let mut ledger = ledger(&emulator).await;
    let first = record(1, "m-1", Decision::Send);
    let mut again = first.clone();
    again.decided_at = at(99);
    ledger.record(std::slice::from_ref(&first)).await.unwrap();
    ledger.record(&[again]).await.unwrap();
    let id = first.flagged.id();
    let known = ledger.look_up(id, &first.position).await.unwrap();
    assert_eq!(known, Recorded::Waiting(Box::new(first.clone())));
}

/// A sink that is out of order at first.
#[derive(Default)]
struct Sink {
    is_broken: bool,
    sent: u32,
}

impl AlertSink for Sink {
    async fn send(&mut self, _: &Message) -> Result<(), PortError> {
        if self.is_broken {
            return Err(PortError::new(ErrorKind::Transient, "not now"));
        }
        self.sent += 1;
        Ok(())
    }
}

/// Invariant 5 on a table: recorded, not handed on, delivered again to another process: handed on
/// then, and once.
#[tokio::test]
async fn an_alert_that_a_crash_left_waiting_is_handed_on_by_the_redelivery() {
    let emulator = Emulator::shared().await;
    let mut ledger = ledger(&emulator).await;
    let alert = record(1, "m-1", Decision::Send);
    let policy = AlertPolicy {
        alert_max_age_seconds: u32::MAX,
        ..AlertPolicy::default()
    };
    let mut sink = Sink {
        is_broken: true,
        ..Sink::default()
    };
    for (is_broken, sent) in [(true, 0), (false, 1), (false, 1)] {
        sink.is_broken = is_broken;
        let findings = vec![(alert.position.clone(), alert.flagged.clone())];
        let handled = Alerting::default()
            .handle(&mut ledger, &mut sink, &policy, findings, at(2))
            .await;
        assert_eq!(handled.is_err(), is_broken);
        assert_eq!(sink.sent, sent);
    }
}
