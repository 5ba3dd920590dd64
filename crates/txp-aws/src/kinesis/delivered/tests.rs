//! What Lambda delivers, whole and damaged.

use super::*;
use crate::kinesis::aggregate::Aggregate;
use txp_domain::position::Bucket;

const NUMBERS: [&str; 3] = [
    "49590338271490256608559692538361571095921575989136588898",
    "49590338271490256608559692540925702759324208523137515618",
    "49590338271490256608559692540925702759324208523137515620",
];

fn record(number: &str, data: &str, arrival: &str) -> String {
    format!(
        r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"m1/t1","sequenceNumber":"{number}","data":"{data}","approximateArrivalTimestamp":{arrival}}},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:{number}","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::123456789012:role/r","awsRegion":"us-east-2","eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/s"}}"#
    )
}

fn delivered(records: &[String]) -> Result<Delivered, PortError> {
    let event = format!(r#"{{"Records":[{}]}}"#, records.join(","));
    Delivered::of(serde_json::from_str(&event).unwrap())
}

#[test]
fn events_know_their_record_and_their_place() {
    let mut aggregate = Aggregate::new(Bucket(0));
    for data in [&b"one"[..], b"two"] {
        aggregate.push("m1/t1", data);
    }
    let aggregated = STANDARD.encode(aggregate.finish().unwrap().data);
    let delivered = delivered(&[
        record(NUMBERS[0], "aGVsbG8=", "1545084650.987"),
        record(NUMBERS[1], &aggregated, "1545084711.5"),
        record(NUMBERS[2], "not base64!", "1545084712"),
    ]);
    let delivered = delivered.unwrap();
    let batch = delivered.batch();
    let events = batch.events();
    let bytes: Vec<_> = events.iter().map(|event| event.bytes).collect();
    assert_eq!(bytes, [&b"hello"[..], b"one", b"two", b""]);
    let arrivals: Vec<_> = events.iter().map(|event| event.arrival_millis).collect();
    assert_eq!(
        arrivals,
        [
            1_545_084_650_987,
            1_545_084_711_500,
            1_545_084_711_500,
            1_545_084_712_000
        ]
    );
    assert_eq!(events[0].position.bucket, Bucket::of(b"m1/t1"));
    assert_eq!(events[2].position.bucket, Bucket(0));
    assert_eq!(events[2].position.subsequence, 1);
    assert_eq!(events[2].position.sequence.to_string(), NUMBERS[1]);
    let numbers: Vec<_> = (0..5).map(|at| batch.sequence_number_of(at)).collect();
    let [a, b, c] = NUMBERS.map(Some);
    assert_eq!(numbers, [a, b, b, c, None]);
    let shards: Vec<_> = batch
        .by_shard()
        .map(|(shard, first, events)| (shard, first, events.len()))
        .collect();
    assert_eq!(shards, [("shardId-000000000006", 0, 4)]);
}

#[test]
fn what_is_not_from_a_stream_is_refused() {
    assert!(delivered(&[record("x", "", "0")]).is_err());
    for event in ["{}", "[]", r#"{"Records":[{}]}"#, r#"{"Records":null}"#] {
        assert!(
            serde_json::from_str::<KinesisEvent>(event).is_err(),
            "{event}"
        );
    }
    assert!(delivered(&[]).unwrap().batch().events().is_empty());
}
