//! The archive of a stream, of whatever age, and the stream behind it, however much that has
//! forgotten: each event once, or an error.

use super::*;
use crate::kinesis::deaggregate::deaggregate;
use crate::kinesis::reader::fake::{Fake, START_MILLIS, Step, TestClock, now, steps};
use crate::kinesis::source::{position_of, sequence_of};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use txp_domain::position::Position;
use txp_pipeline::history::archive::Object;
use txp_pipeline::history::{self, Recorded};
use txp_tests::conformance::source;

/// An archive in memory: objects by their keys.
#[derive(Clone, Debug, Default)]
struct Objects(Rc<RefCell<BTreeMap<String, Vec<u8>>>>);

impl ArchiveObjects for Objects {
    async fn days(&self, from: Option<&str>) -> Result<Vec<String>, PortError> {
        let objects = self.0.borrow();
        let days = objects.keys().map(|key| key[5..15].to_owned());
        let mut days: Vec<_> = days
            .filter(|day| from.is_none_or(|from| &**day >= from))
            .collect();
        days.dedup();
        Ok(days)
    }

    async fn objects(&self, day: &str) -> Result<Vec<Object>, PortError> {
        let objects = self.0.borrow();
        let of_day = objects.keys().filter(|key| key[5..].starts_with(day));
        let objects = of_day.map(|key| Object::among(key, str::to_owned).map(Option::unwrap));
        let mut objects = objects.collect::<Result<Vec<_>, _>>()?;
        objects.sort_unstable();
        Ok(objects)
    }

    async fn get(&self, key: &str, _bytes_max: u64) -> Result<Option<Vec<u8>>, PortError> {
        Ok(self.0.borrow().get(key).cloned())
    }

    fn name_of(&self, key: &str) -> String {
        key.to_owned()
    }
}

/// What the archiver makes of a shard's records, of so many deliveries as there are pieces.
fn archive(objects: &Objects, shard: usize, records: &[crate::kinesis::read::ReadRecord]) {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;
    for delivery in records.chunks(4) {
        let mut lines = Vec::new();
        for record in delivery {
            let sequence = sequence_of(&record.sequence_number).unwrap();
            let mut users = Vec::new();
            deaggregate(&record.data, &record.partition_key, &mut users);
            for user in &users {
                let recorded = Recorded {
                    position: position_of(user, &sequence),
                    arrival_millis: record.arrival_millis,
                    bytes: user.data,
                };
                history::write_line(&recorded, &mut lines).unwrap();
            }
        }
        let (first, last) = (&delivery[0], &delivery[delivery.len() - 1]);
        let mut day = history::arrival(first.arrival_millis).to_string();
        day.truncate(10);
        let key = format!(
            "date={day}/shardId-{shard:012}-{}-{}.ndjson.gz",
            first.sequence_number, last.sequence_number
        );
        let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
        writer.write_all(&lines).unwrap();
        objects.0.borrow_mut().insert(key, writer.finish().unwrap());
    }
}

fn open(objects: &Objects, stream: &Fake, window: Window) -> Result<Joined, PortError> {
    let (objects, clock) = (objects.clone(), TestClock::default());
    now(JoinedSource::open(objects, stream.clone(), clock, window))
}

type Joined = JoinedSource<Objects, Fake, TestClock>;

fn build(steps: Vec<Step>, shards: usize) -> (Fake, BTreeMap<u8, Vec<Vec<u8>>>) {
    let mut stream = Fake::with_shards(shards);
    let mut recorded: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
    // Every bucket has something, so that every first shard has.
    let appends = (0..=255).step_by(8).map(Step::Append);
    for step in appends.chain(steps).chain([Step::Append(7)]) {
        match step {
            Step::Append(bucket) => {
                let events = stream.append(bucket);
                recorded.entry(bucket).or_default().extend(events);
            }
            Step::Split(bucket) => stream.split(bucket),
            Step::Merge(bucket) => stream.merge(bucket),
        }
    }
    (stream, recorded)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The archive ends anywhere in each shard and the stream begins anywhere before that: each
    /// event once, in the order of its bucket, from any place on and in any window of time.
    #[test]
    fn an_archive_and_its_stream_conform(
        steps in steps(),
        shards in 1_usize..5,
        archived in prop::collection::vec(0_usize..100, 64),
        forgotten in prop::collection::vec(0_usize..100, 64),
        throttled in prop_oneof![Just(0), 2_u32..9],
        expired in prop_oneof![Just(0), 4_u32..9],
        time in 0_i64..100,
    ) {
        let (mut stream, recorded) = build(steps, shards);
        let objects = Objects::default();
        let mut lags = false;
        for (number, shard) in stream.shards.iter_mut().enumerate() {
            // A child is archived once its parents are.
            let all = shard.records.len();
            let is_first = number < shards;
            let share = if lags && !is_first { 0 } else { archived[number % 64].max(1) };
            let through = (all * share).div_ceil(100);
            archive(&objects, number, &shard.records[..through]);
            lags |= through < all;
            let gone = (all * forgotten[number % 64] / 100).min(through.saturating_sub(1));
            shard.records.drain(..gone);
        }
        stream.faults = (throttled, expired);
        let opened = async |window| open(&objects, &stream, window).unwrap();
        now(source::every_event_comes_once_in_order(opened, &recorded));
        now(source::a_source_goes_on_from_any_place(opened));
        let times = [START_MILLIS + time * 10, START_MILLIS + time * 13 + 1];
        now(source::a_window_of_time_is_what_arrived_in_it(opened, &times));
    }
}

