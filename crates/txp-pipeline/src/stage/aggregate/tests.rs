//! The stage against a fold of one event after the other: batches, failures, repeats, collisions.

pub(crate) mod memory;
pub(crate) mod recorded;

use super::*;
use crate::rulefile::default_rules;
use memory::{Fault, Memory, now};
use proptest::prelude::*;
use std::collections::BTreeMap;
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::{
    BucketRecords, RejectedRow, RowOutcome, UploadEvent, UploadParsed, UploadTally,
};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::row::{CardFacts, Facts, TimeSource, TransactionType};
use txp_domain::rule::{Judged, Occasion, judge};
use txp_domain::time::Timestamp;
use txp_domain::transaction::Status;
use txp_domain::upload::Upload;

fn upload(n: u8) -> UploadId {
    UploadId::new(u64::from(n), [n; 6])
}

fn facts(transaction_id: &'static str, minor: u64) -> Facts<'static> {
    Facts {
        transaction_id,
        merchant_id: "m",
        amount: Amount(minor),
        currency: Currency::USD,
        kind: TransactionType::Sale,
        original_transaction_id: None,
        terminal_id: None,
        country: None,
        mcc: None,
        timestamp: Timestamp(7),
        time_source: TimeSource::File,
        card: CardFacts {
            last4: Last4(*b"4242"),
            brand: Brand::Visa,
            fingerprint: Fingerprint([7; 16]),
        },
    }
}

fn chargeback(transaction_id: &'static str, original: &'static str) -> Facts<'static> {
    Facts {
        kind: TransactionType::Chargeback,
        original_transaction_id: Some(original),
        ..facts(transaction_id, 5)
    }
}

