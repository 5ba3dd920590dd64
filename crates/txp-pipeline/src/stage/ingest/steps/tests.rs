//! Steps that are cut, killed and taken over give what one undisturbed step gives.

use super::super::tries::{TRIES_FAILED_MAX, TRIES_LOST_MAX};
use super::*;
use crate::batch::EventBatch;
use crate::port::{ObjectSource, ReportSink};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use txp_domain::event::{Merchants, SourceFile, UploadOptions};
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;

const CARD: &str = "4242424242424242";

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// An object that comes in small pieces, some of which must be waited for.
struct File<'f>(&'f [u8]);

struct Piece<'f> {
    rest: &'f [u8],
    here: usize,
    turn: usize,
}

impl<'f> ObjectStore for File<'f> {
    type Source = Piece<'f>;

    async fn open(&mut self, offset: u64) -> Result<Piece<'f>, PortError> {
        Ok(Piece {
            rest: &self.0[offset as usize..],
            here: 0,
            turn: offset as usize,
        })
    }
}

impl Read for Piece<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.here == 0 && !self.rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = to.len().min(self.here);
        let (now, later) = self.rest.split_at(count);
        to[..count].copy_from_slice(now);
        (self.rest, self.here) = (later, self.here - count);
        Ok(count)
    }
}

impl ObjectSource for Piece<'_> {
    async fn more(&mut self) -> Result<(), PortError> {
        self.turn += 1;
        self.here = self.rest.len().min(1 + self.turn * 37 % 500);
        Ok(())
    }
}

/// What happens at the next batch.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    GoOn,
    TimeIsUp,
    /// The process dies when so much of the batch is stored, in per cent.
    Die(usize),
}

type Fates = Rc<RefCell<VecDeque<Fate>>>;
type Stored = Rc<RefCell<Vec<(Bucket, Vec<u8>)>>>;

/// The history: what is stored, in order.
#[derive(Clone, Default)]
struct History {
    stored: Stored,
    fates: Fates,
    is_time_up: Rc<Cell<bool>>,
}

impl EventSink for History {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        let fate = self.fates.borrow_mut().pop_front().unwrap_or(Fate::GoOn);
        let stored = match fate {
            Fate::Die(part) => batch.len() * part / 100,
            _ => batch.len(),
        };
        self.is_time_up.set(fate == Fate::TimeIsUp);
        let events = batch.entries().iter().take(stored);
        let events = events.map(|entry| (entry.bucket, batch.json(entry).to_vec()));
        self.stored.borrow_mut().extend(events);
        batch.clear();
        match fate {
            Fate::Die(_) => Err(PortError::new(ErrorKind::Transient, "killed")),
            _ => Ok(()),
        }
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

/// The report; what is saved survives.
#[derive(Default)]
struct Report {
    saved: BTreeMap<String, Vec<u8>>,
    bytes: Vec<u8>,
    published: Option<Vec<u8>>,
    /// It cannot even be gone on with.
    broken: Option<ErrorKind>,
}

impl ReportSink for Report {
    async fn take(&mut self, bytes: &mut Vec<u8>) -> Result<(), PortError> {
        self.bytes.append(bytes);
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), PortError> {
        self.published = Some(self.bytes.clone());
        Ok(())
    }

    async fn discard(&mut self) -> Result<(), PortError> {
        self.bytes.clear();
        Ok(())
    }
}

impl ReportStore for Report {
    async fn save(&mut self) -> Result<String, PortError> {
        let name = self.bytes.len().to_string();
        self.saved.insert(name.clone(), self.bytes.clone());
        Ok(name)
    }

    async fn resume(&mut self, saved: Option<&str>) -> Result<(), PortError> {
        if let Some(kind) = self.broken {
            return Err(PortError::new(kind, "no report"));
        }
        self.bytes = match saved {
            None => Vec::new(),
            Some(name) => self.saved.get(name).cloned().unwrap(),
        };
        Ok(())
    }
}

#[derive(Default)]
struct Checkpoints {
    kept: Option<Kept>,
    is_time_up: Rc<Cell<bool>>,
    is_superseded: bool,
}

impl CheckpointStore for Checkpoints {
    async fn keep(&mut self, kept: &Kept) -> Result<Written, PortError> {
        if self.is_superseded
            || self
                .kept
                .as_ref()
                .is_some_and(|old| old.record > kept.record)
        {
            return Ok(Written::Conflict);
        }
        let text = String::from_utf8_lossy(&kept.state);
        assert!(!text.contains(CARD), "no bytes of the file are kept");
        self.kept = Some(kept.clone());
        Ok(Written::Stored)
    }

