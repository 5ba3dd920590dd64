//! A stream in memory with every fault of a real one, and what must hold at each call asserted.

use super::super::{CALL_BYTES_MAX, CALL_RECORDS_MAX};
use super::Appended;
use crate::kinesis::deaggregate::deaggregate;
use crate::kinesis::hash_key;
use crate::kinesis::put::{EntryFailure, PutEntry, PutRecords};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use txp_domain::position::Bucket;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{Clock, ErrorKind, PortError};

/// A seeded generator (SplitMix64).
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(super) fn permille(&mut self, share: u32) -> bool {
        self.next() % 1_000 < u64::from(share)
    }
}

/// How often what goes wrong, in permille.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// An entry is throttled.
    pub(super) throttled: u32,
    /// An entry fails.
    pub(super) failed: u32,
    /// A call fails and nothing is stored.
    pub(super) refused: u32,
    /// A call fails and some or all of it is stored.
    pub(super) answer_lost: u32,
    /// A call fails and is stored some time later.
    pub(super) late: u32,
    /// A call is answered for fewer entries than it has; some are stored.
    pub(super) short: u32,
    /// A shard is split or two are merged before a call.
    pub(super) resharded: u32,
    /// Every call fails like this; `true`: entry by entry.
    pub(super) always: Option<(ErrorKind, bool)>,
}

impl Faults {
    pub(super) fn any(random: &mut Random) -> Self {
        let mut upto = |bound| random.below(bound) as u32;
        Self {
            throttled: upto(400),
            failed: upto(200),
            refused: upto(80),
            answer_lost: upto(80),
            late: upto(80),
            short: upto(30),
            resharded: upto(300),
            always: None,
        }
    }
}

#[derive(Debug)]
struct Shard {
    first: u128,
    last: u128,
    is_open: bool,
    records: Vec<PutEntry>,
}

impl Shard {
    fn new(first: u128, last: u128) -> Self {
        let (is_open, records) = (true, Vec::new());
        Self {
            first,
            last,
            is_open,
            records,
        }
    }
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) faults: Faults,
    pub(super) calls: u64,
    pub(super) stored: u64,
    pub(super) data_bytes_max: usize,
    random: Random,
    /// In the order in which they were opened: parents before children.
    shards: Vec<Shard>,
    late: Vec<PutEntry>,
    on_their_way: BTreeSet<Bucket>,
}

impl Stream {
    pub(super) fn new(mut random: Random, faults: Faults) -> Self {
        let mut cuts: Vec<u128> = (0..random.below(8)).map(|_| point(&mut random)).collect();
        cuts.push(0);
        cuts.sort_unstable();
        cuts.dedup();
        let ends = cuts.iter().skip(1).map(|next| next - 1).chain([u128::MAX]);
        let shards = cuts
            .iter()
            .zip(ends)
            .map(|(first, last)| Shard::new(*first, last));
        Self {
            shards: shards.collect(),
            faults,
            calls: 0,
            stored: 0,
            data_bytes_max: usize::MAX,
            random,
            late: Vec::new(),
            on_their_way: BTreeSet::new(),
        }
    }

    /// By bucket, every event once, where it stands first: reading parents before children.
    pub(super) fn first_occurrences(&self) -> Appended {
        let (mut seen, mut read) = (BTreeSet::new(), Appended::new());
        let mut users = Vec::new();
        for entry in self.shards.iter().flat_map(|shard| &shard.records) {
            users.clear();
            deaggregate(&entry.data, &entry.partition_key, &mut users);
            for user in &users {
                if seen.insert(user.data.to_vec()) {
                    read.entry(entry.bucket)
                        .or_default()
                        .push(user.data.to_vec());
                }
            }
        }
        read
    }

    pub(super) fn apply_all_late(&mut self) {
        for entry in std::mem::take(&mut self.late) {
            self.store(&entry);
        }
    }

    fn begin(&mut self, entries: &[PutEntry]) {
        self.calls += 1;
        assert!((1..=CALL_RECORDS_MAX).contains(&entries.len()));
        let bytes: usize = entries.iter().map(PutEntry::request_bytes).sum();
        assert!(bytes <= CALL_BYTES_MAX);
        for entry in entries {
            let is_first = self.on_their_way.insert(entry.bucket);
            assert!(is_first, "two records of a bucket are on their way");
        }
    }

    fn end(&mut self, entries: &[PutEntry]) {
        for entry in entries {
            self.on_their_way.remove(&entry.bucket);
        }
    }

    fn answer(&mut self, entries: &[PutEntry]) -> Answers {
        if self.random.permille(self.faults.resharded) {
            self.reshard();
        }
        if !self.late.is_empty() && self.random.permille(300) {
            let at = self.random.below(self.late.len());
            let entry = self.late.swap_remove(at);
            self.store(&entry);
        }
        if let Some((kind, by_entry)) = self.faults.always {
            let refusal = |_: &PutEntry| {
                Err(EntryFailure {
                    kind,
                    code: "Always".into(),
                })
            };
            return match by_entry {
                true => Ok(entries.iter().map(refusal).collect()),
                false => Err(PortError::new(kind, "always")),
            };
        }
        if self.random.permille(self.faults.refused) {
            let kind = match self.random.permille(500) {
                true => ErrorKind::Throttled,
                false => ErrorKind::Transient,
            };
            return Err(PortError::new(kind, "refused"));
        }
        if self.random.permille(self.faults.late) {
            self.late.extend_from_slice(entries);
            return Err(PortError::new(
                ErrorKind::Transient,
                "timed out, and stored later",
            ));
        }
        let is_lost = self.random.permille(self.faults.answer_lost);
        let mut answers = self.store_some(entries);
        if is_lost {
            return Err(PortError::new(ErrorKind::Transient, "the answer was lost"));
        }
        if self.random.permille(self.faults.short) {
            answers.pop();
        }
        Ok(answers)
    }

