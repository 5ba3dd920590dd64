//! However the work is cut up, and whatever is damaged: what is told is what one walk would tell, and
//! nobody waits for a thread that has ended.

use super::*;
use crate::log::{FrameBuilder, LogSource, LogWriter, OpenOptions};
use crate::sorter::MIDDLE_HASH;
use crate::verify::collect::collect_into;
use crate::verify::found::FoundHalf;
use std::sync::LazyLock;
use txp_pipeline::port::{ErrorKind, Window};

/// Enough that a run has several pages.
const ITEMS: u64 = 7_000;

/// A sale of its own in each event, in batches.
fn many(events: u64) -> Vec<SourceBatch> {
    let id = UploadId::new(1, [1; 6]);
    let encoder = RowEncoder::new(id, Timestamp(9_000_000_000), "bcdfghjk");
    let sequences: Vec<u64> = (1..=events).collect();
    let batches = sequences.chunks(500).map(|sequences| {
        let (mut batch, mut bytes) = (SourceBatch::default(), Vec::new());
        for sequence in sequences {
            let transaction_id = format!("t-{sequence}");
            let facts = Facts {
                transaction_id: transaction_id.as_str(),
                merchant_id: "m",
                amount: Amount(*sequence),
                currency: Currency::USD,
                kind: TransactionType::Sale,
                original_transaction_id: None,
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
            bytes.clear();
            encoder.valid(*sequence, sequence + 1, &facts, &mut bytes);
            let position = Position {
                bucket: Bucket(0),
                sequence: Sequence::from(*sequence),
                subsequence: 0,
            };
            batch.push(position, 1_000, &[&bytes]);
        }
        batch
    });
    batches.collect()
}

/// The state of [`ITEMS`] of them.
static FOLDED: LazyLock<Folded> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(&dir.path().join("state")).unwrap();
    let (mut aggregator, mut batch) = (Aggregator::default(), ReadBatch::default());
    for raw in many(ITEMS) {
        batch.read(&raw, String::new());
        let deliveries: Vec<_> = batch.deliveries().collect();
        let outcome = block_on(aggregator.fold(&mut state, &deliveries));
        assert!(outcome.failed.is_none());
    }
    state.checkpoint(b"{}").unwrap();
    Folded { dir }
});

/// A copy, of which a byte of the run of transactions is another.
fn flipped(at: prop::sample::Index) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let files = std::fs::read_dir(FOLDED.state()).unwrap();
    let mut largest = (0, PathBuf::new());
    for file in files.map(Result::unwrap) {
        let to = copy.path().join(file.file_name());
        largest = largest.max((std::fs::copy(file.path(), &to).unwrap(), to));
    }
    let mut bytes = std::fs::read(&largest.1).unwrap();
    *at.get_mut(&mut bytes) ^= 0x40;
    std::fs::write(&largest.1, bytes).unwrap();
    copy
}

fn gathered(batches: Vec<SourceBatch>, work: &Path, chunk_bytes: usize) -> Collected {
    let mut source = Memory { batches, next: 0 };
    let sorter = Sorter::with_chunks_of(work, "history", chunk_bytes);
    let collecting = collect_into(sorter, &mut source, None, Writer::Live, |_| true);
    block_on(collecting).unwrap().unwrap()
}

/// As the product does it.
fn in_halves(batches: &[SourceBatch], state: &Path, chunk_bytes: usize) -> Report {
    let work = tempfile::tempdir().unwrap();
    let collected = gathered(batches.to_vec(), work.path(), chunk_bytes);
    let mut view = StateView::open(state).unwrap();
    let mut found = Found::of_state(&mut view).unwrap();
    compare(collected, &mut found, UpTo::Checkpoint, work.path()).unwrap()
}

