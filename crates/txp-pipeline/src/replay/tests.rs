//! A replay folds what the running pipeline folds, says who wrote it, and can be cut anywhere.

use super::*;
use crate::memory::MemoryState;
use crate::port::{SourceBatch, TransactionStore as _};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::{Event, RowEncoder, RowEvent, RowOutcome};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::row::{CardFacts, Facts, TimeSource, TransactionType};
use txp_domain::time::Timestamp;
use txp_domain::transaction::Writer;
use txp_domain::violation::{Code, Violation, Violations};

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("memory never waits"),
    }
}

fn facts<'a>(transaction_id: &'a str, minor: u64) -> Facts<'a> {
    Facts {
        transaction_id,
        merchant_id: "m",
        amount: Amount(minor),
        currency: Currency::USD,
        kind: TransactionType::Sale,
        original_transaction_id: None,
        terminal_id: Some("till"),
        country: None,
        mcc: None,
        timestamp: Timestamp(7_000_000_000),
        time_source: TimeSource::File,
        card: CardFacts {
            last4: Last4(*b"4242"),
            brand: Brand::Visa,
            fingerprint: Fingerprint([7; 16]),
        },
    }
}

fn place(sequence: u64) -> Position {
    Position {
        bucket: Bucket(3),
        sequence: Sequence::from(sequence),
        subsequence: 0,
    }
}

/// Two sales, a repeat of the first, a chargeback, an invalid row, and bytes that are no event.
fn history() -> SourceBatch {
    let upload = UploadId::new(5, [5; 6]);
    let encoder = RowEncoder::new(upload, Timestamp(9_000_000_000), "bcdfghjk");
    let chargeback = Facts {
        kind: TransactionType::Chargeback,
        original_transaction_id: Some("a"),
        ..facts("c", 100)
    };
    let mut batch = SourceBatch::default();
    let rows = [
        facts("a", 100),
        facts("b", 200),
        facts("a", 100),
        chargeback,
    ];
    for (record, row) in (1..).zip(&rows) {
        let mut bytes = Vec::new();
        encoder.valid(record, record + 1, row, &mut bytes);
        batch.push(place(record), 1_000, &[&bytes]);
    }
    let mut violations = Violations::new();
    violations.push(Violation::of(Code::ALL[0], txp_domain::row::Column::ALL[0]));
    let mut bytes = Vec::new();
    encoder.rejected(5, 6, Some(("m", "d")), &violations, &mut bytes);
    batch.push(place(5), 1_000, &[&bytes]);
    batch.push(place(6), 1_000, &[b"{\"type\":\"unknown\"}"]);
    batch
}

#[test]
fn a_batch_gives_the_events_that_were_recorded() {
    let raw = history();
    let mut batch = ReadBatch::default();
    // Twice: nothing of the first time stays.
    batch.read(&raw, "before".to_owned());
    batch.read(&raw, "place".to_owned());
    assert_eq!((batch.len(), &*batch.cursor), (6, "place"));
    let read: Vec<_> = batch.deliveries().collect();
    let expected: Vec<_> = raw
        .events()
        .filter_map(|recorded| {
            let event = txp_domain::event::decode(recorded.bytes).ok()?;
            Some((recorded.position.clone(), format!("{:?}", event.event())))
        })
        .collect();
    let read: Vec<_> = read
        .iter()
        .map(|delivery| (delivery.position.clone(), format!("{:?}", delivery.event)))
        .collect();
    assert_eq!(read, expected);
    assert_eq!(batch.poisons().len(), 1);
    assert_eq!(batch.poisons()[0].position, place(6));
}

#[test]
fn replaying_again_changes_nothing_and_items_say_who_wrote_them() {
    let mut batch = ReadBatch::default();
    batch.read(&history(), "6".to_owned());
    let mut store = MemoryState::default();
    let mut replay = Replay::new("someone");
    run(replay.fold(&mut store, &batch)).unwrap();
    let counted = replay.counted;
    assert_eq!((counted.events, counted.unreadable), (6, 1));
    assert_eq!((counted.rows.accepted, counted.rows.duplicates), (3, 1));
    assert_eq!((counted.rows.rejected, counted.rows.total()), (1, 5));
    let items: Vec<_> = ["a", "b", "c", "d"]
        .map(|id| run(store.load("m", id)).unwrap().expect("it is there"))
        .into();
    for item in &items {
        assert_eq!(item.writer, Writer::Replay("someone".into()));
    }
    assert_eq!(items[0].disputes.len(), 1);
    run(replay.fold(&mut store, &batch)).unwrap();
    assert_eq!(
        replay.counted.rows, counted.rows,
        "each row is counted once"
    );
    for item in items {
        let again = run(store.load("m", &item.key.transaction_id)).unwrap();
        assert_eq!(again, Some(item));
    }
}

#[test]
fn rows_keep_what_is_optional() {
    let mut batch = ReadBatch::default();
    batch.read(&history(), String::new());
    let first = batch.deliveries().next().unwrap();
    let Event::Row(RowEvent {
        outcome: RowOutcome::Valid { facts, key_id },
        ..
    }) = first.event
    else {
        panic!("a valid row");
    };
    assert_eq!((facts.terminal_id, key_id), (Some("till"), "bcdfghjk"));
    assert_eq!(facts.original_transaction_id, None);
}

#[test]
fn an_id_is_that_of_the_part_of_the_history() {
    let id = replay_id("local:/a", None, None);
    assert_eq!(id, replay_id("local:/a", None, None));
    assert_eq!(id.len(), 16);
    assert!(id.bytes().all(|letter| letter.is_ascii_lowercase()));
    for other in [
        replay_id("local:/b", None, None),
        replay_id("local:/a", Some(0), None),
        replay_id("local:/a", None, Some(0)),
    ] {
        assert_ne!(other, id);
    }
}

#[test]
fn a_plan_says_how_long_and_how_much() {
    let plan = Plan {
        id: "b".to_owned(),
        source: "local:/a".to_owned(),
        from: None,
        to: None,
        into: "dynamodb:t".to_owned(),
        target: "a new table",
        events: None,
        is_counted: false,
        events_from: "",
        seconds: None,
        cost: Vec::new(),
        micro_usd: 0,
        side_effects: Vec::new(),
    };
    let size = SourceSize {
        events: Some(10_000_000),
        is_counted: true,
        ..SourceSize::default()
    };
    let directory = plan.clone().with_size(&size, TargetKind::Directory);
    assert_eq!((directory.seconds, directory.micro_usd), (Some(25), 0));
    let table = plan.clone().with_size(&size, TargetKind::Table);
    // 25 s of folding and 10,000,000 / 4,000 of writing; 10 million write units at 0.625 USD each.
    assert_eq!((table.seconds, table.micro_usd), (Some(2_525), 6_250_000));
    assert_eq!(money(table.micro_usd), "6.25 USD");
    let live = plan.clone().with_size(&size, TargetKind::LiveTable);
    assert_eq!(live.micro_usd, 7_500_000);
    let unknown = plan.with_size(&SourceSize::default(), TargetKind::Table);
    assert_eq!((unknown.events, unknown.seconds), (None, None));
    assert_eq!(money(1), "0.01 USD");
}
