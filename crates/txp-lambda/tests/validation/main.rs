//! The function `validation` in this process, on an emulator's buckets, stream and table: what it
//! writes to the history is what reading the same file in one go gives.
//!
//! `cargo xtask ci --only test` makes the emulator's Python environment and runs this.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

mod redriven;
mod refused;
mod skewed;
mod swept;
mod world;

use txp_domain::upload::UploadState;
use txp_lambda::validation::event::ValidationEvent;
use txp_pipeline::api::Terms;
use world::{World, direct, terms};

/// About five batches of events.
const ROWS: u64 = 12_000;

fn generated(rows: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let options = txp_pipeline::generate::Options::default();
    txp_pipeline::generate::generate(rows, 7, options, &mut file).unwrap();
    file
}

#[tokio::test]
async fn a_file_that_is_read_in_many_invocations_gives_what_one_gives() {
    let mut world = World::new().await;
    let file = generated(ROWS);
    let id = world.announce(1, &terms()).await;
    let event = world.put(id, &file).await;
    let mut hops = 0;
    world.take(event, 0).await.unwrap();
    while let Some(task) = world.next_call() {
        hops = task.hop;
        world
            .take(ValidationEvent::Continue(task), 0)
            .await
            .unwrap();
    }
    assert!(hops >= 3, "{hops} hops");
    let view = world.view(id).await;
    assert!(view.claim.unwrap().is_done);
    let (events, report) = direct(&file, &world.received(id, &terms(), &file).await);
    // Not shown if it differs: it is megabytes.
    assert!(world.events().await == events);
    assert!(world.report(id).await == Some(report));
}

#[tokio::test]
async fn a_file_is_read_once_however_often_it_is_told_of() {
    let mut world = World::new().await;
    let file = generated(300);
    let id = world.announce(2, &terms()).await;
    let event = world.put(id, &file).await;
    for _ in 0..3 {
        world.take(event.clone(), 60_000).await.unwrap();
    }
    assert_eq!(world.next_call(), None);
    let (events, _) = direct(&file, &world.received(id, &terms(), &file).await);
    assert!(world.events().await == events);
    assert_eq!(world.records_of(id).await, 302);
}

#[tokio::test]
async fn a_clean_file_has_no_report() {
    let mut world = World::new().await;
    let strict = Terms {
        strict: true,
        ..terms()
    };
    let id = world.announce(3, &strict).await;
    let file = b"transaction_id,amount,merchant_id,card_number\nt1,1.00,m1,4242424242424242\n";
    let event = world.put(id, file).await;
    world.take(event, 60_000).await.unwrap();
    assert_eq!(world.report(id).await, None);
    assert_eq!(world.ending(id).await["type"], "upload.parsed");
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_and_the_history_nothing() {
    let mut world = World::new().await;
    let dry = Terms {
        dry_run: true,
        ..terms()
    };
    let id = world.announce(4, &dry).await;
    let file = b"transaction_id,amount,merchant_id,card_number\n\
        t1,1.00,m1,4242424242424242\nt1,1.00,m1,4242424242424242\nt2,1,m1,1234\n";
    let event = world.put(id, file).await;
    world.take(event, 60_000).await.unwrap();
    assert!(world.events().await.is_empty());
    let view = world.view(id).await;
    assert_eq!(view.state, UploadState::Processing);
    let report: serde_json::Value = serde_json::from_str(&view.report.unwrap()).unwrap();
    assert_eq!(report["state"], "dry_run");
    assert_eq!(report["rows"], 3);
    let expected =
        serde_json::json!({"accepted": 1, "rejected": 1, "duplicates": 1, "conflicts": 0});
    assert_eq!(report["counts"], expected);
    assert!(view.claim.unwrap().is_done);
    assert!(world.report(id).await.is_some());
}