/// One walk over everything: its upper half is empty.
fn in_one(batches: &[SourceBatch], state: &Path) -> Report {
    let work = tempfile::tempdir().unwrap();
    let mut collected = gathered(batches.to_vec(), work.path(), usize::MAX);
    let mut all = Sorter::new(work.path(), "all");
    for half in &mut collected.records {
        while let Some(record) = half.next().unwrap() {
            let write = |out: &mut Vec<u8>| out.extend_from_slice(record.value);
            all.push(record.hash, record.key, write).unwrap();
        }
    }
    let nothing = Sorter::new(work.path(), "nothing").finish().unwrap();
    collected.records = [all.finish().unwrap(), nothing];
    let (one, mut other) = (
        StateView::open(state).unwrap(),
        StateView::open(state).unwrap(),
    );
    let mut found = Found::of_state(&mut other).unwrap();
    let all = one.stored_transactions_from(0).unwrap();
    *found.halves() = [FoundHalf::State(all), FoundHalf::Damaged(None)];
    compare(collected, &mut found, UpTo::Checkpoint, work.path()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of another history as well, so that much drifts.
    #[test]
    fn chunks_and_halves_make_no_difference(
        rows in rows(), other in rows(), chunk_bytes in 1_usize..2_000
    ) {
        let state = Folded::of(&other).state_dir();
        let batches = history(&rows);
        let expected = in_one(&batches, &state.1);
        prop_assert_eq!(in_halves(&batches, &state.1, chunk_bytes), expected);
    }

    /// More drifts than are told, in both halves, and damage before, between or behind them.
    #[test]
    fn damage_ends_the_walk_where_one_walk_would_have_ended(
        at in any::<prop::sample::Index>(), read in prop::sample::select(vec![6_900, ITEMS, 7_001]),
        is_drifting in any::<bool>(),
    ) {
        let copy = flipped(at);
        // What is found broken when it is opened does not come to a walk.
        prop_assume!(StateView::open(copy.path()).is_ok());
        let mut batches = many(read);
        if is_drifting {
            batches.remove(3);
        }
        let expected = in_one(&batches, copy.path());
        prop_assert_eq!(in_halves(&batches, copy.path(), 300_000), expected);
    }
}

impl Folded {
    /// Its directory, and where the state is in it.
    fn state_dir(self) -> (tempfile::TempDir, PathBuf) {
        let state = self.state();
        (self.dir, state)
    }
}

#[test]
fn the_ids_that_tests_use_are_in_both_halves() {
    let hashes = IDS.map(|id| crate::state::transaction_key("m", id, &mut Vec::new()));
    let upper = hashes.iter().filter(|hash| **hash >= MIDDLE_HASH).count();
    assert!(upper > 0 && upper < IDS.len(), "{hashes:?}");
}

#[test]
fn a_chunk_that_cannot_be_written_is_told_and_the_reader_ends() {
    let work = tempfile::tempdir().unwrap();
    let gone = work.path().join("gone");
    let mut source = Memory {
        batches: many(20_000),
        next: 0,
    };
    let sorter = Sorter::with_chunks_of(&gone, "history", 10_000);
    let collecting = collect_into(sorter, &mut source, None, Writer::Live, |_| true);
    let error = block_on(collecting).unwrap_err();
    assert!(matches!(error, VerifyError::Sort(_)), "{error:?}");
    assert!(error.to_string().contains("gone"), "{error}");
}

/// A history that fails in the middle.
struct Failing(Memory);

impl EventSource for Failing {
    async fn next(&mut self, batch: &mut SourceBatch) -> Result<Progress, PortError> {
        match self.0.next(batch).await? {
            Progress::More => Ok(Progress::More),
            _ => Err(PortError::new(ErrorKind::Transient, "out of reach")),
        }
    }

    fn cursor(&self) -> String {
        self.0.cursor()
    }
}

#[test]
fn a_history_that_fails_is_told_and_the_threads_end() {
    let work = tempfile::tempdir().unwrap();
    let batches = many(10_000);
    let mut source = Failing(Memory { batches, next: 0 });
    let collecting = collect(&mut source, None, Writer::Live, work.path(), |_| true);
    let error = block_on(collecting).unwrap_err();
    assert!(error.to_string().contains("out of reach"), "{error}");
}

/// One by its file and the place, the other by its ids; what was in the damage accuses nobody.
#[test]
fn a_flipped_byte_of_the_history_and_an_edited_item_are_both_named() {
    let log = tempfile::tempdir().unwrap();
    let (mut writer, _) = LogWriter::open(log.path(), &OpenOptions::default()).unwrap();
    let mut frames = Vec::new();
    for batch in many(ITEMS) {
        let mut frame = FrameBuilder::new();
        for event in batch.events() {
            frame.push(event.position.bucket, event.bytes).unwrap();
        }
        frames.push(writer.append(1_000, &mut frame).unwrap());
        writer.sync().unwrap();
    }
    drop(writer);
    let segment = std::fs::read_dir(log.path()).unwrap().map(Result::unwrap);
    let segment = segment.map(|file| file.path());
    let segment = segment.max_by_key(|path| path.metadata().unwrap().len());
    let segment = segment.unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("state")).unwrap();
    for file in std::fs::read_dir(FOLDED.state()).unwrap() {
        let (from, name) = file.map(|file| (file.path(), file.file_name())).unwrap();
        std::fs::copy(from, copy.path().join("state").join(name)).unwrap();
    }
    let edited = Folded { dir: copy };
    edited.change("t-17", |item| item.revision += 1);

    let work = tempfile::tempdir().unwrap();
    let mut source = LogSource::open(log.path(), Window::default(), ITEMS).unwrap();
    let collecting = collect(&mut source, Some(ITEMS), Writer::Live, work.path(), |_| {
        true
    });
    let collected = block_on(collecting).unwrap().unwrap();
    let mut view = StateView::open(&edited.state()).unwrap();
    let mut found = Found::of_state(&mut view).unwrap();
    let report = compare(collected, &mut found, UpTo::Checkpoint, work.path()).unwrap();
    assert_eq!(kinds(&report), [("t-17", DriftKind::Differs)]);
    assert_eq!((report.drift, report.unverifiable), (1, 500), "{report:?}");
    assert_eq!(report.transactions, ITEMS);
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert_eq!(report.damage.len(), 1);
    assert!(report.damage[0].contains(name), "{:?}", report.damage);
}
