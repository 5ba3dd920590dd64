//! The reader on a stream that reshards, throttles, forgets iterators and trims.

use super::fake::{Fake, PAGE, START_MILLIS, Step, TestClock, now, steps};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use txp_tests::conformance::source;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a stream was resharded and whatever goes wrong: each event once, in the order of its
    /// bucket, from any place on and in any window of time.
    #[test]
    fn a_stream_conforms(
        steps in steps(),
        shards in 1_usize..5,
        throttled in prop_oneof![Just(0), 2_u32..9],
        expired in prop_oneof![Just(0), 4_u32..9],
        time in 0_i64..100,
    ) {
        let mut stream = Fake::with_shards(shards);
        let mut recorded: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
        for step in steps.into_iter().chain([Step::Append(7)]) {
            match step {
                Step::Append(bucket) => {
                    let events = stream.append(bucket);
                    recorded.entry(bucket).or_default().extend(events);
                }
                Step::Split(bucket) => stream.split(bucket),
                Step::Merge(bucket) => stream.merge(bucket),
            }
        }
        stream.faults = (throttled, expired);
        stream.keeps_all = true;
        let open = async |window| {
            StreamSource::open(stream.clone(), TestClock::default(), window).await.unwrap()
        };
        now(source::every_event_comes_once_in_order(open, &recorded));
        now(source::a_source_goes_on_from_any_place(open));
        let times = [START_MILLIS + time * 10, START_MILLIS + time * 13 + 1];
        now(source::a_window_of_time_is_what_arrived_in_it(open, &times));
    }
}

#[test]
fn a_shard_is_asked_as_often_as_it_may_be() {
    let mut stream = Fake::with_shards(1);
    for _ in 0..10 * PAGE {
        stream.append(3);
    }
    let clock = TestClock::default();
    let mut source = now(StreamSource::open(stream, clock.clone(), Window::default())).unwrap();
    let given = now(source::read_all(&mut source));
    assert_eq!(given.len(), 20 * PAGE);
    // Ten full pages and the one that is empty.
    assert_eq!(clock.0.get(), 10 * READ_EVERY_MILLIS as u64);
    let mut batch = SourceBatch::default();
    assert_eq!(now(source.next(&mut batch)).unwrap(), Progress::CaughtUp);
    assert_eq!(clock.0.get(), (10 * READ_EVERY_MILLIS + IDLE_MILLIS) as u64);
}

#[test]
fn what_lasts_is_told_and_nothing_is_lost() {
    let mut stream = Fake::with_shards(2);
    stream.append(3);
    stream.faults = (0, 1);
    let open = |stream: &Fake| {
        let source = StreamSource::open(stream.clone(), TestClock::default(), Window::default());
        now(source)
    };
    let mut source = open(&stream).unwrap();
    let mut batch = SourceBatch::default();
    let error = now(source.next(&mut batch)).unwrap_err();
    assert!(error.is_retryable() && batch.is_empty());
    source.calls.faults = (0, 0);
    assert_eq!(now(source::read_all(&mut source)).len(), 2);
    stream.faults = (1, 0);
    assert_eq!(open(&stream).err().unwrap().kind, ErrorKind::Throttled);
}

#[test]
fn a_foreign_place_is_refused() {
    let stream = Fake::with_shards(1);
    now(source::a_foreign_place_is_refused(async |window| {
        StreamSource::open(stream.clone(), TestClock::default(), window).await
    }));
}

/// A parent that is gone with its records does not keep its children waiting.
#[test]
fn a_trimmed_parent_is_passed_over() {
    let mut stream = Fake::with_shards(1);
    stream.append(3);
    stream.split(3);
    let expected = stream.append(3);
    stream.gone = 1;
    let source = StreamSource::open(stream, TestClock::default(), Window::default());
    let given = now(source::read_all(&mut now(source).unwrap()));
    let given: Vec<_> = given.into_iter().map(|event| event.bytes).collect();
    assert_eq!(given, expected);
}

/// Whoever goes on from a place that the stream has forgotten is told what may be missing, and is not
/// given what is left of it as if that were all.
#[test]
fn a_place_that_is_forgotten_is_not_gone_on_from() {
    let mut stream = Fake::with_shards(2);
    for _ in 0..=PAGE {
        stream.append(3);
    }
    let clock = TestClock::default();
    let open = |stream: &Fake, after: String| {
        let window = Window {
            after: Some(after),
            ..Window::default()
        };
        now(StreamSource::open(stream.clone(), clock.clone(), window))
    };
    let mut source = now(StreamSource::open(
        stream.clone(),
        clock.clone(),
        Window::default(),
    ))
    .unwrap();
    // One full page: the reader is behind, and what it read arrived long ago.
    let mut batch = SourceBatch::default();
    while batch.is_empty() {
        let _progress = now(source.next(&mut batch)).unwrap();
    }
    let error = open(&stream, source.cursor()).err().unwrap();
    assert!(!error.is_retryable());
    let told = error.to_string();
    assert!(
        told.contains("of shard shardId-000000000000 what arrived from 2023-"),
        "{told}"
    );
    assert!(told.contains("s3://BUCKET/PREFIX+kinesis:events"), "{told}");
    // Read to its end, all that came by then is known.
    now(source::read_all(&mut source));
    let at_end = source.cursor();
    assert!(open(&stream, at_end.clone()).is_ok());
    let day = u64::try_from(super::fake::RETAINED_MILLIS).unwrap();
    now(clock.sleep(day + 1));
    assert!(open(&stream, at_end.clone()).is_err());
    stream.keeps_all = true;
    assert!(open(&stream, at_end.clone()).is_ok());
    // A shard that is not listed any more is gone with what was not read of it.
    stream.split(3);
    stream.gone = 1;
    assert!(open(&stream, at_end).is_err());
}
