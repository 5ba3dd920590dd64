//! `txp rules shadow`: rules that are tried beside those that judge. What they find is in the history
//! and nowhere else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use serde_json::Value;
use std::fs;
use support::merchant::Merchant;
use support::{Place, Server, wait_until};

/// Above it the rules that are tried find something, in the currency's smallest unit.
const TRIED_ABOVE: u64 = 50_000;
/// As amounts, with what the default rules say of each: nothing, nothing, high.
const AMOUNTS: [&str; 3] = ["12.00", "900.00", "20000.00"];

/// A file with one sale of each amount, by a card each. Ids begin with `name`.
fn sales(place: &Place, name: &str) -> std::path::PathBuf {
    let cards = ["4242424242424242", "5555555555554444", "378282246310005"];
    let mut text = "transaction_id,amount,merchant_id,card_number\n".to_owned();
    for (at, (amount, card)) in AMOUNTS.iter().zip(cards).enumerate() {
        text.push_str(&format!("{name}-{at},{amount},m-1,{card}\n"));
    }
    place.input(&format!("{name}.csv"), text)
}

fn rule_file(place: &Place, version: &str, high: u64) -> String {
    let file = serde_json::json!({
        "version": version,
        "rules": [{ "id": "high", "kind": "amount_high", "thresholds": { "USD": high } }],
    });
    let path = place.input(&format!("{version}.json"), file.to_string());
    path.to_str().unwrap().to_owned()
}

fn ids(place: &Place, kind: &str) -> Vec<String> {
    let events = place.run(["events", "--type", kind]);
    assert_eq!(events.code, Some(0), "{events:?}");
    let event = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let transaction = |event: Value| {
        let id = event["data"]["transaction_id"].as_str().unwrap().to_owned();
        assert_eq!(event["id"], event["data"]["id"]);
        id
    };
    events.stdout.lines().map(event).map(transaction).collect()
}

fn parity(place: &Place) -> Value {
    let (code, report) = place.json(["backtest", "--parity"]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["parity"]["differences"], 0, "{report}");
    report["parity"].clone()
}