fn appended(count: usize) -> Fake {
    let mut stream = Fake::with_shards(1);
    for _ in 0..count {
        stream.append(3);
    }
    stream
}

/// What is in neither is not passed over.
#[test]
fn a_gap_is_an_error_and_nothing_is_given_behind_it() {
    let mut stream = appended(10);
    let objects = Objects::default();
    archive(&objects, 0, &stream.shards[0].records[..4]);
    stream.shards[0].records.drain(..5);
    let mut source = open(&objects, &stream, Window::default()).unwrap();
    let (mut batch, mut given) = (SourceBatch::default(), 0);
    let error = loop {
        match now(source.next(&mut batch)) {
            Ok(progress) => {
                assert_eq!(progress, Progress::More);
                given += batch.len();
            }
            Err(error) => break error,
        }
    };
    assert_eq!(given, 8, "the archive's, two a record");
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(
        error.to_string().contains("shardId-000000000000"),
        "{error}"
    );
    assert!(
        batch.is_empty() && now(source.next(&mut batch)).is_err(),
        "it lasts"
    );
    // The archiver has caught up: the same reader's place goes on.
    archive(&objects, 0, &appended(10).shards[0].records[4..7]);
    let window = Window {
        after: Some(source.cursor()),
        ..Window::default()
    };
    let mut source = open(&objects, &stream, window).unwrap();
    assert_eq!(now(source::read_all(&mut source)).len(), 12);
}

/// A stream that is younger than what it keeps has forgotten nothing, archived or not; neither has a
/// window that begins later.
#[test]
fn what_cannot_be_forgotten_needs_no_archive() {
    let mut stream = appended(10);
    let read = |stream: &Fake, window| {
        let mut source = open(&Objects::default(), stream, window).unwrap();
        let mut batch = SourceBatch::default();
        loop {
            match now(source.next(&mut batch)) {
                Ok(Progress::More) if batch.is_empty() => {}
                Ok(_) => return Ok(batch.len()),
                Err(error) => return Err(error.kind),
            }
        }
    };
    assert_eq!(read(&stream, Window::default()), Err(ErrorKind::Corrupt));
    let now_millis = TestClock::default().now().unix_millis();
    for record in &mut stream.shards[0].records {
        record.arrival_millis = now_millis - 1_000;
    }
    let window = Window {
        from_millis: Some(now_millis - 3_600_000),
        ..Window::default()
    };
    assert!(read(&stream, window).is_ok_and(|events| events > 0));
    stream.since_millis = now_millis - 3_600_000;
    assert!(read(&stream, Window::default()).is_ok_and(|events| events > 0));
}

#[test]
fn a_foreign_place_is_refused() {
    let stream = appended(1);
    now(source::a_foreign_place_is_refused(async |window| {
        open(&Objects::default(), &stream, window)
    }));
}

/// Marks are what was given, of the archive and of the stream alike.
#[test]
fn a_place_in_the_stream_is_told_by_marks() {
    let stream = appended(3);
    let objects = Objects::default();
    archive(&objects, 0, &stream.shards[0].records[..1]);
    let mut source = open(&objects, &stream, Window::default()).unwrap();
    let given = now(source::read_all(&mut source));
    let last: &Position = &given[given.len() - 1].position;
    assert!(source.cursor().contains(&last.sequence.to_string()));
}
