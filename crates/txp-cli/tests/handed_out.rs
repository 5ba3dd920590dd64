//! What leaves the house: receipts that can be checked, webhooks that are signed, and alerts that an
//! operator does not want.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use support::merchant::Merchant;
use support::{Place, Server};

const SALES: &str = "transaction_id,amount,merchant_id,card_number\n\
    t1,12.50,m1,4111111111111111\nt2,25000.00,m1,5555555555554444\nt3,7.00,m1,4111111111111112\n";

/// From the API and from the command line the receipt is the same, holds, and no field of it can be
/// changed; with the data directory what was changed is named.
#[test]
fn a_receipt_holds_until_it_is_changed() {
    let place = Place::new();
    let server = Server::start(&place);
    let merchant = Merchant::new(&place, &server);
    let link = merchant.link();
    merchant.put(&link, SALES.as_bytes());
    let document = merchant.completed(&link);
    let (status, key) = merchant.ask("GET", "/receipt-key");
    assert_eq!((status, &key["keys"][0]["crv"]), (200, &json!("Ed25519")));
    assert_eq!(server.end(), Some(0));

    let id = link["upload_id"].as_str().unwrap();
    let (_, told) = place.json(["uploads", id]);
    assert_eq!(told["uploads"][0]["receipt"], document["receipt"]);
    let write = |name: &str, value: &Value| {
        std::fs::write(place.path().join(name), value.to_string()).unwrap()
    };
    write("key.json", &key);
    write("upload.json", &document);
    std::fs::write(place.path().join("sales.csv"), SALES).unwrap();
    let elsewhere = ["--data-dir", "nowhere", "--key", "key.json"];
    let verify = |name: &str, more: &[&str]| {
        let args = ["receipt", "verify", name]
            .into_iter()
            .chain(more.iter().copied());
        let (code, report) = place.json(args.map(str::to_owned));
        let faults = report["receipts"][0]["faults"].as_array().unwrap().clone();
        let fields = faults
            .iter()
            .map(|fault| fault["field"].as_str().unwrap().to_owned());
        (code.unwrap(), fields.collect::<Vec<_>>())
    };
    assert_eq!(verify("upload.json", &elsewhere), (0, vec![]));
    assert_eq!(verify("upload.json", &["--file", "sales.csv"]), (0, vec![]));
    assert_eq!(
        verify("upload.json", &["--file", "key.json"]).1,
        ["sha256", "bytes"]
    );

    let mut changed = document["receipt"].clone();
    changed["sums"]["USD"]["sale"] = json!("99.00");
    write("changed.json", &changed);
    assert_eq!(
        verify("changed.json", &elsewhere),
        (1, vec!["signature.value".to_owned()])
    );
    assert_eq!(verify("changed.json", &[]).1, ["sums", "signature.value"]);
    changed["counts"]["accepted"] = json!(3);
    write("changed.json", &changed);
    assert_eq!(
        verify("changed.json", &elsewhere).1,
        ["counts", "signature.value"]
    );
    assert_eq!(
        place.find_leaks([support::VISA, support::MASTERCARD]),
        Vec::<String>::new()
    );
}

/// A receiver on loopback: gives what came, request by request.
fn receiver() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, came) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let text = String::from_utf8_lossy(&seen);
                let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "));
                    length.and_then(|n| n.parse().ok()) == Some(body.len())
                });
                if whole {
                    break;
                }
                let read = connection.read(&mut buffer).unwrap();
                assert!(read > 0, "{text}");
                seen.extend_from_slice(&buffer[..read]);
            }
            connection
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .unwrap();
            if sender.send(String::from_utf8(seen).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, came)
}

