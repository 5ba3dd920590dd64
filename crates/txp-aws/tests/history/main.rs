//! The archive, written and read again, the quarantine, and reports, as objects in a bucket. Against
//! ministack, a third party's emulator.
//!
//! `cargo xtask ci --only test` makes the emulator's Python environment and runs this.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

mod faulty;
mod paging;
mod stores;

use std::collections::BTreeMap;
use txp_aws::clock::SystemClock;
use txp_aws::quarantine::{self, S3Quarantine};
use txp_aws::s3::archive::Archive;
use txp_domain::event::{Event, encode};
use txp_domain::position::{self, Position, Sequence};
use txp_emulator::Emulator;
use txp_pipeline::history::Recorded;
use txp_pipeline::history::archive::ArchiveSource;
use txp_pipeline::port::{Poison, Quarantine as _, Window};
use txp_pipeline::stage::archive;
use txp_tests::conformance::{sale, source, upload_id, valid};

/// 2023-11-14T23:59:59.000Z.
const BEFORE_MIDNIGHT: i64 = 1_700_006_399_000;
/// Events of the history.
const EVENTS: u64 = 60;

fn event(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let id: &'static str = format!("order-{number}").leak();
    let row = valid(upload_id(3), number, sale("m-1", id, number));
    encode(&Event::Row(row), &mut bytes).unwrap();
    bytes
}

/// Two a record, half a second apart over midnight; some arrivals go back a little.
fn recorded(events: &[Vec<u8>]) -> Vec<Recorded<'_>> {
    (0..)
        .zip(events)
        .map(|(number, bytes)| {
            let record = number / 2;
            let back = if record % 5 == 4 { 1_500 } else { 0 };
            Recorded {
                position: Position {
                    bucket: position::Bucket((record % 3) as u8),
                    sequence: Sequence::parse(&format!("4959{record:040}")).unwrap(),
                    subsequence: number % 2,
                },
                arrival_millis: BEFORE_MIDNIGHT + record as i64 * 500 - back,
                bytes,
            }
        })
        .collect()
}

/// Deliveries that failed and came again, cut elsewhere, over midnight: each event is read once, in
/// order, from any place on.
#[tokio::test]
async fn an_archive_conforms() {
    let emulator = Emulator::shared().await;
    let bucket = emulator.bucket("archive").await;
    let reports = emulator.bucket("archive-reports").await;
    let events: Vec<_> = (1..=EVENTS).map(event).collect();
    let history = recorded(&events);
    let mut sink = Archive::new(bucket.clone(), "some/where/");
    let mut quarantine = S3Quarantine::new(reports, archive::STAGE);
    for (from, to) in [
        (0, 10),
        (4, 10),
        (10, 12),
        (4, 24),
        (24, 40),
        (30, 60),
        (30, 44),
    ] {
        let batch = &history[from..to];
        let shard = "shardId-000000000002";
        let archived =
            archive::archive(&mut sink, &mut quarantine, &SystemClock, shard, batch).await;
        assert!(archived.failed.is_none(), "{:?}", archived.failed);
        assert_eq!(archived.events, batch.len() as u64);
    }
    let mut by_bucket: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
    for event in &history {
        let bucket = by_bucket.entry(event.position.bucket.0).or_default();
        bucket.push(event.bytes.to_vec());
    }
    let open = async |window| ArchiveSource::open(sink.clone(), window).await;
    let opened = async |window: Window| open(window).await.unwrap();
    source::every_event_comes_once_in_order(opened, &by_bucket).await;
    source::a_source_goes_on_from_any_place(opened).await;
    let times = [0, 700, 1_000, 8_000].map(|later| BEFORE_MIDNIGHT + later);
    source::a_window_of_time_is_what_arrived_in_it(opened, &times).await;
    source::a_foreign_place_is_refused(open).await;
    let elsewhere = Archive::new(bucket, "");
    let mut elsewhere = ArchiveSource::open(elsewhere, Window::default())
        .await
        .unwrap();
    assert_eq!(source::read_all(&mut elsewhere).await, []);
}

const SEQUENCE: &str = "49590338271490256608559692538361571095921575989136588898";

fn poison(subsequence: u64, reason: &str) -> Poison {
    Poison {
        position: Position {
            bucket: position::Bucket(10),
            sequence: Sequence::parse(SEQUENCE).unwrap(),
            subsequence,
        },
        stage: "aggregate",
        reason: reason.to_owned(),
    }
}

