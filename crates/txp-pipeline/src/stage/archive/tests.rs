//! Objects by name and by byte: days, poison, deliveries that come again.

use super::*;
use crate::history::read_line;
use crate::port::Poison;
use crate::stage::aggregate::tests::memory::now;
use crate::stage::aggregate::tests::recorded::{Aside, Instant};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use txp_domain::event::{Event, RulesetActivated, encode};
use txp_domain::position::{Bucket, Position};
use txp_domain::time::Timestamp;

/// 2023-11-14T23:59:59.900Z.
const BEFORE_MIDNIGHT: i64 = 1_700_006_399_900;

#[derive(Default)]
struct Folder {
    objects: BTreeMap<String, Vec<u8>>,
    /// Calls that fail before one succeeds.
    failures: u32,
    kind: Option<ErrorKind>,
}

impl ArchiveSink for Folder {
    async fn put(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), PortError> {
        if self.failures > 0 {
            self.failures -= 1;
            let kind = self.kind.unwrap_or(ErrorKind::Throttled);
            return Err(PortError::new(kind, "not now"));
        }
        self.objects.insert(name.to_owned(), bytes);
        Ok(())
    }
}

fn event(activation: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let activated = RulesetActivated {
        activation,
        version: "v".to_owned(),
        sha256: "0".repeat(64),
        activated_by: "tests".to_owned(),
        activated_at: Timestamp::EPOCH,
        rules: serde_json::json!({}),
    };
    encode(&Event::RulesetActivated(Box::new(activated)), &mut bytes).unwrap();
    bytes
}

/// One event a record; the arrivals are milliseconds from [`BEFORE_MIDNIGHT`].
fn batch<'a>(events: &'a [(i64, Vec<u8>)]) -> Vec<Recorded<'a>> {
    (100..)
        .zip(events)
        .map(|(sequence, (later, bytes))| Recorded {
            position: Position {
                bucket: Bucket(9),
                sequence: Sequence::from(sequence),
                subsequence: 2,
            },
            arrival_millis: BEFORE_MIDNIGHT + later,
            bytes,
        })
        .collect()
}

fn lines(gzip: &[u8]) -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(gzip).read_to_string(&mut text).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

fn archived(folder: &mut Folder, batch: &[Recorded<'_>]) -> (Archived, Vec<Poison>) {
    let (mut aside, clock) = (Aside::default(), Instant::default());
    let archived = now(archive(
        folder,
        &mut aside,
        &clock,
        "shardId-000000000003",
        batch,
    ));
    (archived, aside.poisons)
}

#[test]
fn a_delivery_over_midnight_makes_two_objects() {
    let events: Vec<_> = [0, 50, 100, 99, 300]
        .into_iter()
        .zip((1..).map(event))
        .collect();
    let batch = batch(&events);
    let mut folder = Folder::default();
    let (outcome, _) = archived(&mut folder, &batch);
    assert!(outcome.failed.is_none());
    assert_eq!(outcome.events, 5);
    let names: Vec<_> = folder.objects.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "date=2023-11-14/shardId-000000000003-100-101.ndjson.gz",
            "date=2023-11-15/shardId-000000000003-102-104.ndjson.gz",
        ],
        "the fourth arrived a millisecond too early and stays in order"
    );
    let all: Vec<_> = folder
        .objects
        .values()
        .flat_map(|gzip| lines(gzip))
        .collect();
    for (line, recorded) in all.iter().zip(&batch) {
        let read = read_line(line.as_bytes()).unwrap();
        assert_eq!(read.position, recorded.position);
        assert_eq!(read.arrival_millis, recorded.arrival_millis);
        assert_eq!([read.attributes, b"}"].concat(), recorded.bytes);
    }
    assert_eq!(all.len(), batch.len());
}

/// Whatever becomes of the first try, the second writes the same bytes under the same names.
#[test]
fn a_delivery_that_comes_again_writes_the_same() {
    let events: Vec<_> = [0, 50, 100].into_iter().zip((1..).map(event)).collect();
    let batch = batch(&events);
    let mut folder = Folder::default();
    let (_, _) = archived(&mut folder, &batch);
    let first = folder.objects.clone();
    folder.failures = 3;
    let (outcome, _) = archived(&mut folder, &batch);
    assert!(outcome.failed.is_none(), "what may pass is tried again");
    assert_eq!(folder.objects, first);
}

