//! What clients are told, each of its own.

use crate::stack::{Stack, agent, send, text};
use serde_json::json;
use txp_aws::s3::key;
use txp_domain::transaction::Transaction;
use txp_pipeline::port::{TransactionStore as _, UploadStore as _, Written};
use txp_tests::conformance::uploads::{CLIENT, parsed, received};
use txp_tests::conformance::{position, sale, upload_id, valid};

const REPORT: &str = "transaction_id,amount,reject_line,reject_record,reject_codes,reject_reasons\n\
    t-9,-3,4,3,amount_negative,amount: it is negative\n";

#[tokio::test]
async fn an_upload_and_its_rejects_are_its_clients() {
    let mut stack = Stack::start().await;
    stack.client(CLIENT, &["m-1"]).await;
    stack.client("other", &["m-1"]).await;
    let id = upload_id(1);
    let uploads = &mut stack.world.uploads;
    uploads.apply(&received(id), 1_000).await.unwrap();
    let path = format!("/uploads/{id}");
    let (_, body) = stack.get(CLIENT, &path).await;
    assert_eq!(body["state"], "processing");
    assert_eq!(stack.get(CLIENT, &format!("{path}/rejects")).await.0, 404);
    let report = stack
        .emulator
        .s3()
        .put_object()
        .bucket(&stack.names.reports);
    let report = report
        .key(key::of_rejects(id))
        .body(REPORT.as_bytes().to_vec().into());
    report.send().await.unwrap();
    let uploads = &mut stack.world.uploads;
    uploads.apply(&parsed(id, &[(3, 5)]), 2_000).await.unwrap();
    let (status, body) = stack.get(CLIENT, &path).await;
    assert_eq!((status, &body["state"]), (200, &json!("parsed")));
    assert_eq!(body["errors"][0]["codes"], json!(["amount_negative"]));
    let at = format!("{path}/rejects");
    let rejects = send(&mut stack.world, CLIENT, "GET", &at, json!({})).await;
    assert_eq!(rejects.status_code, 303);
    for url in [
        rejects.headers["location"].as_str(),
        body["rejects_url"].as_str().unwrap(),
    ] {
        let response = agent().get(url).call().unwrap();
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        let disposition = format!("attachment; filename=\"{id}.rejects.csv\"");
        assert_eq!(headers["content-disposition"], disposition.as_str());
        assert_eq!(headers["content-type"], "text/csv; charset=utf-8");
        assert_eq!(text(response), REPORT);
    }
    for path in [&path, &format!("{path}/rejects")] {
        assert_eq!(stack.get("other", path).await.0, 404);
    }
    let (_, listed) = stack.get(CLIENT, "/uploads").await;
    assert_eq!(listed["uploads"][0]["upload_id"], json!(id));
    let (_, listed) = stack.get("other", "/uploads").await;
    assert_eq!(listed["uploads"], json!([]));
}

#[tokio::test]
async fn a_status_is_found_missed_or_ambiguous() {
    let mut stack = Stack::start().await;
    stack.client("shop", &["m-1", "m-2"]).await;
    stack.client("other", &["m-3"]).await;
    for (merchant_id, transaction_id) in [("m-1", "one"), ("m-1", "two"), ("m-2", "two")] {
        let mut item = Transaction::empty(merchant_id, transaction_id);
        let row = valid(upload_id(1), 1, sale(merchant_id, transaction_id, 1_230));
        item.apply_row(&row, &position(9, 7), 1_000);
        let written = stack.world.transactions.store(&item, 0).await.unwrap();
        assert_eq!(written, Written::Stored);
    }
    for (client_id, path, status) in [
        ("shop", "/status/one", 200),
        ("shop", "/status/two", 409),
        ("shop", "/status/three", 404),
        ("other", "/status/one", 404),
        ("other", "/status/two", 404),
    ] {
        let (told, body) = stack.get(client_id, path).await;
        assert_eq!(told, status, "{client_id} {path}: {body}");
    }
    let query = json!({ "queryStringParameters": { "merchant_id": "m-2" } });
    let chosen = send(&mut stack.world, "shop", "GET", "/status/two", query);
    assert_eq!(chosen.await.status_code, 200);
}
