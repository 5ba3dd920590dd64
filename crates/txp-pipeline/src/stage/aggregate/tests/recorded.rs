//! A delivered batch: poison is put aside, what may pass is tried again, what lasts is given back.

use super::memory::{Fault, Memory, now};
use super::*;
use crate::history::Recorded;
use crate::port::{Clock, Poison, Quarantine};
use crate::stage::aggregate::history;
use std::cell::Cell;
use txp_domain::event::encode;

/// A clock whose waiting takes no time and is counted.
#[derive(Default)]
pub(crate) struct Instant {
    pub(crate) waits: Cell<u32>,
}

impl Clock for Instant {
    fn now(&self) -> Timestamp {
        Timestamp(2_000_000_000)
    }

    async fn sleep(&self, _millis: u64) {
        self.waits.set(self.waits.get() + 1);
    }

    fn jitter(&self) -> u64 {
        7
    }
}

/// A quarantine that can be out of order.
#[derive(Default)]
pub(crate) struct Aside {
    pub(crate) poisons: Vec<Poison>,
    pub(crate) refuses: bool,
}

impl Quarantine for Aside {
    async fn put(&mut self, poison: &Poison) -> Result<(), PortError> {
        if self.refuses {
            return Err(PortError::new(ErrorKind::Denied, "not allowed"));
        }
        self.poisons.push(poison.clone());
        Ok(())
    }
}

fn bytes_of(events: &[Event<'static>]) -> Vec<Vec<u8>> {
    let encoded = |event| {
        let mut bytes = Vec::new();
        encode(event, &mut bytes).unwrap();
        bytes
    };
    events.iter().map(encoded).collect()
}

fn recorded(bytes: &[Vec<u8>]) -> Vec<Recorded<'_>> {
    (1..)
        .zip(bytes)
        .map(|(sequence, bytes)| Recorded {
            position: Position {
                bucket: Bucket(3),
                sequence: Sequence::from(sequence),
                subsequence: 0,
            },
            arrival_millis: 1_000,
            bytes,
        })
        .collect()
}

const POISON: [&[u8]; 5] = [
    b"",
    b"hello",
    b"[\"1.0\"]",
    br#"{"specversion":"1.0","id":"x","source":"/x","type":"else.where","subject":"x","time":"2026-01-01T00:00:00Z","dataschema":"schemas/else.where/1.json","data":{}}"#,
    &[0xFF; 1 << 20],
];

fn rows() -> Vec<Event<'static>> {
    vec![
        valid(1, 1, facts("a", 5)),
        valid(1, 2, facts("b", 5)),
        valid(1, 3, facts("a", 5)),
        rejected(1, 4, None),
    ]
}

fn with_poison() -> Vec<Vec<u8>> {
    let mut bytes = bytes_of(&rows());
    for (at, poison) in POISON.into_iter().enumerate() {
        bytes.insert(at.min(3), poison.to_vec());
    }
    bytes
}

#[test]
fn poison_is_put_aside_and_the_rest_is_folded() {
    let (mut store, mut aside, clock) = (Memory::default(), Aside::default(), Instant::default());
    let bytes = with_poison();
    let batch = recorded(&bytes);
    let folded = now(Aggregator::default().fold_recorded(&mut store, &mut aside, &clock, &batch));
    assert!(folded.failed.is_none(), "{:?}", folded.failed);
    let expected = ClassCounts {
        accepted: 2,
        rejected: 1,
        duplicates: 1,
        conflicts: 0,
    };
    assert_eq!(folded.counts, expected);
    assert_eq!(store.uploads[&upload(1)].counts, expected);
    assert_eq!(folded.quarantined, POISON.len() as u64);
    for poison in &aside.poisons {
        let at = usize::try_from(poison.position.sequence.as_u64().unwrap()).unwrap() - 1;
        assert!(POISON.contains(&batch[at].bytes));
        assert_eq!(poison.stage, STAGE);
        for word in ["hello", "else.where"] {
            assert!(!poison.reason.contains(word), "{}", poison.reason);
        }
    }
}

#[test]
fn an_event_with_unknown_fields_is_folded() {
    let mut bytes = bytes_of(&rows());
    for event in &mut bytes {
        let text = String::from_utf8(event.clone()).unwrap();
        let text = text.replace(
            "{\"specversion\"",
            "{\"traceparent\":\"00-1\",\"specversion\"",
        );
        *event = text
            .replace("\"data\":{", "\"data\":{\"new\":[1],")
            .into_bytes();
    }
    let (mut store, mut aside, clock) = (Memory::default(), Aside::default(), Instant::default());
    let batch = recorded(&bytes);
    let folded = now(Aggregator::default().fold_recorded(&mut store, &mut aside, &clock, &batch));
    assert!(folded.failed.is_none() && aside.poisons.is_empty());
    assert_eq!(folded.counts.total(), 4);
}

#[test]
fn poison_that_cannot_be_put_aside_stops_the_batch_there() {
    let (mut store, clock) = (Memory::default(), Instant::default());
    let mut aside = Aside {
        refuses: true,
        ..Aside::default()
    };
    let mut bytes = bytes_of(&rows());
    bytes.insert(2, b"hello".to_vec());
    let batch = recorded(&bytes);
    let mut aggregator = Aggregator::default();
    let folded = now(aggregator.fold_recorded(&mut store, &mut aside, &clock, &batch));
    assert_eq!(folded.failed.map(|(at, _)| at), Some(2));
    assert_eq!(folded.counts.total(), 2);
    aside.refuses = false;
    let folded = now(aggregator.fold_recorded(&mut store, &mut aside, &clock, &batch));
    assert!(folded.failed.is_none());
    assert_eq!(folded.counts.total(), 2, "the first two are repeats");
}

