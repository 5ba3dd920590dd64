//! Verify against states that are sound, behind, ahead, edited: whatever the history.

mod threads;

use super::*;
use crate::block_on::block_on;
use crate::replay;
use crate::state::{State, StateView};
use proptest::prelude::*;
use std::path::PathBuf;
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::RowEncoder;
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::row::{CardFacts, Column, Facts, TimeSource, TransactionType};
use txp_domain::time::Timestamp;
use txp_domain::transaction::{Transaction, Writer};
use txp_domain::violation::{Code, Violation, Violations};
use txp_pipeline::port::{EventSource, Progress, SourceBatch, TransactionStore, Written};
use txp_pipeline::replay::ReadBatch;
use txp_pipeline::stage::aggregate::Aggregator;
use txp_pipeline::verify::DriftKind;

/// One row: which transaction, what it says, of which upload and record, when it arrived.
#[derive(Clone, Debug)]
struct Row {
    id: usize,
    minor: u64,
    kind: Kind,
    /// A row that is sent again has the record of the one before it.
    is_again: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Sale,
    Chargeback(usize),
    Bad,
}

const IDS: [&str; 5] = ["t0", "t1", "t2", "t3", "t4"];

/// When event `n` arrived: a second apart.
fn arrival(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap() * 1_000
}

fn sale(id: usize, minor: u64) -> Row {
    Row {
        id,
        minor,
        kind: Kind::Sale,
        is_again: false,
    }
}

fn chargeback(id: usize, original: usize) -> Row {
    Row {
        kind: Kind::Chargeback(original),
        ..sale(id, 5)
    }
}

fn bucket(id: usize) -> Bucket {
    Bucket(u8::try_from(id).unwrap())
}

/// The events of rows, at positions from 1 on, one batch each.
fn history(rows: &[Row]) -> Vec<SourceBatch> {
    let encoder = RowEncoder::new(
        UploadId::new(1, [1; 6]),
        Timestamp(9_000_000_000),
        "bcdfghjk",
    );
    let mut record = 0;
    let rows = (1..).zip(rows);
    rows.map(|(sequence, row)| {
        record += u64::from(!row.is_again || record == 0);
        let facts = Facts {
            transaction_id: IDS[row.id],
            merchant_id: "m",
            amount: Amount(row.minor),
            currency: Currency::USD,
            kind: match row.kind {
                Kind::Chargeback(_) => TransactionType::Chargeback,
                _ => TransactionType::Sale,
            },
            original_transaction_id: match row.kind {
                Kind::Chargeback(original) => Some(IDS[original]),
                _ => None,
            },
            terminal_id: None,
            country: None,
            mcc: None,
            timestamp: Timestamp(7_000_000_000),
            time_source: TimeSource::File,
            card: CardFacts {
                last4: Last4(*b"4242"),
                brand: Brand::Visa,
                fingerprint: Fingerprint([7; 16]),
            },
        };
        let mut bytes = Vec::new();
        if let Kind::Bad = row.kind {
            let mut violations = Violations::new();
            violations.push(Violation::of(Code::ALL[0], Column::ALL[0]));
            let ids = Some(("m", IDS[row.id]));
            encoder.rejected(record, record + 1, ids, &violations, &mut bytes);
        } else {
            encoder.valid(record, record + 1, &facts, &mut bytes);
        }
        let position = Position {
            bucket: bucket(row.id),
            sequence: Sequence::from(sequence),
            subsequence: 0,
        };
        let mut batch = SourceBatch::default();
        batch.push(position, arrival(sequence), &[&bytes]);
        batch
    })
    .collect()
}

/// A history in memory, from a place on.
struct Memory {
    batches: Vec<SourceBatch>,
    next: usize,
}

impl Memory {
    fn of(rows: &[Row], after: Option<&str>) -> Self {
        Self {
            batches: history(rows),
            next: after.map_or(0, |place| place.parse().unwrap()),
        }
    }
}

impl EventSource for Memory {
    async fn next(&mut self, batch: &mut SourceBatch) -> Result<Progress, PortError> {
        batch.clear();
        let Some(next) = self.batches.get(self.next) else {
            return Ok(Progress::CaughtUp);
        };
        batch.clone_from(next);
        self.next += 1;
        Ok(Progress::More)
    }

    fn cursor(&self) -> String {
        self.next.to_string()
    }
}

struct Folded {
    dir: tempfile::TempDir,
}

