//! An archive of more objects than S3 lists at a time, a thousand: of days, and of one day's objects.
//! The emulator lists no more than that either, which the first listing here shows.

use crate::event;
use futures_util::{StreamExt as _, stream};
use std::collections::BTreeMap;
use txp_aws::clock::SystemClock;
use txp_aws::quarantine::S3Quarantine;
use txp_aws::s3::archive::Archive;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_emulator::Emulator;
use txp_pipeline::history::Recorded;
use txp_pipeline::history::archive::{ArchiveObjects as _, ArchiveSource};
use txp_pipeline::port::Window;
use txp_pipeline::stage::archive;
use txp_tests::conformance::source;

/// What S3 lists at a time.
const PAGE: usize = 1_000;
/// Objects of the one day: a page and a piece.
const OBJECTS: usize = PAGE + 7;
/// Days with one object each: a page of them and a piece.
const DAYS: usize = PAGE + 9;
/// Objects that are written at a time.
const IN_FLIGHT: usize = 8;

/// 2023-11-14T12:00:00.000Z.
const NOON: i64 = 1_699_963_200_000;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// Between two events of the one day.
const STEP_MILLIS: i64 = 1_000;

/// The one event of each object: first those of one day, then one of each day behind it.
fn arrival_of(number: usize) -> i64 {
    let later = number as i64;
    match number.checked_sub(OBJECTS) {
        None => NOON + later * STEP_MILLIS,
        Some(days) => NOON + (days as i64 + 1) * DAY_MILLIS,
    }
}

#[tokio::test]
async fn an_archive_of_many_pages_loses_nothing() {
    let emulator = Emulator::shared().await;
    let bucket = emulator.bucket("archive-of-many-pages").await;
    let events: Vec<_> = (1..=(OBJECTS + DAYS) as u64).map(event).collect();
    let history: Vec<_> = (0..)
        .zip(&events)
        .map(|(number, bytes)| Recorded {
            position: Position {
                bucket: Bucket((number % 3) as u8),
                sequence: Sequence::parse(&format!("4959{number:040}")).unwrap(),
                subsequence: 0,
            },
            arrival_millis: arrival_of(number),
            bytes,
        })
        .collect();
    let sink = Archive::new(bucket.clone(), "some/where/");
    let written = history.iter().map(|event| {
        let (mut sink, bucket) = (sink.clone(), bucket.clone());
        async move {
            let mut quarantine = S3Quarantine::new(bucket, archive::STAGE);
            let batch = std::slice::from_ref(event);
            let shard = "shardId-000000000002";
            archive::archive(&mut sink, &mut quarantine, &SystemClock, shard, batch).await
        }
    });
    let written = stream::iter(written).buffer_unordered(IN_FLIGHT);
    let written: Vec<_> = written.collect().await;
    assert!(written.iter().all(|archived| archived.failed.is_none()));

    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let page = list.send().await.unwrap();
    assert_eq!(page.contents().len(), PAGE);
    assert_eq!(page.is_truncated(), Some(true));
    assert_eq!(sink.days(None).await.unwrap().len(), DAYS + 1);
    let day = sink.objects("2023-11-14").await.unwrap();
    assert_eq!(day.len(), OBJECTS);

    let mut by_bucket: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
    for event in &history {
        let of_bucket = by_bucket.entry(event.position.bucket.0).or_default();
        of_bucket.push(event.bytes.to_vec());
    }
    let opened = async |window: Window| ArchiveSource::open(sink.clone(), window).await.unwrap();
    source::every_event_comes_once_in_order(opened, &by_bucket).await;
    let second_page = Window {
        from_millis: Some(arrival_of(PAGE)),
        ..Window::default()
    };
    let given = source::read_all(&mut opened(second_page).await).await;
    assert_eq!(given.len(), history.len() - PAGE);
}