/// What is put in quarantine is found by its position; again, it changes nothing.
#[tokio::test]
async fn a_poison_event_is_kept_by_position() {
    let emulator = Emulator::shared().await;
    let bucket = emulator.bucket("quarantine").await;
    let mut quarantine = S3Quarantine::new(bucket.clone(), "aggregate");
    let poison = poison(3, "event type is unknown");
    quarantine
        .put_all(std::slice::from_ref(&poison))
        .await
        .unwrap();
    quarantine.put(&poison).await.unwrap();
    let key = format!("quarantine/aggregate/0a/{SEQUENCE}-3.json");
    let found = bucket.get(&key, 1_000).await.unwrap().unwrap();
    let (kept, has_more) = quarantine::kept(&bucket, 10).await.unwrap();
    assert_eq!((kept.len(), has_more), (1, false));
    assert_eq!(
        (&*kept[0].key, &*kept[0].stage, kept[0].events),
        (&*key, "aggregate", 1)
    );
    let [stretch] = &*kept[0].stretches else {
        panic!("{kept:?}")
    };
    assert_eq!(stretch.position, poison.position);
    assert_eq!(stretch.reason, poison.reason);
    assert_eq!(
        String::from_utf8(found).unwrap(),
        r#"{"stage":"aggregate","position":{"bucket":10,"sequence":"49590338271490256608559692538361571095921575989136588898","subsequence":3},"reason":"event type is unknown","events":1}"#
    );
}

/// More records than are asked for, and than S3 lists at a time; an object that is something else.
#[tokio::test]
async fn a_quarantine_of_many_pages_is_read_as_far_as_it_is_asked_for() {
    let emulator = Emulator::shared().await;
    let bucket = emulator.bucket("quarantine-of-many").await;
    let mut sink = S3Quarantine::new(bucket.clone(), "aggregate");
    let poisons: Vec<_> = (0..1_100_u64)
        .map(|number| Poison {
            position: Position {
                sequence: Sequence::from(number),
                ..poison(0, "").position
            },
            ..poison(0, "it is no JSON")
        })
        .collect();
    sink.put_all(&poisons).await.unwrap();
    for (max, expected) in [(1_050, (1_050, true)), (1_100, (1_100, false))] {
        let (kept, has_more) = quarantine::kept(&bucket, max).await.unwrap();
        assert_eq!((kept.len(), has_more), expected);
    }
    let put = bucket.put("quarantine/other.json", "text/plain", b"{}".to_vec());
    put.await.unwrap();
    let error = quarantine::kept(&bucket, 2_000).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("quarantine/other.json is nothing of a quarantine")
    );
}

/// A record full of garbage is one object that stays small, however many events were in it and
/// however often their reasons change.
#[tokio::test]
async fn the_poison_of_one_record_is_one_object() {
    let emulator = Emulator::shared().await;
    let bucket = emulator.bucket("quarantine-of-a-record").await;
    let mut quarantine = S3Quarantine::new(bucket.clone(), "aggregate");
    let of = |n: u64| match n {
        0..60_000 => poison(n, "it is no JSON"),
        // Two reasons in turn: no stretch is longer than one event.
        _ if n.is_multiple_of(2) => poison(n, "it ends too early"),
        _ => poison(n, "event type is unknown"),
    };
    let poisons: Vec<_> = (0..100_000).map(of).collect();
    for _ in 0..2 {
        quarantine.put_all(&poisons).await.unwrap();
    }
    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let listed = list.send().await.unwrap();
    let keys: Vec<_> = listed.contents().iter().filter_map(|o| o.key()).collect();
    let key = format!("quarantine/aggregate/0a/{SEQUENCE}-0.json");
    assert_eq!(keys, [&*key]);
    let found = bucket.get(&key, 256_000).await.unwrap().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&found).unwrap();
    assert_eq!(document["events"], 100_000);
    let (kept, _) = quarantine::kept(&bucket, 10).await.unwrap();
    assert_eq!((kept[0].events, kept[0].stretches.len()), (100_000, 1_000));
    let positions: Vec<_> = kept[0].stretches[0].positions().collect();
    let expected: Vec<_> = poisons[..60_000]
        .iter()
        .map(|p| p.position.clone())
        .collect();
    assert!(positions == expected);
    let stretches = document["stretches"].as_array().unwrap();
    assert_eq!(stretches.len(), 1_000);
    assert_eq!(
        stretches[0],
        serde_json::json!({
            "bucket": 10, "first_subsequence": 0, "last_subsequence": 59_999, "reason": "it is no JSON",
        })
    );
}