    /// Stores entries in any order, as buckets have none between them, but for those that fail.
    fn store_some(&mut self, entries: &[PutEntry]) -> Vec<Result<(), EntryFailure>> {
        let mut answers = vec![Ok(()); entries.len()];
        let mut order: Vec<usize> = (0..entries.len()).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, self.random.below(at + 1));
        }
        for at in order {
            answers[at] = if self.random.permille(self.faults.throttled) {
                let code = "ProvisionedThroughputExceededException".into();
                Err(EntryFailure {
                    kind: ErrorKind::Throttled,
                    code,
                })
            } else if self.random.permille(self.faults.failed) {
                let code = "InternalFailure".into();
                Err(EntryFailure {
                    kind: ErrorKind::Transient,
                    code,
                })
            } else {
                self.store(&entries[at]);
                Ok(())
            };
        }
        answers
    }

    fn store(&mut self, entry: &PutEntry) {
        self.stored += 1;
        let outside: u128 = entry.explicit_hash_key().parse().unwrap();
        let mut holding = self
            .shards
            .iter_mut()
            .filter(|shard| shard.is_open && (shard.first..=shard.last).contains(&outside));
        let shard = holding.next().unwrap();
        assert!(holding.next().is_none(), "open shards do not overlap");
        let mut users = Vec::new();
        deaggregate(&entry.data, &entry.partition_key, &mut users);
        assert!(entry.data.len() <= self.data_bytes_max || users.len() == 1);
        assert_eq!(entry.partition_key, users[0].partition_key);
        for user in &users {
            let inside = hash_key::effective(user.partition_key, user.explicit_hash_key);
            assert!(
                (shard.first..=shard.last).contains(&inside),
                "the KCL would drop it"
            );
            assert_eq!(Bucket::of(user.partition_key.as_bytes()), entry.bucket);
        }
        shard.records.push(entry.clone());
    }

    /// Closes an open shard and opens two in its place, or closes two neighbours and opens one.
    fn reshard(&mut self) {
        let mut open: Vec<usize> = (0..self.shards.len())
            .filter(|at| self.shards[*at].is_open)
            .collect();
        open.sort_unstable_by_key(|at| self.shards[*at].first);
        let chosen = self.random.below(open.len());
        let (first, last) = (
            self.shards[open[chosen]].first,
            self.shards[open[chosen]].last,
        );
        match open.get(chosen + 1) {
            Some(&next) if self.random.permille(500) => {
                self.shards[open[chosen]].is_open = false;
                self.shards[next].is_open = false;
                let end = self.shards[next].last;
                self.shards.push(Shard::new(first, end));
            }
            _ => {
                let cut = point(&mut self.random);
                if (first + 1..=last).contains(&cut) {
                    self.shards[open[chosen]].is_open = false;
                    self.shards.push(Shard::new(first, cut - 1));
                    self.shards.push(Shard::new(cut, last));
                }
            }
        }
    }
}

/// A point of the hash space; often a bucket's own, or beside it.
fn point(random: &mut Random) -> u128 {
    let bucket = Bucket(random.next() as u8);
    match random.below(3) {
        0 => hash_key::of_bucket(bucket),
        1 => hash_key::of_bucket(bucket) | 1,
        _ => u128::from(random.next()) << 64 | u128::from(random.next()),
    }
    .max(1)
}

type Answers = Result<Vec<Result<(), EntryFailure>>, PortError>;

/// The stream as a producer sees it.
pub(super) struct Writer(pub(super) Rc<RefCell<Stream>>);

impl PutRecords for Writer {
    async fn put_records(&self, entries: &[PutEntry]) -> Answers {
        self.0.borrow_mut().begin(entries);
        self.latency().await;
        let answer = self.0.borrow_mut().answer(entries);
        self.latency().await;
        self.0.borrow_mut().end(entries);
        answer
    }
}

impl Writer {
    async fn latency(&self) {
        let mut polls = self.0.borrow_mut().random.below(6);
        poll_fn(|context| {
            if polls == 0 {
                return Poll::Ready(());
            }
            polls -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Time that passes at once and is written down.
pub(super) struct TestClock {
    pub(super) slept: Rc<RefCell<Vec<u64>>>,
    random: RefCell<Random>,
}

impl TestClock {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            slept: Rc::default(),
            random: RefCell::new(Random(seed ^ 0xC10C)),
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    async fn sleep(&self, millis: u64) {
        self.slept.borrow_mut().push(millis);
    }

    fn jitter(&self) -> u64 {
        self.random.borrow_mut().next()
    }
}
