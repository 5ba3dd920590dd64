//! A stream in memory that reshards, throttles, forgets iterators and trims.

use super::super::aggregate::Aggregate;
use super::super::put::PutEntry;
use super::super::read::{ListedShard, Page, Place, ReadRecord, ReadShards, Retained};
use proptest::prelude::*;
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use txp_domain::position::Bucket;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{Clock, ErrorKind, PortError};

/// Records of one answer.
pub(crate) const PAGE: usize = 3;
/// When the first record arrived.
pub(crate) const START_MILLIS: i64 = 1_700_000_000_000;
/// For how long a stream keeps what it was given: less than the test's clock is behind its start.
pub(crate) const RETAINED_MILLIS: i64 = 24 * 60 * 60 * 1_000;

pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// Waiting moves it on and takes no time.
#[derive(Clone, Default)]
pub(crate) struct TestClock(pub(crate) Rc<Cell<u64>>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let millis = START_MILLIS as u64 + 1_000_000_000 + self.0.get();
        Timestamp::from_unix_millis(millis).unwrap()
    }

    async fn sleep(&self, millis: u64) {
        self.0.set(self.0.get() + millis);
    }

    fn jitter(&self) -> u64 {
        self.0.get()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct FakeShard {
    parents: Vec<usize>,
    /// Buckets from, up to.
    range: (usize, usize),
    pub(crate) records: Vec<ReadRecord>,
    is_closed: bool,
}

/// A stream; calls go wrong by turns, as `faults` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fake {
    pub(crate) shards: Vec<FakeShard>,
    /// One call of so many: throttled, iterator too old; 0 for never.
    pub(crate) faults: (u32, u32),
    calls: Rc<Cell<u32>>,
    /// An iterator is not too old twice in a row, unless all of them are.
    was_old: Rc<Cell<bool>>,
    /// Shards before this one are gone, with their records.
    pub(crate) gone: usize,
    next: u64,
    /// When it was made.
    pub(crate) since_millis: i64,
    /// It forgets nothing.
    pub(crate) keeps_all: bool,
}

impl Fake {
    pub(crate) fn with_shards(count: usize) -> Self {
        let shard = |n: usize| FakeShard {
            parents: Vec::new(),
            range: (n * 256 / count, (n + 1) * 256 / count),
            records: Vec::new(),
            is_closed: false,
        };
        Self {
            shards: (0..count).map(shard).collect(),
            ..Self::default()
        }
    }

    fn open_shard(&mut self, bucket: usize) -> usize {
        let holds = |s: &FakeShard| !s.is_closed && (s.range.0..s.range.1).contains(&bucket);
        self.shards.iter().position(holds).unwrap()
    }

    /// Appends one record of two events; gives their bytes.
    pub(crate) fn append(&mut self, bucket: u8) -> Vec<Vec<u8>> {
        self.next += 1;
        let number = self.next;
        let events: Vec<_> = (0..2)
            .map(|n| format!("{{\"n\":{number}.{n}}}").into_bytes())
            .collect();
        let mut aggregate = Aggregate::new(Bucket(bucket));
        for event in &events {
            aggregate.push("key", event);
        }
        let PutEntry {
            data,
            partition_key,
            ..
        } = aggregate.finish().unwrap();
        let shard = self.open_shard(usize::from(bucket));
        self.shards[shard].records.push(ReadRecord {
            sequence_number: format!("4959{number:052}"),
            partition_key,
            arrival_millis: START_MILLIS + number as i64 * 10,
            data,
        });
        events
    }

    pub(crate) fn split(&mut self, bucket: u8) {
        let parent = self.open_shard(usize::from(bucket));
        let (from, to) = self.shards[parent].range;
        let middle = from.midpoint(to);
        if middle == from {
            return;
        }
        self.shards[parent].is_closed = true;
        for range in [(from, middle), (middle, to)] {
            self.child(vec![parent], range);
        }
    }

    pub(crate) fn merge(&mut self, bucket: u8) {
        let lower = self.open_shard(usize::from(bucket));
        let (from, middle) = self.shards[lower].range;
        if middle == 256 {
            return;
        }
        let upper = self.open_shard(middle);
        let to = self.shards[upper].range.1;
        self.shards[lower].is_closed = true;
        self.shards[upper].is_closed = true;
        self.child(vec![lower, upper], (from, to));
    }

    fn child(&mut self, parents: Vec<usize>, range: (usize, usize)) {
        self.shards.push(FakeShard {
            parents,
            range,
            records: Vec::new(),
            is_closed: false,
        });
    }

    fn fails(&self, every: u32) -> bool {
        self.calls.set(self.calls.get() + 1);
        every > 0 && self.calls.get().is_multiple_of(every)
    }

    fn throttle(&self) -> Result<(), PortError> {
        if self.fails(self.faults.0) {
            return Err(PortError::new(ErrorKind::Throttled, "too much"));
        }
        Ok(())
    }
}

pub(crate) fn name(shard: usize) -> String {
    format!("shardId-{shard:012}")
}

pub(crate) fn number(name: &str) -> usize {
    name.rsplit('-').next().unwrap().parse().unwrap()
}

impl ReadShards for Fake {
    fn stream(&self) -> &str {
        "events"
    }

    async fn retained(&self) -> Result<Retained, PortError> {
        self.throttle()?;
        Ok(Retained {
            since_millis: self.since_millis,
            for_millis: match self.keeps_all {
                true => i64::MAX / 2,
                false => RETAINED_MILLIS,
            },
        })
    }

    async fn shards(&self) -> Result<Vec<ListedShard>, PortError> {
        self.throttle()?;
        let listed = self.shards.iter().enumerate().skip(self.gone);
        let listed = listed.map(|(n, shard)| ListedShard {
            id: name(n),
            parents: shard.parents.iter().map(|parent| name(*parent)).collect(),
        });
        Ok(listed.collect())
    }

    async fn iterator(&self, shard: &str, place: Place<'_>) -> Result<String, PortError> {
        self.throttle()?;
        let number = number(shard);
        let records = &self.shards[number].records;
        let at = match place {
            Place::Beginning => 0,
            Place::At(millis) => records.partition_point(|r| r.arrival_millis < millis),
            Place::After(last) => {
                1 + records
                    .iter()
                    .position(|r| r.sequence_number == last)
                    .unwrap()
            }
        };
        Ok(format!("{number}:{at}"))
    }

    async fn records(&self, iterator: &str) -> Result<Option<Page>, PortError> {
        self.throttle()?;
        let is_old = self.fails(self.faults.1) && (self.faults.1 == 1 || !self.was_old.get());
        self.was_old.set(is_old);
        if is_old {
            return Ok(None);
        }
        let (shard, at) = iterator.split_once(':').unwrap();
        let shard = &self.shards[shard.parse::<usize>().unwrap()];
        let at: usize = at.parse().unwrap();
        let records: Vec<_> = shard.records.iter().skip(at).take(PAGE).cloned().collect();
        let next = at + records.len();
        let is_at_end = next == shard.records.len();
        let has_ended = shard.is_closed && is_at_end;
        Ok(Some(Page {
            records,
            next: (!has_ended).then(|| format!("{}:{next}", iterator.split_once(':').unwrap().0)),
            behind_millis: if is_at_end { 0 } else { 10 },
        }))
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Append(u8),
    Split(u8),
    Merge(u8),
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => any::<u8>().prop_map(Step::Append),
        1 => any::<u8>().prop_map(Step::Split),
        1 => any::<u8>().prop_map(Step::Merge),
    ];
    prop::collection::vec(step, 1..80)
}