impl Folded {
    /// The state that the running pipeline makes of rows.
    fn of(rows: &[Row]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(&dir.path().join("state")).unwrap();
        let (mut aggregator, mut batch) = (Aggregator::default(), ReadBatch::default());
        for raw in history(rows) {
            batch.read(&raw, String::new());
            let deliveries: Vec<_> = batch.deliveries().collect();
            let outcome = block_on(aggregator.fold(&mut state, &deliveries));
            assert!(outcome.failed.is_none());
        }
        state.checkpoint(b"{}").unwrap();
        Self { dir }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn items(&self) -> Vec<Transaction> {
        let mut items = Vec::new();
        let mut view = StateView::open(&self.state()).unwrap();
        view.for_each_transaction(|item| items.push(item)).unwrap();
        items
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Transaction)) {
        let mut state = State::open(&self.state()).unwrap();
        let mut item = block_on(TransactionStore::load(&mut state, "m", id))
            .unwrap()
            .unwrap();
        let revision = item.revision;
        change(&mut item);
        let stored = block_on(TransactionStore::store(&mut state, &item, revision)).unwrap();
        assert_eq!(stored, Written::Stored);
        state.checkpoint(b"{}").unwrap();
    }

    /// As a directory.
    fn verified(&self, rows: &[Row]) -> Report {
        let work = tempfile::tempdir().unwrap();
        let collected = collected(rows, work.path());
        let mut view = StateView::open(&self.state()).unwrap();
        let mut found = Found::of_state(&mut view).unwrap();
        compare(collected, &mut found, UpTo::Checkpoint, work.path()).unwrap()
    }
}

fn collected(rows: &[Row], work: &Path) -> Collected {
    let mut source = Memory::of(rows, None);
    let collecting = collect(&mut source, None, Writer::Live, work, |_| true);
    block_on(collecting).unwrap().unwrap()
}

/// As a table, where events from `settled` on may be under way.
fn of_table(rows: &[Row], items: &[Transaction], settled: u64) -> Report {
    let work = tempfile::tempdir().unwrap();
    let collected = collected(rows, work.path());
    let mut sorter = ItemSorter::new(work.path());
    for item in items {
        sorter.push(item).unwrap();
    }
    let up_to = UpTo::EachItem {
        settled_before_millis: arrival(settled),
    };
    let mut found = sorter.finish().unwrap();
    compare(collected, &mut found, up_to, work.path()).unwrap()
}

