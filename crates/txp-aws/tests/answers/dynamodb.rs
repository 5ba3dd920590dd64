//! Tables: pages, parts left for later, answers that get lost, items that cannot be read.

use crate::calls::item;
use crate::json;
use crate::service::{Answer, How, Service};
use serde_json::{Value, json};
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::profiles::Profiles;
use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::uploads::{DueKind, Uploads};
use txp_domain::card::Fingerprint;
use txp_domain::money::Currency;
use txp_pipeline::port::{
    ErrorKind, ProfileKey, ProfileStore as _, TransactionStore as _, Written,
};
use txp_tests::conformance::{NOW, upload_id};

fn answer(body: Value) -> Answer {
    Answer::of(200, body.to_string()).with("content-type", "application/x-amz-json-1.0")
}

async fn connection(service: &Service, attempts: u32) -> Connection {
    let config = service.config(attempts).await;
    Connection::new(aws_sdk_dynamodb::Client::new(&config))
}

fn due(number: u8) -> Value {
    json!({ "upload_id": { "S": upload_id(number) }, "due_at": { "N": "5" } })
}

/// What is more than the 1 MB of a page comes in the next, and is asked for from where that ended.
#[tokio::test]
async fn reading_goes_on_from_page_to_page() {
    let key = |at: &str| json!({ "upload_id": { "S": "x" }, "due_at": { "N": at } });
    let service = Service::answering([
        answer(json!({ "Items": [due(1), due(2)], "LastEvaluatedKey": key("5") })),
        // A page may be empty and not the last.
        answer(json!({ "Items": [], "LastEvaluatedKey": key("6") })),
        answer(json!({ "Items": [due(3)] })),
    ]);
    let uploads = Uploads::new(connection(&service, 1).await, "t");
    let found = uploads.due(DueKind::Lease, NOW, 10).await.unwrap();
    let ids: Vec<_> = found.iter().map(|due| due.upload_id).collect();
    assert_eq!(ids, [upload_id(1), upload_id(2), upload_id(3)]);
    let starts = service.requests().into_iter().map(|request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        body["ExclusiveStartKey"].clone()
    });
    assert_eq!(
        starts.collect::<Vec<_>>(),
        [json!(null), key("5"), key("6")]
    );
}

/// The three items of an upload may be more than a page.
#[tokio::test]
async fn an_upload_is_read_whole() {
    let id = upload_id(1);
    let key = json!({ "upload_id": { "S": id }, "part": { "S": "claim" } });
    let claim = json!({
        "upload_id": { "S": id }, "part": { "S": "claim" }, "object_version": { "S": "v" },
        "lease_owner": { "S": "me" }, "fence": { "N": "3" }, "lease_until": { "N": "9" },
    });
    let upload = json!({
        "upload_id": { "S": id }, "part": { "S": "upload" }, "client_id": { "S": "c" },
        "state": { "S": "processing" },
    });
    let service = Service::answering([
        answer(json!({ "Items": [claim], "LastEvaluatedKey": key })),
        answer(json!({ "Items": [upload] })),
    ]);
    let uploads = Uploads::new(connection(&service, 1).await, "t");
    let view = uploads.load(id).await.unwrap().unwrap();
    assert_eq!(view.client_id.as_deref(), Some("c"));
    assert_eq!(view.claim.unwrap().version, "v");
}

/// Of many keys some may be left for later: they alone are asked for again.
#[tokio::test]
async fn keys_left_unread_are_asked_for_again() {
    let key = |id: &str| json!({ "transaction_id": { "S": id }, "merchant_id": { "S": "m" } });
    let left = |ids: &[&str]| {
        let keys: Vec<_> = ids.iter().map(|id| key(id)).collect();
        json!({ "t": { "Keys": keys, "ConsistentRead": true } })
    };
    let service = Service::answering([
        answer(json!({ "Responses": {}, "UnprocessedKeys": left(&["a", "b"]) })),
        answer(json!({ "Responses": {}, "UnprocessedKeys": left(&["b"]) })),
        answer(json!({ "Responses": {}, "UnprocessedKeys": {} })),
    ]);
    let mut store = Transactions::new(connection(&service, 1).await, "t");
    store.prepare(&[("m", "a"), ("m", "b")]).await.unwrap();
    // That nothing is there is known then.
    for id in ["a", "b"] {
        assert_eq!(store.load("m", id).await.unwrap(), None);
    }
    let asked = service.requests().into_iter().map(|request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        body["RequestItems"]["t"]["Keys"].as_array().unwrap().len()
    });
    assert_eq!(asked.collect::<Vec<_>>(), [2, 2, 1]);
}

/// A conditional write whose answer is lost is sent again and refused: the caller reads again, and
/// nothing is written twice.
#[tokio::test]
async fn a_write_whose_answer_is_lost_is_a_conflict() {
    for lost in [How::Reset, How::Silence] {
        let service = Service::answering([
            Answer::that(lost),
            json(400, "ConditionalCheckFailedException"),
        ]);
        let config = service.impatient(2).await;
        let connection = Connection::new(aws_sdk_dynamodb::Client::new(&config));
        let mut store = Transactions::new(connection, "t");
        let written = store.store(&item(), 1).await.unwrap();
        assert_eq!(written, Written::Conflict);
        let requests = service.requests();
        assert_eq!(requests.len(), 2, "{lost:?}");
        assert_eq!(requests[0].body, requests[1].body);
    }
}

/// One damaged item is an error of whoever asks for it, and of nobody else.
#[tokio::test]
async fn a_damaged_item_is_told_to_who_asks_for_it() {
    let id = |id: &str| json!({ "transaction_id": { "S": id }, "merchant_id": { "S": "m" } });
    let service = Service::answering([
        answer(json!({ "Responses": { "t": [id("bad")] } })),
        answer(json!({ "Item": id("bad") })),
    ]);
    let mut store = Transactions::new(connection(&service, 1).await, "t");
    store.prepare(&[("m", "bad"), ("m", "good")]).await.unwrap();
    assert_eq!(store.load("m", "good").await.unwrap(), None);
    let error = store.load("m", "bad").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.reason().contains("revision"), "{}", error.reason());

    let key = |byte: u8| ProfileKey {
        fingerprint: Fingerprint([byte; 16]),
        currency: Currency::USD,
    };
    let bad = json!({
        "card_fingerprint": { "S": key(1).fingerprint.to_string() }, "currency": { "S": "USD" },
        "profile": { "B": "AAAA" },
    });
    let service = Service::answering([
        answer(json!({ "Responses": { "t": [bad] } })),
        answer(json!({ "Item": bad })),
    ]);
    let mut store = Profiles::new(connection(&service, 1).await, "t");
    store.prepare(&[key(1), key(2)]).await.unwrap();
    assert_eq!(store.load(key(2)).await.unwrap(), Default::default());
    assert_eq!(
        store.load(key(1)).await.unwrap_err().kind,
        ErrorKind::Corrupt
    );
}

/// What is due and cannot be read does not keep the others waiting.
#[tokio::test]
async fn a_damaged_entry_is_passed_over() {
    let bad = json!({ "upload_id": { "S": "../x" }, "due_at": { "N": "1" } });
    let service = Service::answering([answer(json!({ "Items": [bad, due(2)] }))]);
    let uploads = Uploads::new(connection(&service, 1).await, "t");
    let found = uploads.due(DueKind::Link, NOW, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].upload_id, upload_id(2));
}
