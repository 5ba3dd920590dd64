//! What nobody is to be told for a while, in the table of alerts: changed by several, looked at by the
//! functions, and never a reason not to tell when it cannot be read.

use aws_sdk_dynamodb::types::AttributeValue;
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::alerts::{Alerts, SharedCooldowns, SharedSuppressions};
use txp_aws::dynamodb::tables;
use txp_domain::alert::{Suppression, TooManySuppressions};
use txp_emulator::Emulator;
use txp_pipeline::port::ErrorKind;
use txp_pipeline::stage::alert::Alerting;
use txp_tests::conformance::alerts::{POLICY, Told, at, findings};

fn suppression(merchant: &str, until: u64) -> Suppression {
    Suppression {
        merchant_id: Some(merchant.to_owned()),
        rule: None,
        since: at(0),
        until: at(until),
        by: "on call".to_owned(),
        reason: "known".to_owned(),
    }
}

#[tokio::test]
async fn several_change_the_list_and_none_is_lost() {
    let emulator = Emulator::shared().await;
    let table = emulator.table(&tables::ALERTS).await;
    let alerts = Alerts::new(Connection::new(emulator.dynamodb()), table);
    let store = SharedSuppressions::new(alerts);
    assert_eq!(store.read().await.unwrap().suppressions, []);
    let add = async |merchant: String| {
        let new = suppression(&merchant, 60);
        let added = store.change(at(0), |list| list.add(new.clone(), at(0)));
        added.await.unwrap().unwrap();
    };
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| add(name.to_owned()));
    tokio::join!(a, b, c, d);
    let list = store.read().await.unwrap();
    let mut merchants: Vec<_> = list
        .suppressions
        .iter()
        .filter_map(|known| known.merchant_id.as_deref())
        .collect();
    merchants.sort_unstable();
    assert_eq!(merchants, ["a", "b", "c", "d"]);
    let ended = store.change(at(5), |list| Ok(list.end(Some("b"), None, at(5))));
    assert_eq!(ended.await.unwrap(), Ok(1));
    let refused = store.change(at(5), |_| Err::<(), _>(TooManySuppressions));
    assert_eq!(refused.await.unwrap(), Err(TooManySuppressions));
}

/// A process goes by a list that it looked at a minute ago at most. What is suppressed is recorded and
/// sent to nobody; a list that is damaged suppresses nothing.
#[tokio::test]
async fn alerts_that_are_suppressed_are_recorded_and_not_sent() {
    let emulator = Emulator::shared().await;
    let table = emulator.table(&tables::ALERTS).await;
    let alerts = Alerts::new(Connection::new(emulator.dynamodb()), &*table);
    let store = SharedSuppressions::new(alerts.clone());
    let mut process = SharedSuppressions::new(alerts.clone());
    assert_eq!(process.by_now(at(0)).await, []);
    let new = suppression("m-1", 600);
    let added = store.change(at(1), |list| list.add(new.clone(), at(1)));
    added.await.unwrap().unwrap();
    assert_eq!(process.by_now(at(59)).await, []);
    assert_eq!(process.by_now(at(61)).await, [new]);

    let (mut ledger, mut told) = (alerts.clone(), Told::default());
    let mut stage = Alerting::new(SharedCooldowns::new(alerts.clone()));
    stage.suppress(process.by_now(at(62)).await.to_vec());
    let mut found = findings([1], "m-1");
    found.extend(findings([2], "m-2"));
    let handled = stage.handle(&mut ledger, &mut told, &POLICY, found, at(62));
    handled.await.unwrap();
    let sent: Vec<_> = told.messages.iter().map(|m| &*m.merchant_id).collect();
    assert_eq!(sent, ["m-2"]);
    // Recorded, and nobody is to hand it on.
    assert_eq!(alerts.unsent(at(999), 10).await.unwrap(), []);

    let text = |text: &str| AttributeValue::S(text.to_owned());
    let damage = emulator
        .dynamodb()
        .update_item()
        .table_name(&table)
        .key("alert_id", text("suppressions"))
        .update_expression("SET #list = :damage")
        .expression_attribute_names("#list", "list")
        .expression_attribute_values(":damage", text("{"));
    damage.send().await.unwrap();
    assert_eq!(store.read().await.unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(process.by_now(at(200)).await, []);
}
