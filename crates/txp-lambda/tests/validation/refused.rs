//! Files that are not what was agreed on: each ends, and says why.

use crate::world::{World, terms};
use txp_aws::dynamodb::uploads::Claim;
use txp_lambda::validation::event::ValidationEvent;
use txp_pipeline::api::Terms;

const FILE: &[u8] = b"transaction_id,amount,merchant_id,card_number\nt1,1.00,m1,4242424242424242\n";

#[tokio::test]
async fn a_file_that_is_not_as_agreed_fails_with_its_cause() {
    let mut world = World::new().await;
    let zeros = "0".repeat(64);
    let cases: [(&[u8], Terms, &str); 7] = [
        (b"", terms(), "empty_file"),
        (b"a,b\n1,2\n", terms(), "column_missing"),
        (
            FILE,
            Terms {
                content_length: Some(9),
                ..terms()
            },
            "length_mismatch",
        ),
        (
            FILE,
            Terms {
                sha256: Some(zeros),
                ..terms()
            },
            "sha256_mismatch",
        ),
        (
            b"transaction_id,amount,merchant_id,card_number\nt1,1,m1\n",
            Terms {
                strict: true,
                ..terms()
            },
            "strict_refused",
        ),
        (
            b"transaction_id,amount,merchant_id,card_number\nt1,\"1,m1\n",
            terms(),
            "unclosed_quote",
        ),
        (
            FILE,
            Terms {
                columns: [("x".to_owned(), "nothing".to_owned())].into(),
                ..terms()
            },
            "options",
        ),
    ];
    for (number, (file, terms, code)) in (10..).zip(cases) {
        let id = world.announce(number, &terms).await;
        let event = world.put(id, file).await;
        world.take(event, 60_000).await.unwrap();
        let ending = world.ending(id).await;
        assert_eq!(ending["type"], "upload.failed", "{code}");
        assert_eq!(ending["data"]["reason"]["code"], code);
        assert!(world.view(id).await.claim.unwrap().is_done, "{code}");
        let told = world.told(id).await;
        assert_eq!(told["state"], "failed", "{code}");
        assert_eq!(told["failure"]["code"], code);
        assert!(
            told["failure"]["hint"]
                .as_str()
                .is_some_and(|hint| hint.len() > 10)
        );
        assert_eq!(
            told["poll_after_s"],
            serde_json::json!(null),
            "nothing will change"
        );
    }
}

/// Without a key nothing is read and nobody's claim is taken: it is no fault of a file, however often it
/// is tried. Once there is one, the function that could not read it reads the file.
#[tokio::test]
async fn a_key_that_is_missing_is_no_fault_of_the_file() {
    let mut world = World::without_key().await;
    let id = world.announce(26, &terms()).await;
    let event = world.put(id, FILE).await;
    for _ in 0..5 {
        let error = world.take(event.clone(), 60_000).await.unwrap_err();
        let told = format!("{error:#}");
        assert!(
            told.starts_with("the function has no fingerprint key: "),
            "{told}"
        );
        assert!(told.contains("the secret fingerprint-key-test"), "{told}");
        assert!(world.view(id).await.claim.is_none());
    }
    assert_eq!(world.records_of(id).await, 0);
    world.put_key().await;
    world.take(event, 60_000).await.unwrap();
    assert_eq!(world.told(id).await["state"], "parsed");
}

/// More than is taken, whatever the link said.
#[tokio::test]
async fn a_file_over_the_limit_fails_unread() {
    let mut world = World::new().await;
    let id = world.announce(24, &terms()).await;
    let event = world.put(id, FILE).await;
    world.limit_bytes(FILE.len() as u64 - 1);
    world.take(event, 60_000).await.unwrap();
    let told = world.told(id).await;
    assert_eq!(told["failure"]["code"], "file_too_large");
    assert_eq!(world.records_of(id).await, 2, "no row of it");
    // What is exactly at the limit is read.
    let id = world.announce(25, &terms()).await;
    let event = world.put(id, FILE).await;
    world.limit_bytes(FILE.len() as u64);
    world.take(event, 60_000).await.unwrap();
    assert_eq!(world.told(id).await["state"], "parsed");
}

#[tokio::test]
async fn a_file_that_nobody_announced_fails_for_operators_to_see() {
    let mut world = World::new().await;
    let id = world.id(20);
    let event = world.put(id, FILE).await;
    world.take(event, 60_000).await.unwrap();
    let ending = world.ending(id).await;
    assert_eq!(ending["data"]["reason"]["code"], "not_announced");
    assert_eq!(world.records_of(id).await, 2);
}

#[tokio::test]
async fn a_file_that_was_deleted_fails() {
    let mut world = World::new().await;
    let id = world.announce(21, &terms()).await;
    let event = world.put(id, FILE).await;
    world.delete_all(id).await;
    world.take(event, 60_000).await.unwrap();
    assert_eq!(
        world.ending(id).await["data"]["reason"]["code"],
        "object_gone"
    );
    let told = world.told(id).await;
    assert_eq!(
        (&told["state"], &told["failure"]["code"]),
        (&"failed".into(), &"object_gone".into())
    );
}

#[tokio::test]
async fn the_first_version_is_the_upload() {
    let mut world = World::new().await;
    let id = world.announce(22, &terms()).await;
    let first = world.put(id, FILE).await;
    let second = world.put(id, b"something else").await;
    for event in [second.clone(), first, second] {
        world.take(event, 60_000).await.unwrap();
    }
    assert_eq!(world.ending(id).await["type"], "upload.parsed");
    assert_eq!(world.records_of(id).await, 3);
    assert_eq!(world.told(id).await["rows"], 1, "of the first");
}

#[tokio::test]
async fn what_another_reads_is_left_to_it() {
    let mut world = World::new().await;
    let id = world.announce(23, &terms()).await;
    let event = world.put(id, FILE).await;
    let task = world.task_of(&event);
    let claim = world.claim(id, &task.version).await;
    assert!(matches!(claim, Claim::Claimed(_)));
    world.take(event, 60_000).await.unwrap();
    world
        .take(ValidationEvent::Continue(task), 60_000)
        .await
        .unwrap();
    assert!(world.events().await.is_empty());
    assert!(!world.view(id).await.claim.unwrap().is_done);
}

#[tokio::test]
async fn what_cannot_be_understood_fails_the_invocation_and_changes_nothing() {
    let mut world = World::new().await;
    assert!(world.take(ValidationEvent::Unknown, 60_000).await.is_err());
    world.take(ValidationEvent::Test, 60_000).await.unwrap();
    world
        .take(ValidationEvent::Created(Vec::new(), 3), 60_000)
        .await
        .unwrap();
    assert!(world.events().await.is_empty());
}
