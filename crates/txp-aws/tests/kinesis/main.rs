//! The producer and the reader on a stream that is resharded in the middle. Against kinesalite, a
//! third party's emulator: of those at hand the one that keeps a parent's records after a split.
//!
//! `cargo xtask ci --only test` installs it and runs this.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

mod appending;
mod faulty;
mod joined;
mod stream;
mod wrapped;

use std::collections::BTreeMap;
use stream::Stream;
use txp_aws::kinesis::hash_key;
use txp_aws::kinesis::producer::{Producer, Settings};
use txp_aws::kinesis::read::ReadShards;
use txp_aws::kinesis::reader::StreamSource;
use txp_domain::event::{Event, encode};
use txp_domain::position::Bucket;
use txp_pipeline::batch::EventBatch;
use txp_pipeline::port::{EventSink as _, EventSource as _, SourceBatch, Window};
use txp_tests::conformance::source::{self, Given};
use txp_tests::conformance::{sale, upload_id, valid};
use wrapped::{Ahead, Expiring, Hasty, LosingAnswers};

/// Batches appended, with a flush behind each.
const BATCHES: u64 = 40;
/// Events of a batch.
const EVENTS: u64 = 60;

/// The bytes of each bucket, in the order that they were appended in.
type Recorded = BTreeMap<u8, Vec<Vec<u8>>>;

fn batch(number: u64, recorded: &mut Recorded) -> EventBatch {
    let mut batch = EventBatch::default();
    for record in number * EVENTS + 1..=(number + 1) * EVENTS {
        // Some come again with other facts: buckets have more than one event of a key.
        let id: &'static str = format!("order-{}", record % 900).leak();
        let event = Event::Row(valid(upload_id(1), record, sale("m-1", id, record)));
        let mut bytes = Vec::new();
        encode(&event, &mut bytes).unwrap();
        let bucket = Bucket::of(event.partition_key().as_bytes());
        recorded.entry(bucket.0).or_default().push(bytes);
        batch.push_event(event).unwrap();
    }
    batch
}

/// What happens to the stream before a batch is appended.
async fn reshard(stream: &Stream, batch: u64) {
    match batch {
        8 => stream.split(0, hash_key::of_bucket(Bucket(50))).await,
        // Inside of a bucket's stretch.
        14 => stream.split(1, hash_key::of_bucket(Bucket(200)) + 7).await,
        22 => stream.merge(3, 4).await,
        30 => stream.split(6, hash_key::of_bucket(Bucket(140))).await,
        _ => {}
    }
}

async fn write(stream: &Stream, mut after: impl AsyncFnMut(u64)) -> Recorded {
    let mut recorded = Recorded::new();
    let mut producer = Producer::new(stream.writer(), Hasty::default(), Settings::default());
    for number in 0..BATCHES {
        reshard(stream, number).await;
        producer
            .append(&mut batch(number, &mut recorded))
            .await
            .unwrap();
        producer.flush().await.unwrap();
        after(number).await;
    }
    recorded
}

async fn open(stream: &Stream, window: Window) -> StreamSource<impl ReadShards, Hasty> {
    StreamSource::open(stream.reader(), Hasty::default(), window)
        .await
        .unwrap()
}

/// Reads while the stream is written and resharded, then what is left.
#[tokio::test]
async fn a_stream_conforms_across_resharding() {
    let stream = Stream::create(2).await;
    let mut following = open(&stream, Window::default()).await;
    let mut given: Vec<Given> = Vec::new();
    let mut read = SourceBatch::default();
    let recorded = write(&stream, async |_| {
        let _progress = following.next(&mut read).await.unwrap();
        given.extend(read.events().map(|event| Given {
            position: event.position,
            arrival_millis: event.arrival_millis,
            bytes: event.bytes.to_vec(),
        }));
    })
    .await;
    assert!(!given.is_empty(), "something was read before the end");
    given.extend(source::read_all(&mut following).await);
    let followed = source::by_bucket(&given);
    let bytes = |events: &Vec<Given>| events.iter().map(|e| e.bytes.clone()).collect::<Vec<_>>();
    for (bucket, expected) in &recorded {
        assert_eq!(&bytes(&followed[bucket]), expected, "{bucket}");
    }
    let open = async |window| open(&stream, window).await;
    source::every_event_comes_once_in_order(open, &recorded).await;
    source::a_source_goes_on_from_any_place(open).await;
    let mut arrivals: Vec<i64> = given.iter().map(|event| event.arrival_millis).collect();
    arrivals.sort_unstable();
    let of_batches = |batches: [u64; 2]| batches.map(|batch| arrivals[(batch * EVENTS) as usize]);
    // Before the first split and after the last.
    source::a_window_of_time_is_what_arrived_in_it(open, &of_batches([2, 38])).await;
    // A reader does not trust its clock to the minute, and begins earlier than it is asked to. One
    // whose clock is ahead begins at the very time: between splits, and behind a merge.
    let open = async |window| {
        let opened = StreamSource::open(stream.reader(), Ahead::default(), window);
        opened.await.unwrap()
    };
    source::a_window_of_time_is_what_arrived_in_it(open, &of_batches([10, 26])).await;
    source::a_foreign_place_is_refused(async |window| {
        StreamSource::open(stream.reader(), Hasty::default(), window).await
    })
    .await;
}

/// An iterator that is too old is made again behind the last record.
#[tokio::test]
async fn iterators_may_expire_at_any_time() {
    let stream = Stream::create(2).await;
    let recorded = write(&stream, async |_| {}).await;
    let open = async |window| {
        let calls = Expiring::new(stream.reader());
        StreamSource::open(calls, Hasty::default(), window)
            .await
            .unwrap()
    };
    source::every_event_comes_once_in_order(open, &recorded).await;
    source::a_source_goes_on_from_any_place(open).await;
}

/// Answers get lost while the stream is resharded: nothing is lost, and the first occurrences of a
/// bucket's events are in their order.
#[tokio::test]
async fn the_producer_keeps_a_bucket_in_order_across_resharding() {
    let stream = Stream::create(2).await;
    let mut recorded = Recorded::new();
    let calls = LosingAnswers::new(stream.writer());
    let mut producer = Producer::new(calls, Hasty::default(), Settings::default());
    for number in 0..BATCHES {
        reshard(&stream, number).await;
        producer
            .append(&mut batch(number, &mut recorded))
            .await
            .unwrap();
        if number % 3 == 0 {
            producer.flush().await.unwrap();
        }
    }
    producer.flush().await.unwrap();
    let given = source::read_all(&mut open(&stream, Window::default()).await).await;
    let mut repeats = 0;
    for (bucket, events) in source::by_bucket(&given) {
        let mut first: Vec<Vec<u8>> = Vec::new();
        for event in events {
            if first.contains(&event.bytes) {
                repeats += 1;
            } else {
                first.push(event.bytes);
            }
        }
        assert_eq!(first, recorded[&bucket], "{bucket}");
    }
    assert!(repeats > 0, "answers were lost");
    assert_eq!(
        given.len() - repeats,
        recorded.values().map(Vec::len).sum::<usize>()
    );
}