#[test]
fn what_may_pass_is_tried_again_within_the_delivery() {
    let bytes = bytes_of(&rows());
    let batch = recorded(&bytes);
    let fold = |store: &mut Memory| {
        let (mut aside, clock) = (Aside::default(), Instant::default());
        let mut aggregator = Aggregator::default();
        let folded = now(aggregator.fold_recorded(store, &mut aside, &clock, &batch));
        (folded, clock.waits.get())
    };
    let mut undisturbed = Memory::default();
    assert_eq!(fold(&mut undisturbed).1, 0);
    let mut faults = 0;
    for call in 0..6 {
        for fault in [Fault::Before, Fault::After] {
            let mut store = Memory::failing(call, fault);
            let (folded, waits) = fold(&mut store);
            assert!(folded.failed.is_none(), "{call} {fault:?}");
            assert!(waits <= 1, "{call} {fault:?}");
            faults += waits;
            assert_eq!(store.items, undisturbed.items, "{call} {fault:?}");
            assert_eq!(store.uploads, undisturbed.uploads, "{call} {fault:?}");
        }
    }
    assert!(faults > 6, "{faults} of them came about");
}

#[test]
fn what_lasts_is_given_back_from_the_first_event_that_is_not_folded() {
    let mut contended = Memory::contended();
    let bytes = bytes_of(&[valid(1, 1, facts("a", 5)), valid(1, 2, facts("a", 6))]);
    let batch = recorded(&bytes);
    let (mut aside, clock) = (Aside::default(), Instant::default());
    let mut aggregator = Aggregator::default();
    let folded = now(aggregator.fold_recorded(&mut contended, &mut aside, &clock, &batch));
    assert_eq!(folded.failed.map(|(at, _)| at), Some(1));
    assert_eq!(folded.counts.accepted, 1);
    assert_eq!(clock.waits.get(), 5);
}

/// Folds a batch over a store; what was put aside, by sequence.
fn folded(
    store: &mut Memory,
    events: &[Event<'static>],
    refuses: bool,
) -> (history::Folded, Vec<u64>) {
    let (bytes, clock) = (bytes_of(events), Instant::default());
    let mut aside = Aside {
        refuses,
        ..Aside::default()
    };
    let batch = recorded(&bytes);
    let folding = now(Aggregator::default().fold_recorded(store, &mut aside, &clock, &batch));
    let at = |poison: &Poison| poison.position.sequence.as_u64().unwrap();
    (folding, aside.poisons.iter().map(at).collect())
}

#[test]
fn a_damaged_item_is_put_aside_and_the_rest_is_folded_and_counted() {
    let events = [
        valid(1, 1, facts("a", 5)),
        valid(1, 2, facts("b", 5)),
        valid(1, 3, facts("b", 6)),
        valid(1, 4, facts("c", 5)),
        valid(1, 5, facts("b", 5)),
    ];
    let mut store = Memory::default();
    let (first, _) = folded(&mut store, &events[..2], false);
    assert_eq!(first.counts.accepted, 2);
    store.damaged_item = Some("b");
    // It cannot be put aside: nothing behind it is counted, so that it comes again.
    let (stopped, aside) = folded(&mut store, &events, true);
    assert_eq!(
        stopped.failed.map(|(at, error)| (at, error.kind)),
        Some((2, ErrorKind::Denied))
    );
    assert_eq!((stopped.counts.total(), aside), (0, vec![]));
    let (passed, aside) = folded(&mut store, &events, false);
    assert!(passed.failed.is_none(), "{:?}", passed.failed);
    assert_eq!((passed.quarantined, aside), (2, vec![3, 5]));
    assert_eq!(passed.counts.total(), 1, "the row of c");
    assert_eq!(store.uploads[&upload(1)].counts.total(), 3);
    assert!(store.items.keys().any(|(_, id)| id == "c"));
    // It is there once and for all.
    let (again, aside) = folded(&mut store, &events[..4], false);
    assert!(again.failed.is_none() && aside.is_empty());
}

#[test]
fn an_upload_whose_progress_is_damaged_is_put_aside_row_by_row() {
    let mut events = vec![
        valid(1, 1, facts("a", 5)),
        valid(2, 1, facts("b", 5)),
        valid(1, 2, facts("c", 5)),
    ];
    events.push(parsed(1, &events));
    events.push(parsed(2, &events));
    let mut store = Memory::default();
    store.damaged_upload = Some(upload(1));
    let (passed, aside) = folded(&mut store, &events, false);
    assert!(passed.failed.is_none(), "{:?}", passed.failed);
    assert_eq!(aside, [1, 3, 4]);
    assert_eq!(passed.counts.accepted, 1);
    let keys: Vec<_> = store.items.keys().map(|(_, id)| id.as_str()).collect();
    assert_eq!(keys, ["b"]);
    assert!(store.uploads[&upload(2)].ending.is_some());
}

/// The embedded host folds again from an earlier checkpoint: there damage is an error as any other.
#[test]
fn without_a_place_for_it_damage_stops_the_batch() {
    let events = [valid(1, 1, facts("a", 5)), valid(1, 2, facts("a", 6))];
    let mut store = Memory::default();
    store.damaged_item = Some("a");
    let outcome = now(Aggregator::default().fold(&mut store, &deliveries(&events)));
    let (at, error) = outcome.failed.unwrap();
    assert_eq!((at, error.kind), (1, ErrorKind::Corrupt));
}