fn body_of(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// A running serve tells an upload's end and an alert, each once, signed; nothing of a card.
#[test]
fn a_serve_tells_uploads_and_alerts() {
    let place = Place::new();
    let (url, came) = receiver();
    let refused = place.run(["webhooks", "add", "http://example.com/"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let (code, added) = place.json(["webhooks", "add", &url, "--allow-loopback"]);
    assert_eq!(code, Some(0), "{added}");
    assert!(added["secret"].as_str().unwrap().starts_with("whsec_"));
    let id = added["webhook_id"].as_str().unwrap();
    let server = Server::start(&place);
    let merchant = Merchant::new(&place, &server);
    let link = merchant.link();
    merchant.put(&link, SALES.as_bytes());
    merchant.completed(&link);
    let limit = std::time::Duration::from_secs(60);
    let mut told = vec![
        came.recv_timeout(limit).unwrap(),
        came.recv_timeout(limit).unwrap(),
    ];
    told.sort_by_key(|request| body_of(request)["type"].to_string());
    let [alert, upload] = &told[..] else { panic!() };
    assert_eq!(body_of(alert)["type"], "alert.finding");
    assert_eq!(body_of(alert)["data"]["alert"]["transaction_id"], "t2");
    let data = &body_of(upload)["data"];
    assert_eq!(body_of(upload)["type"], "upload.completed");
    assert_eq!(
        (&data["upload_id"], &data["rows"]),
        (&link["upload_id"], &json!(3))
    );
    assert_eq!(data["counts"]["rejected"], 1);
    for request in &told {
        assert!(request.contains("webhook-signature: v1,"), "{request}");
        for card in ["4444", "1111", "last4", "fingerprint", "visa", "mastercard"] {
            assert!(!request.contains(card), "{card} in {request}");
        }
    }
    support::wait_until("both are marked", || {
        let (_, list) = place.json(["webhooks", "list"]);
        list["webhooks"][0]["latest"].as_array().unwrap().len() == 2
    });
    support::wait_until("both are counted, and none waits", || {
        server.tells("txp_webhooks_sent_total 2") && server.tells("txp_oldest_webhook_seconds 0")
    });
    assert!(server.tells("txp_webhook_failures_total 0"));
    assert_eq!(server.end(), Some(0));
    // What was told is not told again.
    let (code, sent) = place.json(["webhooks", "send"]);
    assert_eq!((code, &sent["delivered"]), (Some(0), &json!(0)));
    let (_, rotated) = place.json(["webhooks", "rotate", id]);
    assert_ne!(rotated["secret"], added["secret"]);
    let sales = place.input("more.csv", SALES.replace("t2", "t9"));
    place.process(&sales);
    let (_, sent) = place.json(["webhooks", "send"]);
    assert_eq!(sent["delivered"], 2, "{sent}");
    let again = came.recv_timeout(limit).unwrap();
    assert_eq!(again.matches("v1,").count(), 2, "{again}");
    let (code, _) = place.json(["webhooks", "remove", id]);
    assert_eq!(code, Some(0));
    assert_eq!(place.run(["webhooks", "remove", id]).code, Some(1));
}

/// What an operator has suppressed is recorded as that and sent to nobody; another rule is.
#[test]
fn a_suppressed_alert_is_recorded_and_not_sent() {
    let place = Place::new();
    let until = "2099-01-01T00:00:00Z";
    let by = ["--by", "anna", "--reason", "a sale"];
    let suppress = [
        "alerts",
        "suppress",
        "--merchant",
        "m1",
        "--rule",
        "amount_high",
    ];
    let nothing = place.run([
        "alerts", "suppress", "--until", until, by[0], by[1], by[2], by[3],
    ]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    let past = suppress
        .into_iter()
        .chain(["--until", "2020-01-01T00:00:00Z"])
        .chain(by);
    assert_eq!(place.run(past).code, Some(2));
    let (code, _) = place.json(suppress.into_iter().chain(["--until", until]).chain(by));
    assert_eq!(code, Some(0));
    let sales = SALES.replace("t1,12.50", "t1,0.50");
    let file = place.input("sales.csv", sales);
    let (_, report) = place.process(&file);
    assert_eq!(
        (&report["findings"], &report["alerts"]),
        (&json!(2), &json!(1))
    );
    let (_, alerts) = place.json(["alerts"]);
    let delivery = |rule: &str| {
        let alerts = alerts["alerts"].as_array().unwrap().iter();
        let of_rule = alerts.filter(|alert| alert["rule"] == rule);
        of_rule
            .map(|alert| alert["delivery"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(delivery("amount_high"), ["suppressed"]);
    assert_eq!(delivery("amount_low"), ["sent"]);
    let (_, trace) = place.json(["trace", "t2"]);
    assert_eq!(trace["findings"][0]["alert"]["delivery"], "suppressed");
    let (_, list) = place.json(["alerts", "suppress", "list"]);
    assert_eq!(list["suppressions"][0]["by"], "anna");
    let end = [
        "alerts",
        "suppress",
        "remove",
        "--merchant",
        "m1",
        "--rule",
        "amount_high",
    ];
    assert_eq!(place.run(end).code, Some(0));
    assert_eq!(place.run(end).code, Some(1));
    let file = place.input("more.csv", SALES.replace("t2", "t8").replace("t1", "t9"));
    let (_, report) = place.process(&file);
    assert_eq!(report["alerts"], 1);
}

/// A storm of 10,000 findings: a handful of messages, and every finding in the table.
#[test]
fn a_storm_of_10_000_findings_is_a_handful_of_messages() {
    let place = Place::new();
    let mut sales = String::from("transaction_id,amount,merchant_id,card_number\n");
    for row in 0..10_000 {
        sales.push_str(&format!("s{row},20000.00,m1,4111111111111111\n"));
    }
    let (code, report) = place.process(&place.input("storm.csv", sales));
    assert_eq!(code, Some(0));
    assert_eq!(
        (&report["findings"], &report["alerts"]),
        (&json!(10_000), &json!(10_000))
    );
    let outbox = std::fs::read_to_string(place.data().join("alerts/outbox.jsonl")).unwrap();
    let messages = outbox.lines().count();
    assert!((2..=6).contains(&messages), "{messages} messages");
    let (_, alerts) = place.json(["alerts"]);
    assert_eq!(alerts["total"], 10_000);
    let all = alerts["alerts"].as_array().unwrap();
    let mut ids: Vec<_> = all
        .iter()
        .map(|alert| alert["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10_000);
    let told = ["sent", "sent_in_digest"];
    assert!(
        all.iter()
            .all(|alert| told.contains(&alert["delivery"].as_str().unwrap()))
    );
}
