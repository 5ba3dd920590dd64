//! The port of histories that are appended to. `read` gives all of the history, which may hold events
//! of others.

use super::source::Given;
use super::{sale, upload_id, valid};
use std::collections::BTreeMap;
use txp_domain::event::Event;
use txp_domain::id::UploadId;
use txp_domain::position::Position;
use txp_pipeline::batch::EventBatch;
use txp_pipeline::port::{ErrorKind, EventSink, PortError};

/// More batches than any adapter has on their way.
const BATCHES: u64 = 12;
/// Events of a batch.
const EVENTS: u64 = 50;

/// The bytes of each bucket, in the order that they were appended in.
type ByBucket = BTreeMap<u8, Vec<Vec<u8>>>;

/// Adds rows of an upload to a batch. Buckets have more than one of them.
fn push(batch: &mut EventBatch, upload_id: UploadId, number: u64, recorded: &mut ByBucket) {
    for record in number * EVENTS + 1..=(number + 1) * EVENTS {
        let id: &'static str = format!("order-{}", record % 90).leak();
        let facts = sale("m-sink", id, record);
        batch
            .push_event(Event::Row(valid(upload_id, record, facts)))
            .unwrap();
        let entry = batch.entries().last().unwrap();
        let of_bucket = recorded.entry(entry.bucket.0).or_default();
        of_bucket.push(batch.json(entry).to_vec());
    }
}

/// The history's rows of an upload: the first occurrence of each, and how many came again. Not what the
/// embedded host finds in them.
fn firsts_of(upload_id: UploadId, mut history: Vec<Given>) -> (ByBucket, usize) {
    let start = format!("\"id\":\"{upload_id}:");
    history.retain(|event| {
        let json = String::from_utf8_lossy(&event.bytes);
        json.contains(&start) && json.contains("\"type\":\"transaction.accepted\"")
    });
    let (mut firsts, mut lasts) = (ByBucket::new(), BTreeMap::<u8, Position>::new());
    let mut repeats = 0;
    for event in history {
        let bucket = event.position.bucket.0;
        if let Some(last) = lasts.insert(bucket, event.position.clone()) {
            assert!(event.position.is_after(&last), "{last:?}");
        }
        let of_bucket = firsts.entry(bucket).or_default();
        if of_bucket.contains(&event.bytes) {
            repeats += 1;
        } else {
            of_bucket.push(event.bytes);
        }
    }
    (firsts, repeats)
}

fn ids(events: &[Vec<u8>]) -> Vec<String> {
    let id = |bytes: &Vec<u8>| {
        let event: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        event["id"].to_string()
    };
    events.iter().map(id).collect()
}

/// Says no by the first bucket that is not as it should be.
fn are(found: &ByBucket, recorded: &ByBucket, when: &str) {
    for (bucket, expected) in recorded {
        let found = found.get(bucket).map_or(&[][..], Vec::as_slice);
        assert_eq!(ids(found), ids(expected), "{when}, in bucket {bucket}");
        assert!(found == expected, "{when}, in bucket {bucket}: other bytes");
    }
    assert_eq!(found.len(), recorded.len(), "{when}");
}

/// Once it is flushed, all that was appended is in the history, byte for byte, in the order of its
/// bucket, and nothing else is. Gives how many events came again.
pub async fn what_is_flushed_is_there_in_order(
    sink: &mut impl EventSink,
    read: impl AsyncFn() -> Vec<Given>,
) -> usize {
    let id = upload_id(40);
    let mut recorded = ByBucket::new();
    let mut batch = EventBatch::default();
    let mut repeats = 0;
    for number in 0..BATCHES {
        push(&mut batch, id, number, &mut recorded);
        sink.append(&mut batch).await.unwrap();
        assert!(batch.is_empty(), "an empty batch is left");
        // Some are flushed one by one, then several at once.
        if number < 3 || number == BATCHES - 1 {
            sink.flush().await.unwrap();
            let (firsts, again) = firsts_of(id, read().await);
            are(&firsts, &recorded, &format!("after batch {number}"));
            repeats = again;
        }
    }
    repeats
}

/// Nothing that is appended, or flushed, is nothing in the history.
pub async fn nothing_adds_nothing(sink: &mut impl EventSink, read: impl AsyncFn() -> Vec<Given>) {
    let before = read().await;
    sink.flush().await.unwrap();
    for _ in 0..BATCHES {
        sink.append(&mut EventBatch::default()).await.unwrap();
    }
    sink.flush().await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(read().await, before);
}

/// Two that append at the same time do not disturb one another's order.
pub async fn two_keep_their_orders(
    one: &mut impl EventSink,
    other: &mut impl EventSink,
    read: impl AsyncFn() -> Vec<Given>,
) {
    let ids = [upload_id(41), upload_id(42)];
    let mut recorded = [ByBucket::new(), ByBucket::new()];
    let mut batch = EventBatch::default();
    for number in 0..BATCHES {
        push(&mut batch, ids[0], number, &mut recorded[0]);
        one.append(&mut batch).await.unwrap();
        push(&mut batch, ids[1], number, &mut recorded[1]);
        other.append(&mut batch).await.unwrap();
    }
    one.flush().await.unwrap();
    other.flush().await.unwrap();
    for (id, recorded) in ids.into_iter().zip(recorded) {
        are(&firsts_of(id, read().await).0, &recorded, "of two");
    }
}

/// A sink that failed takes nothing more, also once what made it fail is over: behind a gap nothing
/// may be written. `fail` makes the history refuse what comes, `mend` takes that back.
pub async fn one_that_failed_takes_nothing_more(
    sink: &mut impl EventSink,
    fail: impl AsyncFnOnce(),
    mend: impl AsyncFnOnce(),
    read: impl AsyncFn() -> Vec<Given>,
    kind: ErrorKind,
) {
    let id = upload_id(43);
    let (mut batch, mut recorded, mut lost) =
        (EventBatch::default(), ByBucket::new(), ByBucket::new());
    push(&mut batch, id, 0, &mut recorded);
    sink.append(&mut batch).await.unwrap();
    sink.flush().await.unwrap();
    fail().await;
    push(&mut batch, id, 1, &mut lost);
    let error = append_and_flush(sink, &mut batch).await.unwrap_err();
    assert_eq!(error.kind, kind, "{error:?}");
    mend().await;
    for number in 2..4 {
        batch.clear();
        push(&mut batch, id, number, &mut lost);
        let error = append_and_flush(sink, &mut batch).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(sink.flush().await.is_err());
    }
    are(&firsts_of(id, read().await).0, &recorded, "behind a gap");
}

async fn append_and_flush(
    sink: &mut impl EventSink,
    batch: &mut EventBatch,
) -> Result<(), PortError> {
    sink.append(batch).await?;
    sink.flush().await
}
