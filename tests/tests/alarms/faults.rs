//! The fault that each alarm names. Where the embedded host has the thing that breaks, it is broken
//! there and what its registry says is what the alarm sees.

use super::{measured, webhooks};
use txp_domain::alert::{Decision, Message};
use txp_domain::time::Timestamp;
use txp_pipeline::port::{
    AlertLedger, AlertRecord, AlertSink, ErrorKind, Handed, PortError, Recorded,
};
use txp_pipeline::stage::alert::Alerting;
use txp_tests::alarm::World;
use txp_tests::conformance::alerts::record;

type Made = Box<dyn Fn(&mut World)>;

/// What is seen in a minute in which it is broken, and in one in which it works and is used.
pub(crate) struct Fault {
    pub(crate) alarm: &'static str,
    pub(crate) broken: Made,
    pub(crate) mended: Made,
}

pub(crate) fn fault(
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
        measured::oldest_unprocessed(),
        measured::sla(),
        measured::quarantine(),
        alert_delivery(),
        webhooks::late(),
        webhooks::given_up(),
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

/// A sink that refuses, under the stage that hands alerts on.
fn alert_delivery() -> Fault {
    let hand_on = |world: &mut World, refuses: bool| {
        world.told_by("anomaly", || {
            let mut stage: Alerting = Alerting::default();
            let alerts = [record(1, "m-1", Decision::Send)];
            let (mut ledger, mut sink) = (NoLedger, Sink { refuses });
            let work = stage.hand_on(&mut ledger, &mut sink, &alerts);
            assert_eq!(block_on(work).is_err(), refuses);
        });
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