fn kinds(report: &Report) -> Vec<(&str, DriftKind)> {
    let drifts = report.drifts.iter();
    drifts
        .map(|drift| (&*drift.transaction_id, drift.kind))
        .collect()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let kind = prop_oneof![
        4 => Just(Kind::Sale),
        2 => (0..IDS.len()).prop_map(Kind::Chargeback),
        1 => Just(Kind::Bad),
    ];
    let row = (0..IDS.len(), 1..3_u64, kind, prop::bool::weighted(0.2));
    let row = row.prop_map(|(id, minor, kind, is_again)| Row {
        id,
        minor,
        kind: match kind {
            // One that names itself is rejected long before.
            Kind::Chargeback(original) if original == id => Kind::Sale,
            kind => kind,
        },
        is_again,
    });
    prop::collection::vec(row, 0..40).prop_map(|mut rows: Vec<Row>| {
        // The same record again is the same row again.
        for at in 1..rows.len() {
            if rows[at].is_again {
                rows[at] = Row {
                    is_again: true,
                    ..rows[at - 1].clone()
                };
            }
        }
        rows
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_was_folded_of_a_history_is_sound(rows in rows()) {
        let folded = Folded::of(&rows);
        let items = folded.items();
        for report in [folded.verified(&rows), of_table(&rows, &items, u64::MAX >> 12)] {
            prop_assert!(report.is_sound(), "{report:?}");
            prop_assert_eq!(report.transactions, items.len() as u64);
            prop_assert_eq!((report.in_flight, report.events), (0, rows.len() as u64));
        }
    }

    /// A table that has folded a part of the history is no drift while the rest may be under way; and
    /// it is once it may not.
    #[test]
    fn a_table_that_is_behind_is_told_from_one_that_lost_events(
        rows in rows(), cut in any::<prop::sample::Index>()
    ) {
        prop_assume!(!rows.is_empty());
        let cut = cut.index(rows.len());
        let behind = Folded::of(&rows[..cut]).items();
        let report = of_table(&rows, &behind, cut as u64 + 1);
        prop_assert!(report.is_sound(), "{report:?}");
        let whole = Folded::of(&rows).items();
        // What is folded and not in the history yet.
        let report = of_table(&rows[..cut], &whole, 0);
        prop_assert!(report.is_sound(), "{report:?}");
        let report = of_table(&rows, &behind, u64::MAX >> 12);
        let same = |a: &Transaction, b: &Transaction| {
            (&a.as_of, &a.disputes, a.revision) == (&b.as_of, &b.disputes, b.revision)
        };
        let changed = whole.iter().filter(|item| {
            !behind.iter().any(|old| old.key == item.key && same(old, item))
        });
        prop_assert_eq!(report.drift, changed.count() as u64, "{:?}", report);
    }

    #[test]
    fn an_edited_item_is_the_one_that_drifts(
        rows in rows(), at in any::<prop::sample::Index>(), what in 0..4_u8
    ) {
        let folded = Folded::of(&rows);
        let items = folded.items();
        prop_assume!(!items.is_empty());
        let victim = at.get(&items).key.transaction_id.clone();
        folded.change(&victim, |item| match (what, &mut item.first) {
            (0, Some(first)) => first.content.amount.0 += 1,
            (1, _) => item.revision += 1,
            (2, _) => item.disputes.clear(),
            _ => item.history_truncated = !item.history_truncated,
        });
        let was = items.iter().find(|item| item.key.transaction_id == victim).unwrap();
        let is = folded.items();
        let is = is.iter().find(|item| item.key.transaction_id == victim).unwrap();
        let report = folded.verified(&rows);
        prop_assert_eq!(report.drift, u64::from(was != is), "{:?}", &report);
        if was != is {
            prop_assert_eq!(&*report.drifts[0].transaction_id, &*victim);
        }
    }

    /// Cut after any batch, and again: in the end it is what it would have been.
    #[test]
    fn a_replay_that_is_cut_anywhere_goes_on(rows in rows(), cuts in prop::collection::vec(0..9_u64, 0..5)) {
        let expected = Folded::of(&rows).items();
        let dir = tempfile::tempdir().unwrap();
        let replay = crate::format::ReplayOf {
            id: "x".to_owned(),
            source: "local:/memory".to_owned(),
            from_millis: None,
            to_millis: None,
        };
        let mut events = 0;
        for cut in cuts.into_iter().map(Some).chain([None]) {
            let target = dir.path().join("target");
            let now = Timestamp(1_700_000_000_000_000_000);
            let target = replay::Target::open(&target, &replay, "test", now).unwrap();
            let mut source = Memory::of(&rows, target.cursor());
            let watch = |read| cut.is_none_or(|cut| read <= cut);
            let done = block_on(replay::run(&mut source, target, watch)).unwrap();
            events += done.counted.events;
        }
        prop_assert_eq!(events, rows.len() as u64, "each event is folded once");
        let mut items = Vec::new();
        let state = dir.path().join("target/state");
        let mut view = StateView::open(&state).unwrap();
        view.for_each_transaction(|item| items.push(item)).unwrap();
        for (item, expected) in items.iter_mut().zip(&expected) {
            prop_assert_eq!(std::mem::take(&mut item.writer), Writer::Replay("x".into()));
            prop_assert_eq!(&*item, expected);
        }
        prop_assert_eq!(items.len(), expected.len());
    }
}

#[test]
fn every_kind_of_drift_is_told_by_its_name() {
    let rows = [sale(0, 1), sale(1, 1), sale(2, 1), chargeback(3, 4)];
    let items = Folded::of(&rows).items();
    let without = |id: &str| -> Vec<Transaction> {
        let others = items.iter().filter(|item| *item.key.transaction_id != *id);
        others.cloned().collect()
    };
    let settled = 1_000;
    assert_eq!(
        kinds(&of_table(&rows, &without("t1"), settled)),
        [("t1", DriftKind::Missing)]
    );
    assert_eq!(of_table(&rows, &without("t1"), 2).in_flight, 1);
    let mut nobody_s = items.clone();
    let mut other = items[0].clone();
    other.key.transaction_id = "other".into();
    nobody_s.push(other);
    let report = of_table(&rows, &nobody_s, settled);
    assert_eq!(kinds(&report), [("other", DriftKind::Unexplained)]);
    // The placeholder is there by a link alone.
    let report = of_table(&rows, &without("t4"), settled);
    assert_eq!(kinds(&report), [("t4", DriftKind::Differs)]);
    assert_eq!(report.drifts[0].fields[0].field, "disputes");
    // Its chargeback may be under way, or there is none.
    let rows = [chargeback(3, 4)];
    let mut placeholder = Folded::of(&rows).items();
    placeholder.retain(|item| item.disputes.len() == 1);
    let report = of_table(&rows, &placeholder, 1);
    assert_eq!((report.drift, report.in_flight), (0, 1), "{report:?}");
    let report = of_table(&[sale(0, 1)], &placeholder, 1);
    assert_eq!((report.drift, report.in_flight), (1, 1), "{report:?}");
}

#[test]
fn a_read_that_is_ended_gives_nothing() {
    let work = tempfile::tempdir().unwrap();
    let mut source = Memory::of(&[sale(0, 1), sale(1, 1)], None);
    let collecting = collect(&mut source, None, Writer::Live, work.path(), |_| false);
    assert!(block_on(collecting).unwrap().is_none());
}
