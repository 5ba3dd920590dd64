//! The fault that each alarm names. Where the embedded host has the thing that breaks, it is broken
//! there and what its registry says is what the alarm sees.

use super::world::World;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use txp_domain::alert::{Decision, Message};
use txp_domain::event::{Merchants, SourceFile, UploadOptions, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_local::host::{Host, HostOptions, Intake};
use txp_local::meter::Registry;
use txp_pipeline::port::{
    AlertLedger, AlertRecord, AlertSink, ErrorKind, Handed, PortError, Recorded,
};
use txp_pipeline::stage::alert::Alerting;
use txp_tests::conformance::alerts::record;
use txp_tests::workload::fingerprinter;

type Made = Box<dyn Fn(&mut World)>;

/// What is seen in a minute in which it is broken, and in one in which it works and is used.
pub(crate) struct Fault {
    pub(crate) alarm: &'static str,
    pub(crate) broken: Made,
    pub(crate) mended: Made,
}

fn fault(
    alarm: &'static str,
    broken: impl Fn(&mut World) + 'static,
    mended: impl Fn(&mut World) + 'static,
) -> Fault {
    Fault {
        alarm,
        broken: Box::new(broken),
        mended: Box::new(mended),
    }
}

pub(crate) fn all() -> Vec<Fault> {
    let mut all = vec![
        oldest_unprocessed(),
        sla(),
        quarantine(),
        alert_delivery(),
        iterator_age("iterator-age-aggregator", "aggregator", 60_001.0),
        iterator_age("iterator-age-anomaly", "anomaly", 300_001.0),
        iterator_age("iterator-age-archiver", "archiver", 900_001.0),
    ];
    all.extend(of_aws());
    all
}

fn iterator_age(alarm: &'static str, function: &'static str, age_millis: f64) -> Fault {
    fault(
        alarm,
        move |world| world.lambda("IteratorAge", function, age_millis),
        // An idle minute has no age; one with traffic has a small one.
        move |world| {
            if world.minutes() % 2 == 0 {
                world.lambda("IteratorAge", function, 900.0);
            }
        },
    )
}

/// What only AWS measures, as it does.
fn of_aws() -> Vec<Fault> {
    let calls = |world: &mut World, errors: f64, throttles: f64| {
        for function in ["aggregator", "archiver"] {
            world.lambda("Invocations", function, 40.0);
            world.lambda("Errors", function, errors);
            world.lambda("Throttles", function, throttles);
        }
    };
    let messages = |world: &mut World, messages: f64| {
        let queue = [("QueueName", "validation-failures-${environment}")];
        world.aws(
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            &queue,
            messages,
        );
    };
    let gateway = |world: &mut World, share: f64| {
        let api = [
            ("ApiName", "transaction-api-${environment}"),
            ("Stage", "prod"),
        ];
        world.aws("AWS/ApiGateway", "5XXError", &api, share);
    };
    let rows = |world: &mut World, nano_dollars_per_row: f64| {
        let rows = 1000.0;
        world.ours("rows_read", "validation", rows);
        world.cost("aggregator", "dynamodb", nano_dollars_per_row * rows);
    };
    vec![
        fault("sweeper-silent", |world| world.drop("sweeps"), |_| {}),
        fault(
            "function-errors",
            move |world| calls(world, 20.0, 0.0),
            move |world| calls(world, 0.0, 0.0),
        ),
        fault(
            "function-throttles",
            move |world| calls(world, 0.0, 4.0),
            move |world| calls(world, 0.0, 0.0),
        ),
        fault(
            "stream-throttles",
            |world| world.ours("emit_throttles", "validation", 101.0),
            |_| {},
        ),
        fault(
            "failure-queues",
            move |world| messages(world, 1.0),
            move |world| messages(world, 0.0),
        ),
        fault(
            "api-errors",
            move |world| gateway(world, 0.02),
            move |world| gateway(world, 0.0),
        ),
        fault(
            "cost",
            move |world| rows(world, 20_000.0),
            move |world| rows(world, 2000.0),
        ),
    ]
}

/// An embedded host and what it said last.
struct Measured {
    dir: PathBuf,
    host: Host,
    _scratch: tempfile::TempDir,
    uploads: u64,
}

impl Measured {
    fn new() -> RefCell<Self> {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("data");
        let options = HostOptions {
            command: "alarms",
            fingerprinter: fingerprinter(0),
            is_durable: false,
            alerts: true,
            terminal: None,
        };
        RefCell::new(Self {
            host: Host::open(&dir, options).unwrap(),
            dir,
            _scratch: scratch,
            uploads: 0,
        })
    }

    /// Does something and puts what the host measured of it into the world.
    fn minute(&mut self, world: &mut World, function: &str, work: impl FnOnce(&mut Self)) {
        let before = self.host.meter().series();
        work(self);
        world.measured(self.host.meter(), &before, function);
    }

    /// Reads a file that arrived so long ago.
    fn read(&mut self, seconds_ago: i64) {
        self.uploads += 1;
        let path = self.dir.join("file.csv");
        let rows = format!(
            "transaction_id,amount,merchant_id,card_number\nt-{},5.00,m,4242424242424242\n",
            self.uploads
        );
        std::fs::write(&path, rows).unwrap();
        let intake = Intake {
            received: received(self.host.mint_upload_id(), ago(&self.host, seconds_ago)),
            path,
            dry_run: false,
        };
        let report = self.host.ingest(&intake, &mut |_| {}).unwrap();
        assert_eq!(report.upload.counts.accepted, 1);
    }
}

fn ago(host: &Host, seconds: i64) -> Timestamp {
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

/// A file that came ten minutes ago and that nobody reads.
fn oldest_unprocessed() -> Fault {
    let shared = std::rc::Rc::new(Measured::new());
    let broken = std::rc::Rc::clone(&shared);
    fault(
        "oldest-unprocessed",
        move |world| {
            broken.borrow_mut().minute(world, "validation", |measured| {
                let host = &measured.host;
                let stuck = (host.mint_upload_id(), ago(host, 600));
                host.measure_standing([stuck]);
            });
        },
        move |world| {
            shared.borrow_mut().minute(world, "validation", |measured| {
                measured.read(0);
                measured.host.measure_standing([]);
            });
        },
    )
}

/// Files that are completed after the promised time.
fn sla() -> Fault {
    let shared = std::rc::Rc::new(Measured::new());
    let broken = std::rc::Rc::clone(&shared);
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

/// An event that cannot be read, until somebody takes care of it.
fn quarantine() -> Fault {
    let shared = std::rc::Rc::new(Measured::new());
    let broken = std::rc::Rc::clone(&shared);
    let file = |dir: &Path| dir.join("quarantine.jsonl");
    fault(
        "quarantine",
        move |world| {
            broken.borrow_mut().minute(world, "validation", |measured| {
                let line =
                    "{\"bucket\":1,\"sequence\":7,\"stage\":\"fold\",\"reason\":\"not JSON\"}\n";
                std::fs::write(file(&measured.dir), line).unwrap();
                measured.host.measure_standing([]);
            });
        },
        move |world| {
            shared.borrow_mut().minute(world, "validation", |measured| {
                std::fs::remove_file(file(&measured.dir)).ok();
                measured.host.measure_standing([]);
            });
        },
    )
}

/// A sink that refuses, under the stage that hands alerts on.
fn alert_delivery() -> Fault {
    let hand_on = |world: &mut World, refuses: bool| {
        let registry = Registry::new();
        let before = registry.series();
        registry.measure(|| {
            let mut stage: Alerting = Alerting::default();
            let alerts = [record(1, "m-1", Decision::Send)];
            let (mut ledger, mut sink) = (NoLedger, Sink { refuses });
            let work = stage.hand_on(&mut ledger, &mut sink, &alerts);
            assert_eq!(block_on(work).is_err(), refuses);
        });
        world.measured(&registry, &before, "anomaly");
    };
    fault(
        "alert-delivery",
        move |world| hand_on(world, true),
        move |world| hand_on(world, false),
    )
}

struct Sink {
    refuses: bool,
}

impl AlertSink for Sink {
    async fn send(&mut self, _: &Message) -> Result<(), PortError> {
        if self.refuses {
            return Err(PortError::new(ErrorKind::Transient, "nobody listens"));
        }
        Ok(())
    }
}

/// Marks nothing: nobody asks.
struct NoLedger;

impl AlertLedger for NoLedger {
    async fn look_up(
        &mut self,
        _: &str,
        _: &txp_domain::position::Position,
    ) -> Result<Recorded, PortError> {
        Ok(Recorded::No)
    }

    async fn record(&mut self, _: &[AlertRecord]) -> Result<(), PortError> {
        Ok(())
    }

    async fn mark(&mut self, _: &[Handed], _: Timestamp) -> Result<(), PortError> {
        Ok(())
    }
}

/// The ports above are ready at once.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match work.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