#[test]
fn poison_is_put_aside_and_not_archived() {
    let events = [
        (0, b"hello".to_vec()),
        (0, event(1)),
        (0, vec![]),
        (0, event(2)),
        (0, b"{}".to_vec()),
    ];
    let batch = batch(&events);
    let mut folder = Folder::default();
    let (outcome, poisons) = archived(&mut folder, &batch);
    assert_eq!((outcome.events, outcome.quarantined), (2, 3));
    let numbers: Vec<_> = poisons
        .iter()
        .map(|p| p.position.sequence.to_string())
        .collect();
    assert_eq!(numbers, ["100", "102", "104"]);
    let name = "date=2023-11-14/shardId-000000000003-101-103.ndjson.gz";
    assert_eq!(lines(&folder.objects[name]).len(), 2);
    let only_poison = [(0, b"hello".to_vec())];
    let mut empty = Folder::default();
    let (outcome, _) = archived(&mut empty, &self::batch(&only_poison));
    assert!(outcome.failed.is_none() && empty.objects.is_empty());
}

/// An event as a newer txp may record it.
fn of_the_future(kind: &str, version: u32, data: &str) -> Vec<u8> {
    let event = format!(
        r#"{{"specversion":"1.0","id":"x:1","source":"/uploads/x","type":"{kind}","subject":"m/t","time":"2026-01-01T00:00:00Z","dataschema":"schemas/{kind}/{version}.json","data":{data}}}"#
    );
    event.into_bytes()
}

/// The stream forgets it: whoever folds the archive with a newer txp is to have it, at its place.
#[test]
fn an_event_of_a_newer_txp_is_archived_as_it_was_recorded() {
    let events = [
        (0, of_the_future("transaction.accepted", 99, r#"{"a": 1}"#)),
        (0, event(1)),
        (0, of_the_future("transaction.settled", 1, "{\n}")),
        // A type that is known, of a version that is known, and not as it should be.
        (0, of_the_future("transaction.accepted", 1, "{}")),
        // What could be a card number is kept nowhere.
        (0, of_the_future("transaction.settled", 1, r#"{"n":"4242-4242-4242-4242"}"#)),
        (0, of_the_future("transaction.settled", 1, r#"{"n":4242424242424242}"#)),
        // Somebody else's.
        (0, br#"{"specversion":"1.0","id":"1","type":"order.placed","time":"2026-01-01T00:00:00Z","dataschema":"https://example.com/order/1.json","data":{}}"#.to_vec()),
    ];
    let batch = batch(&events);
    let mut folder = Folder::default();
    let (outcome, poisons) = archived(&mut folder, &batch);
    assert!(outcome.failed.is_none());
    assert_eq!((outcome.events, outcome.quarantined), (3, 4));
    let numbers: Vec<_> = poisons
        .iter()
        .map(|poison| poison.position.sequence.to_string())
        .collect();
    assert_eq!(numbers, ["103", "104", "105", "106"]);
    let name = "date=2023-11-14/shardId-000000000003-100-102.ndjson.gz";
    let lines = lines(&folder.objects[name]);
    assert_eq!(lines.len(), 3);
    for (line, (_, bytes)) in lines.iter().zip(&events) {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        let recorded: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        for (name, value) in recorded.as_object().unwrap() {
            assert_eq!(&read[name], value, "{name} of {line}");
        }
    }
}

#[test]
fn the_first_event_that_is_not_stored_is_told() {
    let events: Vec<_> = [0, 50, 100].into_iter().zip((1..).map(event)).collect();
    let batch = batch(&events);
    for (failures, kind, expected) in [
        (1, ErrorKind::Denied, Some(0)),
        (6, ErrorKind::Throttled, Some(0)),
        (5, ErrorKind::Transient, None),
    ] {
        let mut folder = Folder {
            failures,
            kind: Some(kind),
            ..Folder::default()
        };
        let (outcome, _) = archived(&mut folder, &batch);
        assert_eq!(outcome.failed.map(|(at, _)| at), expected, "{kind:?}");
        assert_eq!(folder.objects.is_empty(), expected.is_some());
    }
    // Poison that cannot be put aside: what is before it is kept, the rest comes again.
    let mixed = [(0, event(1)), (0, b"hello".to_vec()), (0, event(2))];
    let mixed = self::batch(&mixed);
    let mut folder = Folder::default();
    let mut aside = Aside {
        refuses: true,
        ..Aside::default()
    };
    let clock = Instant::default();
    let outcome = now(archive(&mut folder, &mut aside, &clock, "s", &mixed));
    assert_eq!(outcome.failed.map(|(at, _)| at), Some(1));
    assert_eq!(outcome.events, 1);
}
