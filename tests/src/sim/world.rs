//! Everything that outlives a crash, and what is lost in one.

use super::bug::PlantedBug;
use super::plan::{Host, Plan};
use super::store::{Key, Store, key_of};
use crate::random::Random;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use txp_domain::position::{BUCKET_COUNT, Bucket};
use txp_domain::transaction::{FirstAccepted, Transaction};
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::stage::aggregate::Aggregator;

/// Parts that the stored change feed is split into, each item in one of them.
pub(super) const FEEDS: usize = 2;

/// One event as the log has it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) bucket: Bucket,
    pub(super) json: Rc<[u8]>,
}

/// A change of facts in the stored feed: where the event stands that made it.
#[derive(Clone, Debug)]
pub(super) struct FeedEntry {
    pub(super) index: usize,
    pub(super) facts_revision: u32,
    pub(super) standing: Option<Box<FirstAccepted>>,
}

/// How far the deliveries are.
#[derive(Clone, Debug)]
pub(super) struct Cursors {
    /// In the log, on the embedded host.
    pub(super) at: usize,
    /// In each bucket, in the cloud.
    pub(super) by_bucket: Vec<usize>,
    /// In each part of the feed.
    pub(super) feed: [usize; FEEDS],
}

impl Default for Cursors {
    fn default() -> Self {
        Self {
            at: 0,
            by_bucket: vec![0; BUCKET_COUNT],
            feed: [0; FEEDS],
        }
    }
}

/// The world of one run.
pub(super) struct World {
    pub(super) random: Random,
    pub(super) plan: Plan,
    pub(super) bug: Option<PlantedBug>,
    /// Faults have ended, so that the run can.
    pub(super) is_calm: bool,
    /// Changes are judged.
    pub(super) judges: bool,

    pub(super) log: Vec<Entry>,
    /// What of the log outlives a crash.
    pub(super) synced: usize,
    /// What of the log was acknowledged and is delivered.
    pub(super) acknowledged: usize,
    /// Where events stand that nobody can read.
    pub(super) poison: Vec<u64>,

    pub(super) store: Store,
    pub(super) cursors: Cursors,
    pub(super) feed: [Vec<FeedEntry>; FEEDS],
    pub(super) aggregators: Vec<Aggregator>,
    /// Links that a planted bug holds back.
    pub(super) held_links: Vec<(Key, txp_domain::id::EventId)>,
    /// The last rows delivered, for a planted bug.
    pub(super) last_rows: HashMap<Key, FirstAccepted>,

    saved_store: Store,
    saved_cursors: Cursors,
    /// The state that a planted bug publishes late.
    late_store: Store,

    /// By finding: whether it is marked as handed over.
    pub(super) alerts: BTreeMap<String, bool>,
    /// By finding: how often the sink got it.
    pub(super) sink: BTreeMap<String, u32>,
    /// What was told to people.
    pub(super) told: Vec<String>,

    /// Every judgement was made in the order of the log.
    pub(super) is_ordered: bool,
    /// Nothing happened that makes an alert come twice.
    pub(super) is_undisturbed: bool,
    /// What was seen to be wrong on the way.
    pub(super) broken: Vec<String>,
    /// A card number, for a planted bug.
    pub(super) planted: String,
}

pub(super) type Shared = Rc<RefCell<World>>;

impl World {
    pub(super) fn new(
        random: Random,
        plan: Plan,
        bug: Option<PlantedBug>,
        planted: String,
    ) -> Self {
        let is_ordered = plan.host == Host::Embedded;
        Self {
            random,
            plan,
            bug,
            is_calm: false,
            judges: true,
            log: Vec::new(),
            synced: 0,
            acknowledged: 0,
            poison: Vec::new(),
            store: Store::default(),
            cursors: Cursors::default(),
            feed: Default::default(),
            aggregators: Vec::new(),
            held_links: Vec::new(),
            last_rows: HashMap::new(),
            saved_store: Store::default(),
            saved_cursors: Cursors::default(),
            late_store: Store::default(),
            alerts: BTreeMap::new(),
            sink: BTreeMap::new(),
            told: Vec::new(),
            is_ordered,
            is_undisturbed: true,
            broken: Vec::new(),
            planted,
        }
    }

