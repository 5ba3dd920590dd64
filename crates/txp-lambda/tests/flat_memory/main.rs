//! Reading a file takes the same memory however large the file is. The reading stage and the producer
//! as `validation` sets them, over a stream that is slower than the file, which is when most is held.
//!
//! The peak of the process is asked of the system, so this is a program of its own with one test in
//! it. What the SDK's clients take beside is measured on the real function (`cargo xtask footprint`).

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

use std::io::{self, Read};
use txp_aws::clock::SystemClock;
use txp_aws::kinesis::producer::{Producer, Settings};
use txp_aws::kinesis::put::{EntryFailure, PutEntry, PutRecords};
use txp_domain::card::Fingerprinter;
use txp_domain::event::{Merchants, UploadEvent};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_lambda::validation::frugal;
use txp_pipeline::api::Terms;
use txp_pipeline::port::{
    CheckpointStore, Kept, ObjectSource, ObjectStore, PortError, ReportSink, ReportStore, Written,
};
use txp_pipeline::stage::ingest::{BATCH_BYTES, Job, Outcome, ReadingRules, Stepwise, Tries};

/// Rows after which everything that is held is full: some 40 MB of events.
const FEW_ROWS: u64 = 50_000;
const MANY_ROWS: u64 = 120_000;

/// What a function of 128 MiB may take, and what the larger file may take more than the smaller one:
/// an allocator does not give back all that it was given.
const PEAK_BYTES_MAX: u64 = 128 << 20;
const GROWTH_BYTES_MAX: u64 = 8 << 20;

const HEADER: &[u8] = b"transaction_id,amount,merchant_id,card_number\n";
/// What a connection gives at once.
const PIECE_ROWS: u64 = 512;

/// A file that is made as it is read.
#[derive(Clone)]
struct Generated {
    rows: u64,
    row: u64,
    piece: Vec<u8>,
    at: usize,
}

impl Generated {
    fn of(rows: u64) -> Self {
        Self {
            rows,
            row: 0,
            piece: Vec::new(),
            at: 0,
        }
    }
}

impl ObjectStore for Generated {
    type Source = Self;

    async fn open(&mut self, offset: u64) -> Result<Self, PortError> {
        assert_eq!(offset, 0, "it is read in one go");
        Ok(Self {
            piece: HEADER.to_vec(),
            ..self.clone()
        })
    }
}

impl Read for Generated {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && self.row < self.rows {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = to.len().min(self.piece.len() - self.at);
        to[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

impl ObjectSource for Generated {
    async fn more(&mut self) -> Result<(), PortError> {
        self.piece.clear();
        self.at = 0;
        for _ in 0..PIECE_ROWS.min(self.rows - self.row) {
            self.row += 1;
            // Identifiers as long as they may be; one row in fifty is bad.
            let number = self.row;
            let amount = if number.is_multiple_of(50) {
                "-1"
            } else {
                "1.00"
            };
            let row = format!("{number:a>60},{amount},{number:b>60},4242424242424242\n");
            self.piece.extend_from_slice(row.as_bytes());
        }
        Ok(())
    }
}

/// A stream that answers late, and holds what a client holds meanwhile: the records and the request
/// as JSON with its bytes in base64.
struct Slow;

impl PutRecords for Slow {
    async fn put_records(
        &self,
        entries: &[PutEntry],
    ) -> Result<Vec<Result<(), EntryFailure>>, PortError> {
        let copies: Vec<PutEntry> = entries.to_vec();
        let body: usize = copies
            .iter()
            .map(|entry| entry.data.len() * 4 / 3 + 200)
            .sum();
        let body = vec![b'x'; body];
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert!(body.len() >= copies.len());
        Ok(entries.iter().map(|_| Ok(())).collect())
    }
}

/// A report whose parts of 5 MiB go away as they fill.
#[derive(Default)]
struct Parts(Vec<u8>);

impl ReportSink for Parts {
    async fn take(&mut self, bytes: &mut Vec<u8>) -> Result<(), PortError> {
        self.0.append(bytes);
        if self.0.len() >= 5 << 20 {
            self.0.clear();
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    async fn discard(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

impl ReportStore for Parts {
    async fn save(&mut self) -> Result<String, PortError> {
        Ok(String::new())
    }

    async fn resume(&mut self, _saved: Option<&str>) -> Result<(), PortError> {
        Ok(())
    }
}

struct Checkpoints;

impl CheckpointStore for Checkpoints {
    async fn keep(&mut self, _kept: &Kept) -> Result<Written, PortError> {
        Ok(Written::Stored)
    }

    fn is_time_up(&self) -> bool {
        false
    }
}

async fn read(rows: u64) {
    let terms = Terms::plain("c", Merchants::All);
    let received = terms.received(UploadId::new(1_780_000_000_000, [7; 6]), Timestamp(9), 0);
    let step = Stepwise {
        job: Job {
            received: &received,
            rules: &ReadingRules::of(&received).unwrap(),
            fingerprinter: &Fingerprinter::new([9; 32]),
            sha256: None,
            hop: 0,
            tries: Tries::default(),
            batch_bytes: BATCH_BYTES,
            is_preview: false,
        },
        objects: &mut Generated::of(rows),
        sink: &mut Producer::new(Slow, SystemClock, frugal(Settings::default())),
        report: &mut Parts::default(),
        checkpoints: &mut Checkpoints,
        clock: &SystemClock,
    };
    let Ok(Outcome::Ended(ending)) = step.run(None).await else {
        unreachable!("nothing stops it")
    };
    let UploadEvent::Parsed(parsed) = *ending else {
        unreachable!("nothing is wrong with it")
    };
    assert_eq!(
        (parsed.tally.records, parsed.tally.rejected),
        (rows, rows / 50)
    );
}

/// The peak of this process so far.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix("kB"));
    kilobytes.unwrap().trim().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn memory_does_not_grow_with_the_file() {
    read(FEW_ROWS).await;
    let few = peak_bytes();
    read(MANY_ROWS).await;
    let many = peak_bytes();
    assert!(many < PEAK_BYTES_MAX, "{many} bytes at most");
    assert!(many - few < GROWTH_BYTES_MAX, "{few} bytes, then {many}");
}
