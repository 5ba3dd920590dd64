//! The function `anomaly` in this process, on an emulator's tables, stream, topic and buckets: which
//! rules it judges by, which it tries beside them, and what becomes of what each finds.
//!
//! `cargo xtask ci --only test` makes the emulator's Python environment and runs this.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

mod world;

use std::collections::BTreeSet;
use txp_domain::event::{Decoded, decode};
use world::World;

/// What is in the history, by type; ids of findings without the upload's.
fn told(history: &[Vec<u8>]) -> BTreeSet<(String, String)> {
    let event = |json: &Vec<u8>| {
        let decoded = decode(json).unwrap();
        let id = match &decoded {
            Decoded::AnomalyFlagged(flagged) => flagged.id().to_owned(),
            Decoded::AnomalyShadowed(shadowed) => shadowed.id().to_owned(),
            other => other.event().id(),
        };
        let id = id.split_once(':').map(|(_, id)| id.to_owned());
        let kind = decoded.event().event_type().name().to_owned();
        (kind, id.unwrap())
    };
    history.iter().map(event).collect()
}

fn expected(events: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    let owned = |(kind, id): &(&str, &str)| ((*kind).to_owned(), (*id).to_owned());
    events.iter().map(owned).collect()
}

#[tokio::test]
async fn what_rules_find_that_are_tried_goes_into_the_history_and_to_no_one() {
    let mut world = World::new().await;
    world.put_rules("rules.json", "active-1", 1_000_000).await;
    world.put_rules("shadow.json", "tried-1", 400_000).await;
    let mut function = world.function();
    // One is high for both, one for the rules that are tried, one for none.
    let records = world.records(&[2_000_000, 500_000, 700]).await;
    // Delivered twice, as after an answer that was lost.
    for _ in 0..2 {
        world.judge(&mut function, &records).await;
    }
    let mut events = vec![
        ("ruleset.activated", "active-1:1"),
        ("ruleset.shadowed", "tried-1:1:shadow"),
        ("anomaly.flagged", "1:active-1:1"),
        ("anomaly.shadowed", "1:tried-1:1:shadow"),
        ("anomaly.shadowed", "2:tried-1:1:shadow"),
    ];
    assert_eq!(told(&world.history().await), expected(&events));
    assert_eq!(world.alerts().await, 1);

    // The object goes, and the trial has an end: for a new process, which looks at once.
    world.take_away("shadow.json").await;
    let mut function = world.function();
    let records = world.records(&[3_000_000, 600_000]).await;
    world.judge(&mut function, &records).await;
    events.extend([
        ("ruleset.shadowed", "tried-1:2:shadow"),
        ("anomaly.flagged", "4:active-1:1"),
    ]);
    assert_eq!(told(&world.history().await), expected(&events));
    assert_eq!(world.alerts().await, 2);
}

/// A file that makes no sense is tried by no one and keeps no one from judging.
#[tokio::test]
async fn a_broken_file_of_rules_to_try_keeps_no_one_from_judging() {
    let mut world = World::new().await;
    world.put_rules("rules.json", "active-1", 1_000_000).await;
    world.put("shadow.json", b"{".to_vec()).await;
    let mut function = world.function();
    let records = world.records(&[2_000_000]).await;
    world.judge(&mut function, &records).await;
    let events = [
        ("ruleset.activated", "active-1:1"),
        ("anomaly.flagged", "1:active-1:1"),
    ];
    assert_eq!(told(&world.history().await), expected(&events));
    assert_eq!(world.alerts().await, 1);
}