    fn is_time_up(&self) -> bool {
        self.is_time_up.get()
    }
}

/// A checkpoint is due at every other look.
#[derive(Default)]
struct Ticking(Cell<u64>);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.0.set(self.0.get() + CHECKPOINT_MILLIS as u64 / 2);
        Timestamp::from_unix_millis(self.0.get()).unwrap()
    }

    async fn sleep(&self, _: u64) {}

    fn jitter(&self) -> u64 {
        0
    }
}

fn received(strict: bool) -> UploadReceived {
    UploadReceived {
        upload_id: UploadId::new(1_780_000_000_000, [7; 6]),
        uploaded_at: Timestamp::from_unix_seconds(1_780_000_000).unwrap(),
        trace: None,
        client_id: "c".to_owned(),
        file: SourceFile::default(),
        options: UploadOptions {
            strict,
            ..UploadOptions::default()
        },
        merchants: Merchants::All,
    }
}

/// What a file came to.
#[derive(Debug, PartialEq)]
struct Came {
    ending: UploadEvent,
    report: Option<Vec<u8>>,
    /// By bucket, as a fold takes them in: repeats left out.
    events: BTreeMap<Bucket, Vec<Vec<u8>>>,
}

struct Run<'f> {
    file: &'f [u8],
    strict: bool,
    sha256: Option<String>,
}

impl Run<'_> {
    fn to_the_end(&self, fates: &[Fate], damage_every: Option<usize>) -> Came {
        let history = History::default();
        history.fates.borrow_mut().extend(fates);
        let mut report = Report::default();
        let mut checkpoints = Checkpoints {
            is_time_up: Rc::clone(&history.is_time_up),
            ..Checkpoints::default()
        };
        for step in 1..=fates.len() + 2 {
            if damage_every.is_some_and(|every| step % every == 0)
                && let Some(kept) = &mut checkpoints.kept
            {
                kept.state.reverse();
            }
            history.is_time_up.set(false);
            let done = self.step(&history, &mut report, &mut checkpoints, Tries::default());
            if let Ok(Outcome::Ended(ending)) = done {
                return Came {
                    ending: *ending,
                    report: report.published,
                    events: folded(&history.stored.borrow()),
                };
            }
        }
        panic!("it does not end")
    }

    fn step(
        &self,
        history: &History,
        report: &mut Report,
        checkpoints: &mut Checkpoints,
        tries: Tries,
    ) -> Result<Outcome, IngestError> {
        let received = received(self.strict);
        let rules = ReadingRules::of(&received).unwrap();
        let fingerprinter = Fingerprinter::new([9; 32]);
        let kept = checkpoints.kept.clone();
        let stepwise = Stepwise {
            job: Job {
                received: &received,
                rules: &rules,
                fingerprinter: &fingerprinter,
                sha256: self.sha256.as_deref(),
                hop: 0,
                tries,
                batch_bytes: 2_000,
                is_preview: false,
            },
            objects: &mut File(self.file),
            sink: &mut history.clone(),
            report,
            checkpoints,
            clock: &Ticking::default(),
        };
        now(stepwise.run(kept.as_ref()))
    }
}

/// What a fold takes in: rows above the bucket's watermark, other events by id.
fn folded(stored: &[(Bucket, Vec<u8>)]) -> BTreeMap<Bucket, Vec<Vec<u8>>> {
    let mut seen = BTreeMap::new();
    let mut folded: BTreeMap<Bucket, (u64, Vec<Vec<u8>>)> = BTreeMap::new();
    for (bucket, json) in stored {
        let event: serde_json::Value = serde_json::from_slice(json).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        let before = seen.insert(id.clone(), json.clone());
        assert!(
            before.is_none_or(|before| before == *json),
            "{id} comes again as another"
        );
        let (watermark, taken) = folded.entry(*bucket).or_default();
        let (_, name) = id.split_once(':').unwrap();
        match name.parse::<u64>() {
            Ok(record) if record > *watermark => *watermark = record,
            Err(_) if !taken.contains(json) => {}
            _ => continue,
        }
        taken.push(json.clone());
    }
    folded
        .into_iter()
        .map(|(bucket, (_, taken))| (bucket, taken))
        .collect()
}

