//! The port of histories that are read. A source is opened as often as needed by the caller's `open`,
//! over a history that does not change meanwhile.
//!
//! Between buckets nothing is promised, so everything is compared bucket by bucket.

use std::collections::BTreeMap;
use txp_domain::position::Position;
use txp_pipeline::port::{EventSource, Progress, SourceBatch, Window};

/// An event as a source gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Where it stands.
    pub position: Position,
    /// When it was appended, Unix milliseconds.
    pub arrival_millis: i64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Events by bucket, in order.
pub type ByBucket = BTreeMap<u8, Vec<Given>>;

/// More batches than any history of a test has.
const BATCHES_MAX: usize = 10_000;

/// Places that a source is cut at, spread over a longer history: each reads all of it.
const CUTS_MAX: usize = 12;

/// Reads on to the end for now; after each batch `mark` is told the place behind it.
pub async fn read_on<S: EventSource>(source: &mut S, mut mark: impl FnMut(&S, &[Given])) {
    let mut batch = SourceBatch::default();
    for _ in 0..BATCHES_MAX {
        let progress = source.next(&mut batch).await.unwrap();
        let given: Vec<Given> = batch
            .events()
            .map(|event| Given {
                position: event.position,
                arrival_millis: event.arrival_millis,
                bytes: event.bytes.to_vec(),
            })
            .collect();
        mark(source, &given);
        if progress != Progress::More {
            return;
        }
    }
    panic!("a source of a finite history does not come to its end");
}

/// All that a source gives, in its order.
pub async fn read_all<S: EventSource>(source: &mut S) -> Vec<Given> {
    let mut all = Vec::new();
    read_on(source, |_, given| all.extend_from_slice(given)).await;
    all
}

/// The same, bucket by bucket. Positions of a bucket must ascend: so none comes twice.
#[must_use]
pub fn by_bucket(given: &[Given]) -> ByBucket {
    let mut buckets = ByBucket::new();
    for event in given {
        let bucket = buckets.entry(event.position.bucket.0).or_default();
        if let Some(last) = bucket.last() {
            assert!(
                event.position.is_after(&last.position),
                "{:?} came behind {:?}",
                event.position,
                last.position
            );
        }
        bucket.push(event.clone());
    }
    buckets
}

/// Every event that was recorded comes once, byte for byte, in the order of its bucket.
pub async fn every_event_comes_once_in_order<S: EventSource>(
    open: impl AsyncFn(Window) -> S,
    recorded: &BTreeMap<u8, Vec<Vec<u8>>>,
) {
    let given = read_all(&mut open(Window::default()).await).await;
    let bytes = by_bucket(&given).into_iter().map(|(bucket, events)| {
        let bytes = events.into_iter().map(|event| event.bytes);
        (bucket, bytes.collect::<Vec<_>>())
    });
    assert_eq!(&bytes.collect::<BTreeMap<_, _>>(), recorded);
}

/// A source that is opened behind any batch goes on with the next event: nothing is lost and
/// nothing comes again, also when it is cut a second time.
pub async fn a_source_goes_on_from_any_place<S: EventSource>(open: impl AsyncFn(Window) -> S) {
    let mut all = Vec::new();
    let mut cuts = Vec::new();
    read_on(&mut open(Window::default()).await, |source, given| {
        all.extend_from_slice(given);
        cuts.push((all.len(), source.cursor()));
    })
    .await;
    let expected = by_bucket(&all);
    assert!(!expected.is_empty());
    let every = cuts.len().div_ceil(CUTS_MAX).max(1);
    for (length, place) in cuts.into_iter().step_by(every) {
        let mut whole = all[..length].to_vec();
        let mut batch = SourceBatch::default();
        let mut second = open(after(place)).await;
        let _progress = second.next(&mut batch).await.unwrap();
        whole.extend(batch.events().map(|event| Given {
            position: event.position,
            arrival_millis: event.arrival_millis,
            bytes: event.bytes.to_vec(),
        }));
        whole.extend(read_all(&mut open(after(second.cursor())).await).await);
        assert_eq!(by_bucket(&whole), expected, "cut behind {length} events");
    }
}

fn after(place: String) -> Window {
    Window {
        after: Some(place),
        ..Window::default()
    }
}

/// What arrived in a window of time, and nothing else, for windows between any two of `times`.
pub async fn a_window_of_time_is_what_arrived_in_it<S: EventSource>(
    open: impl AsyncFn(Window) -> S,
    times: &[i64],
) {
    let all = read_all(&mut open(Window::default()).await).await;
    let ends = || std::iter::once(None).chain(times.iter().copied().map(Some));
    for from_millis in ends() {
        for to_millis in ends() {
            let window = Window {
                from_millis,
                to_millis,
                after: None,
            };
            let given = read_all(&mut open(window.clone()).await).await;
            let mut expected = all.clone();
            expected.retain(|event| window.has(event.arrival_millis));
            assert_eq!(by_bucket(&given), by_bucket(&expected), "{window:?}");
        }
    }
}

/// A place of another history is refused, whatever it is.
pub async fn a_foreign_place_is_refused<S>(
    open: impl AsyncFn(Window) -> Result<S, txp_pipeline::port::PortError>,
) {
    for place in [
        "",
        "nonsense",
        "-1",
        "{}",
        r#"{"stream":"another","shards":{}}"#,
    ] {
        let error = open(after(place.to_owned())).await.err();
        assert!(error.is_some_and(|error| !error.is_retryable()), "{place}");
    }
}
