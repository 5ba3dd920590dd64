//! The producer against a stream that fails in every way a stream can, seeded.

mod stream;

use super::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Waker};
use stream::{Faults, Random, Stream, TestClock, Writer};
use txp_domain::event::EncodedRow;
use txp_domain::position::Bucket;
use txp_pipeline::batch::UploadContext;
use txp_pipeline::retry::RetryPolicy;
use txp_tests::alarm;

const SEEDS: u64 = 100;
const EVENTS: usize = 700;
const TRANSACTIONS: usize = 40;

/// What was appended, by bucket.
type Appended = BTreeMap<Bucket, Vec<Vec<u8>>>;

struct World {
    stream: Rc<RefCell<Stream>>,
    clock: Rc<RefCell<Vec<u64>>>,
    producer: Producer<Writer, TestClock>,
}

impl World {
    fn new(seed: u64, faults: Faults, settings: Settings) -> Self {
        let stream = Rc::new(RefCell::new(Stream::new(Random(seed), faults)));
        stream.borrow_mut().data_bytes_max = settings.aggregate_bytes;
        let clock = TestClock::new(seed);
        let slept = Rc::clone(&clock.slept);
        Self {
            producer: Producer::new(Writer(Rc::clone(&stream)), clock, settings),
            clock: slept,
            stream,
        }
    }
}

fn settings() -> Settings {
    Settings {
        aggregate_bytes: 1_000,
        waiting_bytes_max: 20_000,
        call_bytes_min: 4_000,
        ..Settings::default()
    }
}

/// The fakes wake at once: polling again is all there is to do. The limit ends a test that hangs.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000_000_u64 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
    panic!("the producer waits for nothing");
}

/// A batch of rows; only their order, keys and bytes matter here.
fn batch(events: &[(String, Vec<u8>)]) -> EventBatch {
    let mut batch = EventBatch::default();
    batch.restart(&Arc::new(UploadContext::default()));
    for (number, (transaction_id, bytes)) in (1..).zip(events) {
        let start = batch.bytes.len();
        batch.bytes.extend_from_slice(bytes);
        let ids = Some(("m", transaction_id.as_str()));
        batch.push_rejected(start, number, number, ids, EncodedRow::default());
    }
    batch.settle(std::iter::empty(), |_, _| {});
    batch
}

fn events(random: &mut Random, first: usize, count: usize) -> Vec<(String, Vec<u8>)> {
    let event = |number| {
        let mut bytes = format!("{number}:").into_bytes();
        // Some are longer than an aggregate may be: these go by themselves.
        let length = if random.permille(10) {
            1_500
        } else {
            random.below(300)
        };
        bytes.resize(bytes.len() + length, b'.');
        (format!("t{}", random.below(TRANSACTIONS)), bytes)
    };
    (first..first + count).map(event).collect()
}

fn note(appended: &mut Appended, events: &[(String, Vec<u8>)]) {
    for (transaction_id, bytes) in events {
        let bucket = Bucket::of(format!("m/{transaction_id}").as_bytes());
        appended.entry(bucket).or_default().push(bytes.clone());
    }
}

fn run(seed: u64) {
    let mut random = Random(seed ^ 0x5EED);
    let faults = Faults::any(&mut random);
    let settings = Settings {
        aggregate_bytes: 1_000 + random.below(3_000),
        waiting_bytes_max: random.below(40_000),
        call_bytes_min: random.below(8_000),
        calls_in_flight: 1 + random.below(6),
        ..settings()
    };
    let mut world = World::new(seed, faults, settings);
    let mut appended = Appended::new();
    let mut first = 0;
    while first < EVENTS {
        let count = 1 + random.below(120);
        let events = events(&mut random, first, count);
        first += count;
        note(&mut appended, &events);
        let mut batch = batch(&events);
        block_on(world.producer.append(&mut batch)).unwrap();
        assert!(batch.is_empty(), "seed {seed}: an empty batch comes back");
        let waiting = world.producer.lanes.waiting_bytes();
        assert!(waiting <= settings.waiting_bytes_max, "seed {seed}");
        if random.permille(100) {
            block_on(world.producer.flush()).unwrap();
            assert_eq!(
                world.stream.borrow().first_occurrences(),
                appended,
                "seed {seed}"
            );
        }
    }
    block_on(world.producer.flush()).unwrap();
    world.stream.borrow_mut().apply_all_late();
    assert_eq!(
        world.stream.borrow().first_occurrences(),
        appended,
        "seed {seed}"
    );
}

/// Partial failures, throttles, lost and late answers, splits and merges in the middle: per bucket
/// the order of first occurrences is the order of appending, nothing is lost, and at every flush
/// all is there. The stream itself asserts the limits of a call, one record of a bucket on its way,
/// and the KCL's rule for each record that it stores.
#[test]
fn order_and_completeness_survive_a_bad_stream() {
    for seed in 0..SEEDS {
        run(seed);
    }
}

