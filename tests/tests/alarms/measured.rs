//! Faults of the embedded host, each really there: what its registry says is what the alarm sees.

use super::faults::{Fault, fault};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use txp_domain::event::{Merchants, SourceFile, UploadOptions, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::time::Timestamp;
use txp_local::host::{Host, HostOptions, Intake};
use txp_local::log::{FrameBuilder, LogWriter, OpenOptions};
use txp_local::meter::Value;
use txp_pipeline::telemetry::Metric;
use txp_tests::alarm::World;
use txp_tests::workload::fingerprinter;

/// How long to wait for what a thread of the host does.
const LIMIT: Duration = Duration::from_secs(30);
/// Rows of a file that is read in several pieces.
const LONG_ROWS: usize = 60_000;

/// An embedded host and what it said last.
pub(crate) struct Measured {
    pub(crate) dir: PathBuf,
    host: Option<Host>,
    stuck: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
    _scratch: tempfile::TempDir,
    uploads: u64,
}

fn open(dir: &Path) -> Host {
    let options = HostOptions {
        command: "alarms",
        fingerprinter: fingerprinter(0),
        is_durable: false,
        alerts: true,
        terminal: None,
    };
    Host::open(dir, options).unwrap()
}

impl Measured {
    pub(crate) fn new() -> Rc<RefCell<Self>> {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("data");
        Rc::new(RefCell::new(Self {
            host: Some(open(&dir)),
            stuck: None,
            dir,
            _scratch: scratch,
            uploads: 0,
        }))
    }

    pub(crate) fn host(&self) -> &Host {
        self.host.as_ref().unwrap()
    }

    /// Does something and puts what the host measured of it into the world.
    pub(crate) fn minute(
        &mut self,
        world: &mut World,
        function: &str,
        work: impl FnOnce(&mut Self),
    ) {
        let before = self.host().meter().series();
        work(self);
        world.measured(self.host().meter(), &before, function);
    }

    fn intake(&mut self, rows: usize, seconds_ago: i64) -> Intake {
        self.uploads += 1;
        let path = self.dir.join("file.csv");
        let mut text = "transaction_id,amount,merchant_id,card_number\n".to_owned();
        for row in 0..rows {
            text += &format!("t-{}-{row},5.00,m,4242424242424242\n", self.uploads);
        }
        std::fs::write(&path, text).unwrap();
        Intake {
            received: received(self.host().mint_upload_id(), ago(self.host(), seconds_ago)),
            path,
            dry_run: false,
        }
    }

    /// Reads a file that arrived so long ago.
    fn read(&mut self, seconds_ago: i64) {
        let intake = self.intake(1, seconds_ago);
        let report = self.host().ingest(&intake, &mut |_| {}).unwrap();
        assert_eq!(report.upload.counts.accepted, 1);
    }

    /// A reader begins with a file that arrived so long ago, and stops in its midst.
    fn get_stuck(&mut self, seconds_ago: i64) {
        if self.stuck.is_some() {
            return;
        }
        let (release, released) = mpsc::channel::<()>();
        let intake = self.intake(LONG_ROWS, seconds_ago);
        let host = self.host().clone();
        let thread = std::thread::spawn(move || {
            // Released, it goes on at once whenever it is asked.
            let mut progress = |_| released.recv().unwrap_or_default();
            host.ingest(&intake, &mut progress).unwrap();
        });
        let started = Instant::now();
        while self.unfinished() == 0 {
            assert!(started.elapsed() < LIMIT, "the file is not announced");
            std::thread::yield_now();
        }
        self.stuck = Some((release, thread));
    }

    fn unfinished(&self) -> u64 {
        self.host().measure_standing([]);
        let series = self.host().meter().series();
        let mut series = series.into_iter();
        match series.find(|series| series.metric == Metric::UploadsUnfinished) {
            Some(series) => u64::from(series.value != Value::Last(0.0)),
            None => 0,
        }
    }

    fn go_on(&mut self) {
        if let Some((release, thread)) = self.stuck.take() {
            drop(release);
            thread.join().unwrap();
        }
    }

    /// The same directory after something was done to it.
    fn reopen(&mut self, meanwhile: impl FnOnce(&Path)) {
        self.host.take().unwrap().stop().unwrap();
        meanwhile(&self.dir);
        self.host = Some(open(&self.dir));
    }
}

pub(crate) fn ago(host: &Host, seconds: i64) -> Timestamp {
    Timestamp(host.now().0 - seconds * 1_000_000_000)
}

fn received(upload_id: UploadId, uploaded_at: Timestamp) -> UploadReceived {
    UploadReceived {
        upload_id,
        uploaded_at,
        client_id: "local".to_owned(),
        file: SourceFile::default(),
        options: UploadOptions::default(),
        merchants: Merchants::All,
        trace: None,
    }
}

/// A file that came ten minutes ago and whose reader does not go on.
pub(crate) fn oldest_unprocessed() -> Fault {
    let shared = Measured::new();
    let broken = Rc::clone(&shared);
    fault(
        "oldest-unprocessed",
        move |world| {
            broken.borrow_mut().minute(world, "validation", |measured| {
                measured.get_stuck(600);
                measured.host().measure_standing([]);
            });
        },
        move |world| {
            shared.borrow_mut().minute(world, "validation", |measured| {
                measured.go_on();
                measured.read(0);
                measured.host().measure_standing([]);
            });
        },
    )
}

/// Files that are completed after the promised time.
pub(crate) fn sla() -> Fault {
    let shared = Measured::new();
    let broken = Rc::clone(&shared);
    let read = |measured: &RefCell<Measured>, world: &mut World, seconds_ago: i64| {
        let mut measured = measured.borrow_mut();
        measured.minute(world, "aggregator", |measured| measured.read(seconds_ago));
    };
    fault(
        "sla",
        move |world| read(&broken, world, 301),
        move |world| read(&shared, world, 10),
    )
}

/// An event in the log that nobody can read, until somebody takes it off the list.
pub(crate) fn quarantine() -> Fault {
    let shared = Measured::new();
    let broken = Rc::clone(&shared);
    fault(
        "quarantine",
        move |world| {
            let mut measured = broken.borrow_mut();
            if !list(&measured.dir).exists() {
                measured.reopen(append_garbage);
            }
            measured.minute(world, "validation", |measured| {
                measured.host().measure_standing([]);
            });
        },
        move |world| {
            shared.borrow_mut().minute(world, "validation", |measured| {
                std::fs::remove_file(list(&measured.dir)).ok();
                measured.host().measure_standing([]);
            });
        },
    )
}

fn list(dir: &Path) -> PathBuf {
    dir.join("quarantine.jsonl")
}

fn append_garbage(dir: &Path) {
    let (mut log, _) = LogWriter::open(&dir.join("log"), &OpenOptions::default()).unwrap();
    let mut frame = FrameBuilder::new();
    frame.push(Bucket(3), b"no event").unwrap();
    log.append(1_800_000_000_000, &mut frame).unwrap();
    log.sync().unwrap();
}
