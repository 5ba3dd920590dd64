//! The stream: iterators that are too old, records that are refused one by one, throttles.

use crate::calls::reader;
use crate::json;
use crate::service::{Answer, How, Service};
use serde_json::{Value, json};
use txp_aws::clock::SystemClock;
use txp_aws::kinesis::producer::{Producer, Settings};
use txp_aws::kinesis::put::StreamWriter;
use txp_aws::kinesis::read::ReadShards as _;
use txp_aws::kinesis::reader::StreamSource;
use txp_domain::event::Event;
use txp_pipeline::batch::EventBatch;
use txp_pipeline::port::{ErrorKind, EventSink as _, EventSource as _, SourceBatch, Window};
use txp_pipeline::retry::RetryPolicy;
use txp_tests::conformance::{sale, upload_id, valid};

fn answer(body: Value) -> Answer {
    Answer::of(200, body.to_string()).with("content-type", "application/x-amz-json-1.1")
}

/// What was asked for, by the request's target.
fn asked(service: &Service) -> Vec<String> {
    let requests = service.requests().into_iter();
    let target = |request: crate::service::Request| {
        let target = request.header("x-amz-target").unwrap().trim().to_owned();
        target.rsplit('.').next().unwrap().to_owned()
    };
    requests.map(target).collect()
}

/// Kinesis' own word for an iterator that is too old; another is made behind the last record.
#[tokio::test]
async fn an_iterator_that_expired_is_made_again() {
    let service = Service::answering([json(400, "ExpiredIteratorException")]);
    let calls = reader(&service.config(3).await);
    assert_eq!(calls.records("old").await.unwrap(), None);
    assert_eq!(service.requests().len(), 1, "it is not asked for again");

    let record = json!({
        "SequenceNumber": "7", "Data": "eA==", "PartitionKey": "k",
        "ApproximateArrivalTimestamp": 1.5,
    });
    let service = Service::answering([
        answer(json!({ "Shards": [{
            "ShardId": "shardId-000000000000",
            "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": "9" },
            "SequenceNumberRange": { "StartingSequenceNumber": "0" },
        }] })),
        answer(json!({ "ShardIterator": "first" })),
        answer(
            json!({ "Records": [record], "NextShardIterator": "second", "MillisBehindLatest": 9 }),
        ),
        json(400, "ExpiredIteratorException"),
        answer(json!({ "ShardIterator": "third" })),
        answer(json!({ "Records": [], "MillisBehindLatest": 0 })),
    ]);
    let calls = reader(&service.config(1).await);
    let mut source = StreamSource::open(calls, SystemClock, Window::default())
        .await
        .unwrap();
    let mut batch = SourceBatch::default();
    let _progress = source.next(&mut batch).await.unwrap();
    assert_eq!(batch.len(), 1);
    let _progress = source.next(&mut batch).await.unwrap();
    assert_eq!(batch.len(), 0);
    assert_eq!(
        asked(&service)[..6],
        [
            "ListShards",
            "GetShardIterator",
            "GetRecords",
            "GetRecords",
            "GetShardIterator",
            "GetRecords"
        ]
    );
    let again: Value = serde_json::from_str(&service.requests()[4].body).unwrap();
    assert_eq!(again["ShardIteratorType"], "AFTER_SEQUENCE_NUMBER");
    assert_eq!(again["StartingSequenceNumber"], "7");
}

fn batch(events: u64) -> EventBatch {
    let mut batch = EventBatch::default();
    for record in 1..=events {
        let id: &'static str = format!("order-{record}").leak();
        let row = valid(upload_id(1), record, sale("m-1", id, record));
        batch.push_event(Event::Row(row)).unwrap();
    }
    batch
}

async fn producer(service: &Service, impatient: bool) -> Producer<StreamWriter, SystemClock> {
    let config = match impatient {
        true => service.impatient(1).await,
        false => service.config(1).await,
    };
    let writer = StreamWriter::new(aws_sdk_kinesis::Client::new(&config), "s");
    let settings = Settings {
        retry: RetryPolicy {
            first_wait_millis: 1,
            max_wait_millis: 2,
            attempts_max: 4,
        },
        ..Settings::default()
    };
    Producer::new(writer, SystemClock, settings)
}

fn sent(service: &Service) -> Vec<usize> {
    let count = |request: crate::service::Request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        body["Records"].as_array().unwrap().len()
    };
    service.requests().into_iter().map(count).collect()
}

/// Entries of a call are answered one by one; those alone that failed are sent again.
#[tokio::test]
async fn the_records_of_a_call_that_failed_are_sent_again() {
    let stored = |n: usize| json!({ "SequenceNumber": n.to_string(), "ShardId": "s" });
    let refused =
        json!({ "ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "no" });
    let broken = json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "no" });
    // Some ten buckets, one record each.
    let mut first: Vec<Value> = (0..10).map(stored).collect();
    (first[2], first[7]) = (refused, broken);
    let service = Service::answering([
        answer(json!({ "FailedRecordCount": 2, "Records": first })),
        answer(json!({ "FailedRecordCount": 0, "Records": [stored(1), stored(2)] })),
    ]);
    let mut producer = producer(&service, false).await;
    let mut ten = EventBatch::default();
    let mut buckets = std::collections::BTreeSet::new();
    for record in 1.. {
        let id: &'static str = format!("order-{record}").leak();
        let event = Event::Row(valid(upload_id(1), record, sale("m-1", id, record)));
        if buckets.insert(txp_domain::position::Bucket::of(
            event.partition_key().as_bytes(),
        )) {
            ten.push_event(event).unwrap();
        }
        if buckets.len() == 10 {
            break;
        }
    }
    producer.append(&mut ten).await.unwrap();
    producer.flush().await.unwrap();
    assert_eq!(sent(&service), [10, 2]);
}

/// A stream that does not answer, or throttles every call, is an error that says so; a denial is one
/// at once.
#[tokio::test]
async fn a_stream_that_takes_nothing_is_told_by_its_kind() {
    for (answer, calls, kind) in [
        (
            json(400, "ProvisionedThroughputExceededException"),
            4,
            ErrorKind::Throttled,
        ),
        (json(500, "InternalFailure"), 4, ErrorKind::Transient),
        (Answer::that(How::Silence), 4, ErrorKind::Transient),
        (json(400, "AccessDeniedException"), 1, ErrorKind::Denied),
    ] {
        let is_silent = answer.how == How::Silence;
        let service = Service::answering([answer]);
        let mut producer = producer(&service, is_silent).await;
        producer.append(&mut batch(1)).await.unwrap();
        let error = producer.flush().await.unwrap_err();
        assert_eq!((error.kind, service.requests().len()), (kind, calls));
        // Nothing goes behind the gap.
        assert_eq!(producer.append(&mut batch(1)).await.unwrap_err().kind, kind);
    }
}
