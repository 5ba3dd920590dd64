//! Links: what they take, how often, and for whom.

use crate::stack::{Stack, agent, client, post, send, told};
use serde_json::{Value, json};
use txp_domain::id::UploadId;
use txp_pipeline::api::Terms;

/// A file, and another one of its length.
const FILE: &str = "transaction_id,amount\nt-1,12.30\n";
const OTHER: &str = "transaction_id,amount\nt-1,12.31\n";

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest: [u8; 32] = Sha256::digest(text).into();
    txp_pipeline::api::hex_of_digest(&digest)
}

/// Sends a file by a link, with its headers but for one.
fn put(link: &Value, without: &str, body: &str) -> u16 {
    let mut request = agent().put(link["url"].as_str().unwrap());
    for (name, value) in link["headers"].as_object().unwrap() {
        // The length is told by whoever sends the body.
        if name != without && name != "content-length" {
            request = request.header(name, value.as_str().unwrap());
        }
    }
    request.send(body).unwrap().status().as_u16()
}

#[tokio::test]
async fn a_link_takes_its_file_once_and_nothing_else() {
    let mut stack = Stack::start().await;
    stack.client("shop", &["m"]).await;
    let bound = json!({ "content_length": FILE.len(), "sha256": sha256(FILE) });
    for (body, told) in [
        (json!({}), &["content-type", "if-none-match"][..]),
        (
            bound,
            &[
                "content-length",
                "content-type",
                "if-none-match",
                "x-amz-checksum-sha256",
            ],
        ),
    ] {
        let (status, link) = stack.post("shop", json!({ "body": body })).await;
        assert_eq!(status, 201, "{link}");
        let headers = link["headers"].as_object().unwrap();
        assert_eq!(headers.keys().collect::<Vec<_>>(), told);
        for name in told.iter().filter(|name| **name != "content-length") {
            assert_eq!(put(&link, name, FILE), 403, "without {name}");
        }
        if told.len() > 2 {
            assert_eq!(put(&link, "", &FILE[1..]), 403, "another length");
            assert_eq!(put(&link, "", OTHER), 400, "another content");
        }
        assert_eq!(put(&link, "", FILE), 200);
        assert_eq!(put(&link, "", FILE), 412, "a second time");
        let key = link["key"].as_str().unwrap();
        let bucket = &stack.names.files;
        let object = stack
            .emulator
            .s3()
            .get_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await;
        let stored = object.unwrap().body.collect().await.unwrap();
        assert_eq!(stored.to_vec(), FILE.as_bytes());
    }
}

#[tokio::test]
async fn an_upload_is_announced_with_its_terms() {
    let mut stack = Stack::start().await;
    stack.client("shop", &["m"]).await;
    let body = json!({ "filename": "a.csv", "strict": true });
    let (_, link) = stack.post("shop", json!({ "body": body })).await;
    let id: UploadId = link["upload_id"].as_str().unwrap().parse().unwrap();
    let view = stack.world.uploads.load(id).await.unwrap().unwrap();
    let terms: Terms = serde_json::from_str(view.terms.as_deref().unwrap()).unwrap();
    assert_eq!((terms.client_id.as_str(), terms.strict), ("shop", true));
    assert_eq!(terms.file_name.as_deref(), Some("a.csv"));
    assert_eq!(json!(view.expires_at), link["expires_at"]);
}

#[tokio::test]
async fn one_key_and_body_are_one_upload() {
    let stack = Stack::start().await;
    stack.client("shop", &["m"]).await;
    stack.client("other", &["m"]).await;
    let (mut one, mut two) = (stack.other(), stack.other());
    let same = json!({ "key": "k-1", "body": { "strict": true } });
    // At the same time, by two processes.
    let (first, second) = tokio::join!(
        post(&mut one, "shop", same.clone()),
        post(&mut two, "shop", same.clone())
    );
    let ((status, first), (_, second)) = (told(first), told(second));
    assert_eq!(status, 201, "{first}");
    assert_eq!(first, second);
    assert_eq!(
        told(post(&mut one, "shop", same.clone()).await),
        (201, first.clone())
    );
    let listed = stack.world.uploads.list("shop", None, 10).await.unwrap();
    assert_eq!(listed.uploads.len(), 1);
    let (status, _) = told(post(&mut two, "shop", json!({ "key": "k-1", "body": {} })).await);
    assert_eq!(status, 422);
    let (status, theirs) = told(post(&mut two, "other", same).await);
    assert_eq!(status, 201);
    assert_ne!(theirs["upload_id"], first["upload_id"]);
    assert_eq!(put(&first, "", FILE), 200);
}

#[tokio::test]
async fn a_revoked_client_is_refused_by_whoever_does_not_remember_it() {
    let mut stack = Stack::start().await;
    assert_eq!(stack.get("shop", "/uploads").await.0, 403);
    stack.client("shop", &["m"]).await;
    assert_eq!(stack.get("shop", "/uploads").await.0, 200);
    let clients = &stack.world.clients;
    let shop = client("shop", &["m"]);
    clients.put("key-shop", &shop, true).await.unwrap();
    // For a minute at most.
    assert_eq!(stack.get("shop", "/uploads").await.0, 200);
    let mut other = stack.other();
    assert_eq!(post(&mut other, "shop", json!({})).await.status_code, 403);
}

/// While a key is rotated there are two of them, and both are the client; one that is revoked leaves
/// the other.
#[tokio::test]
async fn a_client_has_two_keys_while_one_is_rotated() {
    let stack = Stack::start().await;
    let shop = client("shop", &["m"]);
    let clients = &stack.world.clients;
    for key in ["key-old", "key-new"] {
        clients.put(key, &shop, false).await.unwrap();
    }
    let (mut one, mut two) = (stack.other(), stack.other());
    // The same request by either key is one upload.
    let same = json!({ "key": "k-1", "body": {} });
    let (status, first) = told(post(&mut one, "old", same.clone()).await);
    assert_eq!(status, 201, "{first}");
    assert_eq!(
        told(post(&mut two, "new", same.clone()).await),
        (201, first.clone())
    );
    let path = format!("/uploads/{}", first["upload_id"].as_str().unwrap());
    let seen = send(&mut two, "new", "GET", &path, json!({})).await;
    assert_eq!(seen.status_code, 200);
    clients.put("key-old", &shop, true).await.unwrap();
    let mut later = stack.other();
    assert_eq!(post(&mut later, "old", same.clone()).await.status_code, 403);
    assert_eq!(told(post(&mut later, "new", same).await), (201, first));
}