fn row(n: u8, record: u64, outcome: RowOutcome<'static>) -> Event<'static> {
    Event::Row(RowEvent {
        upload_id: upload(n),
        uploaded_at: Timestamp(9),
        record,
        line: record + 1,
        outcome,
    })
}

fn valid(n: u8, record: u64, facts: Facts<'static>) -> Event<'static> {
    let key_id = "bcdfghjk";
    row(n, record, RowOutcome::Valid { facts, key_id })
}

fn rejected(n: u8, record: u64, ids: Option<(&'static str, &'static str)>) -> Event<'static> {
    let violations = "[]";
    row(
        n,
        record,
        RowOutcome::Rejected(RejectedRow { ids, violations }),
    )
}

/// The end of an upload: the last record of each bucket among its rows.
fn parsed(n: u8, rows: &[Event<'static>]) -> Event<'static> {
    let mut ends = BTreeMap::new();
    for event in rows {
        if let Event::Row(row) = event
            && row.upload_id == upload(n)
        {
            ends.insert(Bucket::of(event.partition_key().as_bytes()).0, row.record);
        }
    }
    Event::Upload(Box::new(UploadEvent::Parsed(UploadParsed {
        upload_id: upload(n),
        uploaded_at: Timestamp(9),
        trace: None,
        tally: UploadTally {
            last_record_by_bucket: BucketRecords(ends),
            ..UploadTally::default()
        },
    })))
}

fn deliveries(events: &[Event<'static>]) -> Vec<Delivery<'static>> {
    (1..)
        .zip(events)
        .map(|(sequence, event)| Delivery {
            position: Position {
                bucket: Bucket::of(event.partition_key().as_bytes()),
                sequence: Sequence::from(sequence),
                subsequence: 0,
            },
            arrival_millis: 1_000,
            event: event.clone(),
        })
        .collect()
}

/// What a fold of one event after the other gives, without any store.
#[derive(Debug, Default, PartialEq)]
struct Folded {
    items: BTreeMap<(String, String), Transaction>,
    uploads: BTreeMap<UploadId, Upload>,
    changes: Vec<Change>,
}

impl Folded {
    fn of(deliveries: &[Delivery<'static>]) -> Self {
        let mut all = Self::default();
        for (at, delivery) in deliveries.iter().enumerate() {
            match &delivery.event {
                Event::Row(row) => all.row(at, delivery, row),
                Event::Upload(event) => {
                    let id = event.upload_id();
                    let upload = all.uploads.entry(id).or_insert_with(|| Upload::new(id));
                    upload.apply(event, delivery.arrival_millis);
                    upload.close(delivery.arrival_millis);
                }
                _ => {}
            }
        }
        all.without_revisions()
    }

    fn item(&mut self, merchant_id: &str, transaction_id: &str) -> &mut Transaction {
        self.items
            .entry((merchant_id.into(), transaction_id.into()))
            .or_insert_with(|| Transaction::empty(merchant_id, transaction_id))
    }

    fn row(&mut self, at: usize, delivery: &Delivery<'static>, row: &RowEvent<'static>) {
        let bucket = delivery.position.bucket;
        if self.upload(row.upload_id).is_repeat(bucket, row.record) {
            return;
        }
        let mut class = Class::Rejected;
        if let Some((merchant_id, transaction_id)) = row.ids() {
            let item = self.item(merchant_id, transaction_id);
            let applied = item.apply_row(row, &delivery.position, delivery.arrival_millis);
            let standing = item.first.clone().map(Box::new);
            class = applied.class;
            if let Some(facts_revision) = applied.facts_revision {
                self.changes.push(Change {
                    delivery: at,
                    facts_revision,
                    standing: standing.filter(|_| class == Class::Conflict),
                });
            }
            if let (Class::Accepted, Some(link)) = (class, row.dispute_link()) {
                self.item(link.merchant_id, link.original_transaction_id)
                    .link_dispute(link.event);
            }
        }
        let upload = self.upload(row.upload_id);
        upload.count(bucket, row.record, class);
        upload.close(delivery.arrival_millis);
    }

    fn upload(&mut self, id: UploadId) -> &mut Upload {
        self.uploads.entry(id).or_insert_with(|| Upload::new(id))
    }

    /// Links come in any order, so only their set and not the count of writes is the same.
    fn without_revisions(mut self) -> Self {
        self.items.values_mut().for_each(|item| item.revision = 0);
        self
    }
}

fn stored(memory: Memory, changes: Vec<Change>) -> Folded {
    let Memory { items, uploads, .. } = memory;
    Folded {
        items,
        uploads,
        changes,
    }
    .without_revisions()
}

/// Folds in batches of these sizes, delivering again from wherever a batch fails.
fn run(memory: &mut Memory, all: &[Delivery<'static>], sizes: &[usize]) -> Vec<Change> {
    let mut stage = Aggregator::default();
    let mut changes = Vec::new();
    let (mut start, mut sizes) = (0, sizes.iter().cycle());
    while start < all.len() {
        let end = (start + sizes.next().unwrap()).min(all.len());
        while start < end {
            let outcome = now(stage.fold(memory, &all[start..end]));
            changes.extend(outcome.changes.into_iter().map(|change| Change {
                delivery: change.delivery + start,
                ..change
            }));
            start = outcome.failed.map_or(end, |(at, _)| start + at);
        }
    }
    changes
}

const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// Rows of two uploads, in order, and writers that start again before where they were.
fn histories() -> impl Strategy<Value = Vec<Event<'static>>> {
    let id = || prop::sample::select(IDS.to_vec());
    let kind = prop_oneof![
        4 => (id(), 0_u64..4).prop_map(|(id, minor)| Some(facts(id, minor))),
        2 => (id(), id()).prop_map(|(id, original)| Some(chargeback(id, original))),
        1 => Just(None),
    ];
    let rows = prop::collection::vec((1..=2_u8, kind, prop::option::of(id())), 1..40);
    let restarts = prop::collection::vec((any::<prop::sample::Index>(), 1..6_usize), 0..4);
    (rows, restarts, any::<bool>()).prop_map(|(rows, restarts, ends_last)| {
        let rows: Vec<_> = (1..)
            .zip(rows)
            .map(|(record, (n, facts, id))| match facts {
                Some(facts) => valid(n, record, facts),
                None => rejected(n, record, id.map(|id| ("m", id))),
            })
            .collect();
        let mut ends = vec![parsed(1, &rows), parsed(2, &rows)];
        let mut sent = Vec::new();
        if !ends_last {
            sent.append(&mut ends);
        }
        for (at, event) in rows.iter().enumerate() {
            sent.push(event.clone());
            for (restart, back) in &restarts {
                if restart.index(rows.len()) == at {
                    sent.extend_from_slice(&rows[(at + 1).saturating_sub(*back)..=at]);
                }
            }
        }
        sent.append(&mut ends);
        sent
    })
}

proptest! {
    /// However the history is cut into batches, states, counts and the feed are those of the fold.
    #[test]
    fn batches_change_nothing(
        events in histories(),
        sizes in prop::collection::vec(1..20_usize, 1..5),
    ) {
        let all = deliveries(&events);
        let mut memory = Memory::default();
        let changes = run(&mut memory, &all, &sizes);
        prop_assert_eq!(stored(memory, changes), Folded::of(&all));
    }

    /// Whichever call of a port fails, before or after its effect: delivered again, all is the same.
    #[test]
    fn failures_change_nothing(
        events in histories(),
        size in 1..50_usize,
        call in 0..60_u32,
        fault in prop::sample::select(vec![Fault::Before, Fault::After]),
    ) {
        let all = deliveries(&events);
        let mut memory = Memory::failing(call, fault);
        let mut changes = run(&mut memory, &all, &[size]);
        // What is delivered again is told of again, and only that.
        changes.sort_by_key(|change| change.delivery);
        changes.dedup();
        let (found, expected) = (stored(memory, changes), Folded::of(&all));
        prop_assert_eq!(&found.changes, &expected.changes);
        prop_assert_eq!(&found.uploads, &expected.uploads);
        prop_assert_eq!(found, expected);
    }

    /// Keys whose hashes collide share a group, and nothing else.
    #[test]
    fn collisions_change_nothing(events in histories()) {
        let all = deliveries(&events);
        let (mut memory, mut progress) = (Memory::default(), Progress::default());
        let (mut outcome, mut keyed) = (Outcome::default(), Vec::new());
        let mut classes = vec![None; all.len()];
        let mut work = Work {
            writer: &Writer::Live,
            deliveries: &all,
            outcome: &mut outcome,
            classes: &mut classes,
            passes_over_damage: false,
        };
        now(progress.load(&mut memory, &all, false)).unwrap();
        work.sort_by_key(&mut progress, &mut keyed);
        keyed.iter_mut().for_each(|keyed| *keyed = Keyed::new("", "", keyed.delivery()));
        keyed.sort_unstable();
        now(work.fold_keys(&mut memory, &keyed, &mut Vec::new()));
        prop_assert!(work.outcome.failed.is_none());
        now(progress.advance(&mut memory, &all, &classes, all.len())).unwrap();
        prop_assert_eq!(stored(memory, outcome.changes), Folded::of(&all));
    }
}

#[test]
fn one_key_many_times_in_one_batch() {
    let mut events: Vec<_> = (1..=5)
        .map(|record| valid(1, record, facts("a", 1)))
        .collect();
    events.push(valid(1, 6, facts("a", 2)));
    events.push(rejected(1, 7, Some(("m", "a"))));
    events.push(valid(2, 1, facts("a", 1)));
    let all = deliveries(&events);
    let mut memory = Memory::default();
    let changes = run(&mut memory, &all, &[100]);
    let due: Vec<_> = changes
        .iter()
        .map(|c| (c.delivery, c.facts_revision))
        .collect();
    assert_eq!(due, [(0, 1), (5, 2)]);
    let counts = memory.uploads[&upload(1)].counts;
    assert_eq!(
        (
            counts.accepted,
            counts.duplicates,
            counts.conflicts,
            counts.rejected
        ),
        (1, 4, 1, 1)
    );
    assert_eq!(memory.uploads[&upload(2)].counts.duplicates, 1);
}

#[test]
fn a_plain_first_sight_is_not_read() {
    let events: Vec<_> = IDS
        .iter()
        .zip(1..)
        .map(|(id, record)| valid(1, record, facts(id, 1)))
        .collect();
    let mut memory = Memory::default();
    run(&mut memory, &deliveries(&events), &[100]);
    assert_eq!((memory.loads, memory.items.len()), (0, 4));
}

#[test]
fn a_contended_item_is_tried_again_and_then_given_back() {
    let events = [valid(1, 1, chargeback("a", "o"))];
    let all = deliveries(&events);
    for (conflicts, is_given_back) in [(CONFLICT_ATTEMPTS_MAX - 1, false), (u32::MAX, true)] {
        let mut memory = Memory::default();
        memory.conflicts = conflicts;
        let outcome = now(Aggregator::default().fold(&mut memory, &all));
        let failed = outcome.failed.map(|(at, error)| (at, error.kind));
        assert_eq!(failed, is_given_back.then_some((0, ErrorKind::Transient)));
        assert_eq!(outcome.changes.is_empty(), is_given_back);
    }
}

#[test]
fn a_finding_is_folded_once_and_told_of_each_time() {
    let row = valid(1, 1, facts("a", 2_000_000));
    let Event::Row(accepted) = &row else {
        unreachable!("it is a row")
    };
    let judged = Judged {
        event_id: accepted.event_id(),
        facts: facts("a", 2_000_000),
        facts_revision: 1,
        occasion: Occasion::FirstAccepted,
    };
    let rules = default_rules().unwrap().rules;
    let finding = judge(&rules, &judged, &mut Default::default()).unwrap();
    let time = Timestamp(9);
    let flagged = Event::AnomalyFlagged(Box::new(AnomalyFlagged { finding, time }));
    let all = deliveries(&[row.clone(), flagged.clone(), flagged]);
    let (mut memory, mut stage) = (Memory::default(), Aggregator::default());
    let outcome = now(stage.fold(&mut memory, &all));
    assert_eq!((outcome.flagged, outcome.changes.len()), (vec![1, 2], 1));
    let item = &memory.items[&("m".to_owned(), "a".to_owned())];
    assert_eq!(item.status(), Status::Flagged);
    assert_eq!(
        (item.flags.len(), item.facts_revision, item.revision),
        (1, 1, 2)
    );
}