#[test]
fn a_good_stream_gets_every_event_once_in_few_calls() {
    let defaults = Settings::default();
    let mut world = World::new(1, Faults::default(), defaults);
    let events = events(&mut Random(1), 0, EVENTS);
    block_on(world.producer.append(&mut batch(&events))).unwrap();
    assert_eq!(
        world.stream.borrow().calls,
        0,
        "too little to be worth a call"
    );
    block_on(world.producer.flush()).unwrap();
    let stream = world.stream.borrow();
    assert_eq!(stream.calls, 1);
    let mut appended = Appended::new();
    note(&mut appended, &events);
    assert_eq!(stream.first_occurrences(), appended);
    assert_eq!(stream.stored, appended.len() as u64, "one record a bucket");
    assert_eq!(world.clock.borrow().len(), 0, "no one waited");
}

#[test]
fn throttles_are_waited_for_longer_and_longer_and_end() {
    let faults = Faults {
        throttled: 1_000,
        ..Faults::default()
    };
    let mut world = World::new(2, faults, settings());
    let events = events(&mut Random(2), 0, 10);
    block_on(world.producer.append(&mut batch(&events))).unwrap();
    let error = block_on(world.producer.flush()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    let slept = world.clock.borrow();
    let attempts = RetryPolicy::PATIENT.attempts_max as usize;
    assert!(slept.len() >= attempts / 2 && slept.len() < attempts);
    let late: u64 = slept.iter().rev().take(8).sum();
    let early: u64 = slept.iter().take(8).sum();
    assert!(late > early, "{slept:?}");
    assert!(
        slept
            .iter()
            .all(|wait| *wait <= RetryPolicy::PATIENT.max_wait_millis)
    );
}

/// The alarm `stream-throttles`, by what the producer counts of a stream that refuses and of one that
/// has room.
#[test]
fn a_stream_without_room_raises_its_alarm() {
    let minute = |cloud: &mut alarm::World, throttled| {
        cloud.told_by("validation", || {
            let faults = Faults {
                throttled,
                ..Faults::default()
            };
            let mut world = World::new(4, faults, settings());
            let events = events(&mut Random(4), 0, EVENTS);
            block_on(world.producer.append(&mut batch(&events))).unwrap();
            block_on(world.producer.flush()).unwrap();
        });
    };
    let alarms = alarm::Alarms::of_the_project();
    let states = alarm::drive(
        &alarms.alarms["stream-throttles"],
        |cloud| minute(cloud, 700),
        |cloud| minute(cloud, 0),
    );
    assert_eq!(
        states,
        [alarm::State::Ok, alarm::State::Alarm, alarm::State::Ok]
    );
}

#[test]
fn after_an_error_nothing_is_written_behind_the_gap() {
    for (kind, entry) in [
        (ErrorKind::Denied, false),
        (ErrorKind::Permanent, false),
        (ErrorKind::Denied, true),
    ] {
        let faults = Faults {
            always: Some((kind, entry)),
            ..Faults::default()
        };
        let mut world = World::new(3, faults, settings());
        let events = events(&mut Random(3), 0, 10);
        block_on(world.producer.append(&mut batch(&events))).unwrap();
        assert_eq!(block_on(world.producer.flush()).unwrap_err().kind, kind);
        world.stream.borrow_mut().faults = Faults::default();
        let again = block_on(world.producer.append(&mut batch(&events)));
        assert_eq!(again.unwrap_err().kind, kind);
        assert_eq!(block_on(world.producer.flush()).unwrap_err().kind, kind);
        assert_eq!(world.stream.borrow().stored, 0);
    }
}

#[test]
fn a_record_that_always_fails_ends_the_producer() {
    let always = Some((ErrorKind::Transient, true));
    let mut world = World::new(
        4,
        Faults {
            always,
            ..Faults::default()
        },
        settings(),
    );
    block_on(
        world
            .producer
            .append(&mut batch(&[("t".into(), b"x".to_vec())])),
    )
    .unwrap();
    let error = block_on(world.producer.flush()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    let calls = world.stream.borrow().calls;
    assert_eq!(calls, u64::from(RetryPolicy::PATIENT.attempts_max));
}

#[test]
fn an_event_that_fits_no_record_is_refused() {
    let mut world = World::new(5, Faults::default(), settings());
    let events = [("t".to_owned(), vec![b'.'; 1 << 20])];
    let error = block_on(world.producer.append(&mut batch(&events))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Permanent);
    assert!(block_on(world.producer.flush()).is_err(), "it is not there");
}

#[test]
fn a_flush_of_nothing_sends_nothing() {
    let mut world = World::new(6, Faults::default(), settings());
    block_on(world.producer.flush()).unwrap();
    assert_eq!(world.stream.borrow().calls, 0);
}