/// Rows of every kind; the card of all valid ones is [`CARD`].
fn file(kinds: &[u8]) -> Vec<u8> {
    let mut file = String::from("transaction_id,amount,merchant_id,card_number,note\r\n");
    for (row, kind) in kinds.iter().enumerate() {
        let merchant = row % 11;
        file += &match kind % 12 {
            0 => format!("t{row},1.5,m{merchant},1234123412341234,bad card\n"),
            1 => format!("t{row},1.50,m{merchant}\n"),
            2 => "\n\r\n".to_owned(),
            3 => format!("t{row},2.00,m{merchant},{CARD},\"a\r\nquoted \"\"note\"\"\"\r\n"),
            4 => format!("t{row},,m{merchant},{CARD},\r"),
            _ => format!("t{row},{row}.25,m{merchant},{CARD},\r\n"),
        };
    }
    file.into_bytes()
}

fn clean(rows: u8) -> Vec<u8> {
    file(&vec![5; usize::from(rows)])
}

fn sha256(file: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    super::super::tally::hexadecimal(&Sha256::digest(file))
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        3 => Just(Fate::GoOn),
        2 => Just(Fate::TimeIsUp),
        2 => (0..=100_usize).prop_map(Fate::Die),
    ];
    prop::collection::vec(fate, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_disturbed_reading_gives_what_an_undisturbed_one_gives(
        kinds in prop::collection::vec(any::<u8>(), 0..150),
        fates in fates(),
        strict: bool,
        is_agreed: bool,
        unclosed: bool,
        damage_every in prop::option::of(2..5_usize),
    ) {
        let mut file = file(&kinds);
        if unclosed {
            file.extend_from_slice(b"t,1,m,\"4\nt,1,m,4\n");
        }
        let sha256 = is_agreed.then(|| sha256(&file));
        let run = Run { file: &file, strict, sha256 };
        prop_assert_eq!(run.to_the_end(&fates, damage_every), run.to_the_end(&[], None));
    }

    #[test]
    fn two_passes_give_what_one_gives(rows: u8, fates in fates()) {
        let file = clean(rows);
        let run = |strict| Run { file: &file, strict, sha256: Some(sha256(&file)) };
        let once = run(false).to_the_end(&[], None);
        let mut twice = run(true).to_the_end(&fates, None);
        let is_received = |json: &Vec<u8>| json.windows(16).any(|part| part == b":received\",\"sour");
        let rows = |result: &Came| {
            let all = result.events.values().flatten();
            all.filter(|json| !is_received(json)).cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(rows(&twice), rows(&once));
        prop_assert_eq!(twice.report.take(), None);
        prop_assert_eq!(twice.ending, once.ending);
    }
}

#[test]
fn a_clean_file_has_no_report_and_every_row() {
    let file = clean(100);
    let run = Run {
        file: &file,
        strict: false,
        sha256: None,
    };
    let result = run.to_the_end(&[], None);
    let UploadEvent::Parsed(parsed) = result.ending else {
        panic!("it is read")
    };
    assert_eq!((parsed.tally.records, parsed.tally.valid), (100, 100));
    assert_eq!(parsed.tally.sha256, Some(sha256(&file)));
    assert_eq!(parsed.tally.bytes, file.len() as u64);
    assert_eq!(result.report, None);
    assert_eq!(result.events.values().map(Vec::len).sum::<usize>(), 102);
}

fn failed(run: &Run<'_>, fates: &[Fate]) -> (String, u64) {
    let UploadEvent::Failed(failed) = run.to_the_end(fates, None).ending else {
        panic!("it fails")
    };
    (failed.reason.code, failed.tally.records)
}

#[test]
fn files_that_are_not_what_was_agreed_on_fail() {
    let bad = file(&[5, 5, 0]);
    let of = |file, strict, sha256: Option<&str>| Run {
        file,
        strict,
        sha256: sha256.map(str::to_owned),
    };
    let zeros = "0".repeat(64);
    for (run, expected) in [
        (of(b"", false, None), ("empty_file", 0)),
        (of(b"a,b\n1,2\n", false, None), ("column_missing", 0)),
        (of(&bad, false, Some(&zeros)), ("sha256_mismatch", 0)),
        (of(&bad, true, None), ("strict_refused", 3)),
    ] {
        let (code, records) = failed(&run, &[]);
        assert_eq!((code.as_str(), records), expected);
    }
}

#[test]
fn a_reading_that_needs_too_many_steps_fails() {
    let file = file(&[5; 1000]);
    let run = Run {
        file: &file,
        strict: false,
        sha256: None,
    };
    let fates = vec![Fate::TimeIsUp; 2 * HOPS_MAX as usize];
    let UploadEvent::Failed(ending) = run.to_the_end(&fates, None).ending else {
        panic!("it fails")
    };
    assert!(!ending.tally.has_no_rows() && ending.tally.sha256.is_none());
    let (code, records) = failed(&run, &fates);
    assert_eq!(code, "no_progress");
    assert!(records > u64::from(HOPS_MAX) && records < 1000, "{records}");
}

/// The first step of a reading that dies behind a checkpoint.
fn died_half_way(run: &Run<'_>, history: &History, report: &mut Report) -> Checkpoints {
    let fates = [
        Fate::GoOn,
        Fate::GoOn,
        Fate::GoOn,
        Fate::GoOn,
        Fate::Die(50),
    ];
    history.fates.borrow_mut().extend(fates);
    let mut checkpoints = Checkpoints::default();
    let died = run.step(history, report, &mut checkpoints, Tries::default());
    assert!(died.is_err());
    let kept = checkpoints.kept.clone().unwrap();
    assert!(kept.record > 0, "a checkpoint came before");
    checkpoints
}

/// A file that kills whoever reads it, or that nobody can read, is given up, with what was
/// acknowledged before; one try earlier it is read on.
#[test]
fn a_file_that_was_tried_too_often_is_given_up() {
    let file = clean(200);
    let run = Run {
        file: &file,
        strict: false,
        sha256: None,
    };
    for (lost, failed, code) in [
        (TRIES_LOST_MAX - 1, TRIES_FAILED_MAX - 1, None),
        (TRIES_LOST_MAX, 0, Some("readers_lost")),
        (0, TRIES_FAILED_MAX, Some("reading_failed")),
    ] {
        let (history, mut report) = (History::default(), Report::default());
        let mut checkpoints = died_half_way(&run, &history, &mut report);
        let kept = checkpoints.kept.clone().unwrap();
        let tries = Tries { lost, failed };
        let done = run.step(&history, &mut report, &mut checkpoints, tries);
        let Ok(Outcome::Ended(ending)) = done else {
            panic!("{done:?}")
        };
        match *ending {
            UploadEvent::Failed(failed) if code.is_some() => {
                assert_eq!(Some(&*failed.reason.code), code);
                assert_eq!(failed.tally.records, kept.record);
                assert!(!failed.tally.has_no_rows());
                assert_eq!(tally_so_far(Some(&kept)), failed.tally);
            }
            UploadEvent::Parsed(parsed) if code.is_none() => assert_eq!(parsed.tally.records, 200),
            other => panic!("{other:?}"),
        }
    }
}

/// A file that is given up because of its report has none. A denial is told instead, and whatever may
/// pass: then the next try gives it up.
#[test]
fn a_report_in_the_way_does_not_keep_a_file_from_being_given_up() {
    let file = file(&[5, 0, 5, 5, 0].repeat(40));
    let run = Run {
        file: &file,
        strict: false,
        sha256: None,
    };
    let tries = Tries {
        lost: 0,
        failed: TRIES_FAILED_MAX,
    };
    for (kind, is_given_up) in [
        (ErrorKind::Permanent, true),
        (ErrorKind::Corrupt, true),
        (ErrorKind::Denied, false),
        (ErrorKind::Throttled, false),
    ] {
        let (history, mut report) = (History::default(), Report::default());
        let mut checkpoints = died_half_way(&run, &history, &mut report);
        report.broken = Some(kind);
        let done = run.step(&history, &mut report, &mut checkpoints, tries);
        assert_eq!(done.is_ok(), is_given_up, "{kind:?}: {done:?}");
        report.broken = None;
        if !is_given_up {
            let done = run.step(&history, &mut report, &mut checkpoints, tries);
            assert!(matches!(done, Ok(Outcome::Ended(_))), "{done:?}");
            assert!(report.published.is_some());
        }
    }
}
