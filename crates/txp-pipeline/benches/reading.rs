//! What reading a file costs: the csv crate's bare loop, validation alone, and the whole reading
//! stage, on the same file, in turns, in processor time.
//!
//! `cargo bench -p txp-pipeline --bench reading [-- FILE [--json]]`; without a file it reads a
//! generated one of a million rows. `cargo xtask bench` shows the same figures beside those of the
//! whole process. A median of rounds is shown: turns and a median take out what other work on the
//! machine adds, and processor time what it takes away.

#![expect(
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a bench that cannot run has nothing to tell; one that can shows its figures"
)]

use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use txp_domain::card::Fingerprinter;
use txp_domain::money::Currency;
use txp_domain::row::{MerchantScope, RowRules, validate};
use txp_domain::time::Timestamp;
use txp_domain::violation::Violations;
use txp_pipeline::batch::{EventBatch, UploadContext};
use txp_pipeline::csv::{Aliases, FileDigest, RecordReader};
use txp_pipeline::generate::{Options, generate};
use txp_pipeline::port::{EventSink, PortError};
use txp_pipeline::rejects::RejectsWriter;
use txp_pipeline::stage::ingest::{Ending, RowIngest, ingest};

/// Rows of the generated file.
const ROWS: u64 = 1_000_000;
const SEED: u64 = 42;

/// How often each way is measured; the first round only warms up.
const ROUNDS: usize = 6;

/// What the csv crate reads at once: as much as our reader has.
const BUFFER_BYTES: usize = 256 * 1024;

/// The batches of the embedded host go round between three threads: so many are there.
const BATCHES: usize = 4;

/// One way to read the file; gives the number of rows.
struct Way {
    name: &'static str,
    read: fn(&Path) -> u64,
    took: Vec<Took>,
}

#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    processor: Duration,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = arguments.iter().find(|argument| !argument.starts_with('-'));
    let as_json = arguments.iter().any(|argument| argument == "--json");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = given.map_or_else(|| generated(folder.path()), PathBuf::from);
    let way = |name, read| Way {
        name,
        read,
        took: Vec::new(),
    };
    let mut ways = [
        way("csv crate, bare ByteRecord loop", bare as fn(&Path) -> u64),
        way("validation alone", validation),
        way("reading into events", events),
        way("reading into events, file's SHA-256", events_and_digest),
    ];
    let mut rows = 0;
    for round in 0..ROUNDS {
        for way in &mut ways {
            let (read, took) = measure(way.read, &file);
            if round > 0 {
                way.took.push(took);
            }
            rows = read;
        }
    }
    show(&ways, rows, as_json);
}

fn show(ways: &[Way], rows: u64, as_json: bool) {
    let rate = |took: Duration| rows as f64 / took.as_secs_f64();
    let bare = ways
        .first()
        .map_or(1.0, |way| rate(median(way, |took| took.processor)));
    if !as_json {
        println!("{rows} rows; median of {} rounds", ROUNDS - 1);
        println!(
            "{:<38} {:>12} {:>16} {:>12}",
            "", "rows/s", "rows/CPU-second", "of csv bare"
        );
    }
    for way in ways {
        let wall = rate(median(way, |took| took.wall));
        let processor = rate(median(way, |took| took.processor));
        if as_json {
            let figures = serde_json::json!({
                "name": way.name,
                "rows_per_second": wall as u64,
                "rows_per_cpu_second": processor as u64,
            });
            println!("{figures}");
        } else {
            let ratio = processor / bare;
            println!(
                "{:<38} {wall:>12.0} {processor:>16.0} {ratio:>12.2}",
                way.name
            );
        }
    }
}