#[test]
fn what_is_tried_finds_for_the_history_alone() {
    let place = Place::new();
    assert_eq!(place.process(&sales(&place, "a")).0, Some(0));
    let (_, before) = place.json(["status", "a-1"]);
    let tried = rule_file(&place, "tried-1", TRIED_ABOVE);
    let (code, told) = place.json(["rules", "shadow", &tried, "--by", "Ada"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(told["shadow"]["version"], "tried-1");
    assert_eq!(told["shadow"]["shadowed_by"], "Ada");
    assert_eq!(place.process(&sales(&place, "b")).0, Some(0));

    // Recorded, with the rules that judge untouched.
    assert_eq!(ids(&place, "anomaly.shadowed"), ["b-1", "b-2"]);
    assert_eq!(ids(&place, "anomaly.flagged"), ["a-2", "b-2"]);
    let (_, alerts) = place.json(["alerts"]);
    assert_eq!(alerts["alerts"].as_array().unwrap().len(), 2, "{alerts}");
    assert!(!alerts.to_string().contains("tried-1"));

    // What merchants see is what they saw of the like before.
    let shown = |mut document: Value| {
        let document = document.as_object_mut().unwrap();
        for (key, value) in document.iter_mut() {
            assert!(!value.to_string().contains("tried-1"), "{key}");
        }
        let parts = ["status", "flags", "revision", "facts_revision", "amount"];
        let parts: Vec<_> = parts.map(|key| document[key].clone()).into();
        (parts, document["history"].as_array().unwrap().len())
    };
    let (_, status) = place.json(["status", "b-1"]);
    assert_eq!(status["status"], "validated");
    assert_eq!(shown(status), shown(before));
    let (code, verified) = place.json(["verify", "--against", "local:data"]);
    assert_eq!(
        (code, &verified["drift"]),
        (Some(0), &0.into()),
        "{verified}"
    );

    // It ends, and begins again, across restarts; judged again all is as recorded.
    let (code, told) = place.json(["rules", "shadow", "--off", "--by", "Grace"]);
    assert_eq!((code, &told["shadow"]), (Some(0), &Value::Null), "{told}");
    assert_eq!(place.process(&sales(&place, "c")).0, Some(0));
    let other = rule_file(&place, "tried-2", 1);
    assert_eq!(place.run(["rules", "shadow", &other]).code, Some(0));
    assert_eq!(place.process(&sales(&place, "d")).0, Some(0));
    let found = ["b-1", "b-2", "d-0", "d-1", "d-2"];
    assert_eq!(ids(&place, "anomaly.shadowed"), found);
    let parity = parity(&place);
    assert_eq!(parity["shadow_recorded"], 5);
    assert_eq!(parity["shadow_found"], 5);
    assert_eq!(
        (&parity["recorded"], &parity["found"]),
        (&4.into(), &4.into())
    );

    the_log_tells_who_tried_what(&place);
    a_trace_tells_of_it_where_the_log_is_searched(&place);
}

fn the_log_tells_who_tried_what(place: &Place) {
    let (_, log) = place.json(["rules", "log"]);
    let shadows = log["shadows"].as_array().unwrap().iter();
    let shadows: Vec<_> = shadows
        .map(|s| {
            let version = s["version"].as_str().unwrap();
            (version, s["ended"] == true, s["active"] == true)
        })
        .collect();
    assert_eq!(
        shadows,
        [
            ("tried-1", false, false),
            ("tried-1", true, false),
            ("tried-2", false, true)
        ]
    );
    assert_eq!(log["activations"].as_array().unwrap().len(), 1);
    let log = place.run(["rules", "log"]).stdout;
    assert!(log.contains("tried-2  tried beside, now"), "{log}");
    let now = place.run(["rules", "shadow"]).stdout;
    assert!(now.starts_with("tried-2 is tried: from event"), "{now}");
}

fn a_trace_tells_of_it_where_the_log_is_searched(place: &Place) {
    let (_, trace) = place.json(["trace", "b-1", "--scan"]);
    assert_eq!(trace["findings"], serde_json::json!([]));
    let shadow = &trace["shadow_findings"][0];
    assert_eq!(shadow["rule_set"]["version"], "tried-1");
    assert_eq!(shadow["rule_set"]["activated_by"], "Ada");
    assert_eq!(shadow["alert"], Value::Null);
    let unsearched = place.run(["trace", "b-1"]).stdout;
    assert!(unsearched.contains("--scan searches the log for what they found"));
    assert!(!unsearched.contains("tried-1"));
}

/// A replay folds such a history into the same state, and an export knows the findings.
#[test]
fn a_history_with_findings_of_rules_that_are_tried_is_replayed_and_exported() {
    let place = Place::new();
    let tried = rule_file(&place, "tried-1", TRIED_ABOVE);
    assert_eq!(place.run(["rules", "shadow", &tried]).code, Some(0));
    assert_eq!(place.process(&sales(&place, "a")).0, Some(0));
    let source = format!("local:{}", place.data().display());
    let target = place.data().with_file_name("replayed");
    let into = format!("local:{}", target.display());
    let (code, report) = place.json(["replay", "--source", &source, "--into", &into]);
    assert_eq!(code, Some(0), "{report}");
    let (code, verified) = place.json(["verify", "--source", &source, "--against", &into]);
    assert_eq!(
        (code, &verified["drift"]),
        (Some(0), &0.into()),
        "{verified}"
    );
    let events = place.run(["events", "--format", "csv", "--type", "anomaly.shadowed"]);
    let lines: Vec<_> = events.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{events:?}");
    assert!(lines[1].contains(",tried-1,high,"), "{events:?}");
}

#[test]
fn rules_that_begin_to_judge_are_not_tried_any_more() {
    let place = Place::new();
    let tried = rule_file(&place, "tried-1", TRIED_ABOVE);
    assert_eq!(place.run(["rules", "shadow", &tried]).code, Some(0));
    // A version names one set of rules, tried or not.
    let same_name = place.input(
        "same-name.json",
        fs::read_to_string(&tried)
            .unwrap()
            .replace("50000", "60000"),
    );
    for what in ["shadow", "activate"] {
        let refused = place.run(["rules", what, same_name.to_str().unwrap()]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(
            refused.stderr.contains("a version of its own"),
            "{refused:?}"
        );
    }
    assert_eq!(place.run(["rules", "activate", &tried]).code, Some(0));
    let (_, told) = place.json(["rules", "shadow"]);
    assert_eq!(told["shadow"], Value::Null);
    let refused = place.run(["rules", "shadow", &tried]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("judge already"), "{refused:?}");
    // To end what is not there changes nothing.
    let (code, _) = place.json(["rules", "shadow", "--off"]);
    assert_eq!(code, Some(0));
    assert_eq!(place.process(&sales(&place, "a")).0, Some(0));
    assert_eq!(ids(&place, "anomaly.shadowed"), [""; 0]);
    assert_eq!(ids(&place, "anomaly.flagged"), ["a-1", "a-2"]);
    let (_, log) = place.json(["rules", "log"]);
    assert_eq!(log["shadows"].as_array().unwrap().len(), 2);
    parity(&place);
    let wrong = place.run(["rules", "shadow", &tried, "--off"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[test]
fn a_running_serve_takes_up_what_is_to_be_tried() {
    let place = Place::new();
    let server = Server::start(&place);
    let tried = rule_file(&place, "tried-1", TRIED_ABOVE);
    let (code, told) = place.json(["rules", "shadow", &tried]);
    assert_eq!((code, &told["shadow"]["change"]), (Some(0), &1.into()));
    let merchant = Merchant::new(&place, &server);
    let link = merchant.link();
    let file = fs::read_to_string(sales(&place, "a")).unwrap();
    merchant.put(&link, file.replace("m-1", Merchant::ID).as_bytes());
    merchant.completed(&link);
    wait_until("what they found is counted", || {
        server.tells("txp_shadow_findings_total{rule=\"high\"} 2")
    });
    let (code, told) = place.json(["rules", "shadow", "--off"]);
    assert_eq!((code, &told["shadow"]), (Some(0), &Value::Null), "{told}");
    let control = place.data().join("control/rules");
    wait_until("nothing asked for is left", || {
        fs::read_dir(&control).unwrap().next().is_none()
    });
    assert_eq!(server.end(), Some(0));
    let (_, log) = place.json(["rules", "log"]);
    assert_eq!(log["shadows"].as_array().unwrap().len(), 2);
}