    pub(super) fn has(&self, bug: PlantedBug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether a planted bug strikes now.
    pub(super) fn strikes(&mut self, bug: PlantedBug, chance_permille: u32) -> bool {
        self.has(bug) && self.random.permille(chance_permille)
    }

    pub(super) fn is_embedded(&self) -> bool {
        self.plan.host == Host::Embedded
    }

    pub(super) fn fault(&mut self, chance_permille: u32) -> bool {
        !self.is_calm && self.random.permille(chance_permille)
    }

    pub(super) fn say(&mut self, broken: impl Into<String>) {
        self.broken.push(broken.into());
    }

    /// Puts an item and, in the cloud, what it changed into the feed.
    pub(super) fn put(&mut self, item: Transaction) {
        let key = key_of(&item);
        let before = self.store.items.get(&key).map_or(0, |i| i.facts_revision);
        if item.facts_revision > before && !self.is_embedded() {
            let sequence = item.as_of.as_ref().and_then(|p| p.sequence.as_u64());
            let entry = FeedEntry {
                index: sequence.unwrap_or(1) as usize - 1,
                facts_revision: item.facts_revision,
                standing: item.first.clone().filter(|_| before > 0).map(Box::new),
            };
            let part = key.1.bytes().map(usize::from).sum::<usize>() % FEEDS;
            self.feed[part].push(entry);
        }
        let said = self.store.put(item);
        self.broken.extend(said);
    }

    /// Appends events. `Err`: nobody knows how many of them are in the log.
    pub(super) fn append(
        &mut self,
        events: impl IntoIterator<Item = (Bucket, Vec<u8>)>,
    ) -> Result<(), PortError> {
        let mut events: Vec<_> = events.into_iter().collect();
        let is_fault = self.fault(self.plan.append_faults_permille);
        if is_fault {
            let kept = self.random.below(events.len() + 1);
            events.truncate(kept);
        }
        for (bucket, json) in events {
            let json = self.leak(json);
            self.log.push(Entry {
                bucket,
                json: json.into(),
            });
        }
        if !self.is_embedded() {
            self.synced = self.log.len();
            self.acknowledged = self.log.len();
        }
        if is_fault {
            let context = "the append's answer was lost";
            return Err(PortError::new(ErrorKind::Transient, context));
        }
        Ok(())
    }

    fn leak(&mut self, json: Vec<u8>) -> Vec<u8> {
        if !self.has(PlantedBug::CardNumberLeaks) {
            return json;
        }
        let text = String::from_utf8(json).unwrap();
        let hint = format!("\"hint\":\"{} ", self.planted);
        text.replacen("\"hint\":\"", &hint, 1).into_bytes()
    }

    /// Makes all that was appended durable.
    pub(super) fn sync(&mut self) {
        self.acknowledged = self.log.len();
        if !self.strikes(PlantedBug::AcknowledgeBeforeSync, 300) {
            self.synced = self.log.len();
        }
    }

    pub(super) fn checkpoint(&mut self) {
        self.saved_cursors = self.cursors.clone();
        if self.has(PlantedBug::CheckpointBeforeState) {
            self.saved_store = std::mem::replace(&mut self.late_store, self.store.clone());
        } else if self.is_embedded() {
            self.saved_store = self.store.clone();
        }
    }

    /// Loses what a crash loses.
    pub(super) fn crash(&mut self) {
        self.is_undisturbed = false;
        self.cursors = self.saved_cursors.clone();
        self.aggregators.clear();
        self.held_links.clear();
        if self.is_embedded() {
            let tail = self.log.len() - self.synced;
            let kept = if self.random.permille(500) {
                0
            } else {
                self.random.below(tail + 1)
            };
            self.log.truncate(self.synced + kept);
            // Recovery reads what is there and makes it durable before it goes on.
            self.synced = self.log.len();
            self.acknowledged = self.log.len();
            self.cursors.at = self.cursors.at.min(self.log.len());
            let crashed = std::mem::replace(&mut self.store, self.saved_store.clone());
            if self.has(PlantedBug::PartialRollback) {
                self.store.uploads = crashed.uploads;
            }
        }
    }

    /// The log's events of each bucket, by index.
    pub(super) fn by_bucket(&self) -> Vec<Vec<usize>> {
        let mut buckets = vec![Vec::new(); BUCKET_COUNT];
        for (entry, index) in self.log.iter().take(self.acknowledged).zip(0..) {
            buckets[entry.bucket.index()].push(index);
        }
        buckets
    }

    /// Whether everything was delivered.
    pub(super) fn is_caught_up(&self) -> bool {
        let deliveries = if self.is_embedded() {
            self.cursors.at >= self.log.len()
        } else {
            let buckets = self.by_bucket();
            buckets
                .iter()
                .zip(&self.cursors.by_bucket)
                .all(|(events, cursor)| *cursor >= events.len())
        };
        let feed = self.feed.iter().zip(&self.cursors.feed);
        deliveries && feed.into_iter().all(|(feed, cursor)| *cursor >= feed.len())
    }
}