fn median(way: &Way, of: impl Fn(&Took) -> Duration) -> Duration {
    let mut took: Vec<Duration> = way.took.iter().map(of).collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

fn measure(read: fn(&Path) -> u64, file: &Path) -> (u64, Took) {
    let (start, before) = (Instant::now(), processor_time());
    let rows = read(file);
    let took = Took {
        wall: start.elapsed(),
        processor: processor_time().saturating_sub(before),
    };
    (rows, took)
}

/// User and system time of this process, which has one thread.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

fn generated(folder: &Path) -> PathBuf {
    let path = folder.join("rows.csv");
    let file = File::create(&path).expect("a temporary file");
    generate(ROWS, SEED, Options::default(), &mut BufWriter::new(file)).expect("room for the file");
    path
}

fn open(path: &Path) -> File {
    File::open(path).expect("the file can be opened")
}

fn bare(path: &Path) -> u64 {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(open(path));
    let mut record = csv::ByteRecord::new();
    let (mut rows, mut bytes) = (0, 0);
    while reader
        .read_byte_record(&mut record)
        .expect("the file can be read")
    {
        rows += 1;
        bytes += record.get(2).map_or(0, <[u8]>::len);
    }
    black_box(bytes);
    rows
}

fn rules() -> RowRules {
    RowRules {
        merchants: MerchantScope::All,
        uploaded_at: Timestamp::parse(b"2026-12-01T00:00:00Z").unwrap_or(Timestamp::EPOCH),
        default_currency: Currency::USD,
        default_time_zone: None,
        long_number_ids_allowed: false,
    }
}

fn reader(path: &Path, digest: Option<FileDigest>) -> RecordReader<File> {
    RecordReader::open(open(path), &Aliases::default(), digest).expect("a good header")
}

/// Every check of a row and of its record, counted.
fn validation(path: &Path) -> u64 {
    let mut reader = reader(path, None);
    let (rules, mut violations) = (rules(), Violations::new());
    let (mut valid, mut rejected) = (0, 0);
    while let Some(row) = reader.next_row().expect("the file can be read") {
        violations.clear();
        row.faults.push_to(&mut violations);
        if violations.is_empty() && validate(&row.raw, &rules, &mut violations).is_some() {
            valid += 1;
        } else {
            rejected += 1;
        }
    }
    black_box((valid, rejected));
    valid + rejected
}

fn events(path: &Path) -> u64 {
    read_into_events(path, None)
}

fn events_and_digest(path: &Path) -> u64 {
    read_into_events(path, Some(FileDigest::new()))
}

/// What the reading thread of `txp process` does: the same stage, only that no one takes the
/// batches.
fn read_into_events(path: &Path, digest: Option<FileDigest>) -> u64 {
    let reader = reader(path, digest);
    let fingerprinter = Fingerprinter::new([7; 32]);
    let rules = rules();
    let context = UploadContext {
        uploaded_at: rules.uploaded_at,
        key_id: fingerprinter.key_id().as_str().into(),
        ..UploadContext::default()
    };
    let mut rows = RowIngest::new(Arc::new(context), rules, fingerprinter);
    let mut sink = Counting::default();
    let mut rejects = RejectsWriter::new(io::sink(), reader.header()).expect("a sink takes all");
    let mut progress = |_, _| true;
    let reading = ingest(
        reader,
        &mut rows,
        &mut sink,
        &mut rejects,
        None,
        &mut progress,
    );
    let ending = at_once(reading).expect("nothing stands in the way");
    assert!(
        matches!(ending, Ending::Parsed(_)),
        "the file was read to its end"
    );
    assert_eq!(sink.events, rows.tally().records(), "each row is an event");
    sink.events
}

/// Takes batches, counts, and gives them back in turn as the embedded host does.
#[derive(Default)]
struct Counting {
    events: u64,
    batches: Vec<EventBatch>,
    next: usize,
}

impl EventSink for Counting {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        self.events += batch.len() as u64;
        if self.batches.len() < BATCHES {
            self.batches.push(std::mem::take(batch));
        } else if let Some(other) = self.batches.get_mut(self.next) {
            std::mem::swap(other, batch);
            self.next = (self.next + 1) % BATCHES;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

/// Runs a future that never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return done;
        }
    }
}
