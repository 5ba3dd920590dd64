//! The ports that the stages see: the store, wrapped in faults.

use super::bug::PlantedBug;
use super::run::wait;
use super::store::Key;
use super::world::{Shared, World};
use txp_domain::event::UploadEvent;
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::profile::Profile;
use txp_domain::transaction::{FreshTransaction, Transaction};
use txp_domain::upload::ClassCounts;
use txp_pipeline::port::{
    Advance, ErrorKind, PortError, ProfileKey, ProfileStore, TransactionStore, UploadStore, Written,
};

/// The store as one worker sees it.
pub(super) struct Port(pub(super) Shared);

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Works,
    /// It has its effect and its answer is lost.
    LosesAnswer,
    /// A conditional write is refused though nobody wrote.
    IsRefused,
}

fn lost() -> PortError {
    PortError::new(ErrorKind::Transient, "the answer was lost")
}

impl Port {
    async fn fate(&self) -> Result<Fate, PortError> {
        wait().await;
        let world = &mut *self.0.borrow_mut();
        if !world.fault(world.plan.port_faults_permille) {
            return Ok(Fate::Works);
        }
        let error = |kind| Err(PortError::new(kind, "not now"));
        match world.random.below(4) {
            0 => error(ErrorKind::Throttled),
            1 => error(ErrorKind::Transient),
            2 => Ok(Fate::LosesAnswer),
            _ => Ok(Fate::IsRefused),
        }
    }

    /// A read has no effect: it works or fails.
    async fn read(&self) -> Result<(), PortError> {
        match self.fate().await? {
            Fate::Works => Ok(()),
            Fate::LosesAnswer | Fate::IsRefused => Err(lost()),
        }
    }
}

fn answer<T>(fate: Fate, value: T) -> Result<T, PortError> {
    match fate {
        Fate::LosesAnswer => Err(lost()),
        _ => Ok(value),
    }
}

impl TransactionStore for Port {
    async fn insert_new(
        &mut self,
        items: &[FreshTransaction<'_>],
        inserted: &mut Vec<bool>,
    ) -> Result<(), PortError> {
        let fate = self.fate().await?;
        inserted.clear();
        let reached = match fate {
            Fate::Works => items.len(),
            _ => self.0.borrow_mut().random.below(items.len() + 1),
        };
        for fresh in items.iter().take(reached) {
            // One item after the other: others write in between.
            wait().await;
            let world = &mut *self.0.borrow_mut();
            let item = fresh.to_transaction();
            let key = super::store::key_of(&item);
            let is_there = world.store.items.contains_key(&key);
            if is_there && world.has(PlantedBug::InsertOverwrites) {
                world.store.items.insert(key, item);
                inserted.push(true);
                continue;
            }
            if !is_there {
                world.put(item);
            }
            inserted.push(!is_there);
        }
        if fate == Fate::Works {
            Ok(())
        } else {
            Err(lost())
        }
    }

    async fn load(
        &mut self,
        merchant_id: &str,
        transaction_id: &str,
    ) -> Result<Option<Transaction>, PortError> {
        self.read().await?;
        let world = self.0.borrow();
        let key = (merchant_id.to_owned(), transaction_id.to_owned());
        let mut item = world.store.items.get(&key).cloned();
        if let (true, Some(last), Some(item)) = (
            world.has(PlantedBug::ClassFromLast),
            world.last_rows.get(&key),
            &mut item,
        ) && item.first.is_some()
        {
            item.first = Some(last.clone());
        }
        Ok(item)
    }

    async fn store(
        &mut self,
        item: &Transaction,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        let fate = self.fate().await?;
        let world = &mut *self.0.borrow_mut();
        let key = super::store::key_of(item);
        let is_other = world.store.revision(&key) != expected_revision;
        let is_held = !world.has(PlantedBug::LostCondition);
        if fate == Fate::IsRefused || (is_other && is_held) {
            return Ok(Written::Conflict);
        }
        if hides_link(world, &key, item) {
            return answer(fate, Written::Stored);
        }
        if is_other {
            // Only a planted bug comes here.
            world.store.items.insert(key, item.clone());
        } else {
            world.put(item.clone());
        }
        answer(fate, Written::Stored)
    }
}

/// The planted bugs of links: whether this write is one and does not take place now.
fn hides_link(world: &mut World, key: &Key, item: &Transaction) -> bool {
    let stored = world.store.items.get(key);
    let disputes = stored
        .map(|stored| stored.disputes.clone())
        .unwrap_or_default();
    let Some(new) = item.disputes.iter().find(|event| !disputes.contains(event)) else {
        return false;
    };
    if world.has(PlantedBug::LinkAfterWatermark) {
        world.held_links.push((key.clone(), *new));
        return true;
    }
    world.strikes(PlantedBug::DroppedDisputeLink, 300)
}

/// Writes the links that a planted bug held back.
pub(super) fn write_held_links(world: &mut World) {
    for (key, event) in std::mem::take(&mut world.held_links) {
        let stored = world.store.items.get(&key).cloned();
        let mut item = stored.unwrap_or_else(|| Transaction::empty(&key.0, &key.1));
        if item.link_dispute(event) {
            world.put(item);
        }
    }
}

impl UploadStore for Port {
    async fn watermark(&mut self, upload_id: UploadId, bucket: Bucket) -> Result<u64, PortError> {
        self.read().await?;
        let world = self.0.borrow();
        let stored = world.store.watermark(&Advance {
            upload_id,
            bucket,
            from: 0,
            to: 0,
            counts: ClassCounts::default(),
        });
        Ok(match world.bug {
            Some(PlantedBug::WatermarkReadsZero) => 0,
            Some(PlantedBug::RepeatsCounted) if stored < u64::MAX => stored.saturating_sub(1),
            _ => stored,
        })
    }

    async fn advance(&mut self, step: &Advance, arrival_millis: i64) -> Result<Written, PortError> {
        let fate = self.fate().await?;
        let world = &mut *self.0.borrow_mut();
        let is_held = !world.has(PlantedBug::RepeatsCounted);
        if fate == Fate::IsRefused || (is_held && world.store.watermark(step) != step.from) {
            return Ok(Written::Conflict);
        }
        if step.to <= step.from || step.counts.total() > step.to - step.from {
            world.say(format!("{step:?} is no step forward"));
        }
        if !world.strikes(PlantedBug::SkippedAdvance, 200) {
            world.store.advance(step, arrival_millis);
        }
        if world.strikes(PlantedBug::DoubleCount, 200) {
            world.store.advance(step, arrival_millis);
        }
        answer(fate, Written::Stored)
    }

    async fn apply(&mut self, event: &UploadEvent, arrival_millis: i64) -> Result<(), PortError> {
        let fate = self.fate().await?;
        if fate == Fate::IsRefused {
            return Err(lost());
        }
        self.0.borrow_mut().store.apply(event, arrival_millis);
        answer(fate, ())
    }
}

impl ProfileStore for Port {
    async fn load(&mut self, key: ProfileKey) -> Result<Profile, PortError> {
        self.read().await?;
        let profile = self.0.borrow().store.profiles.get(&key).cloned();
        Ok(profile.unwrap_or_default())
    }

    async fn store(
        &mut self,
        key: ProfileKey,
        profile: Profile,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        let fate = self.fate().await?;
        let world = &mut *self.0.borrow_mut();
        if fate == Fate::IsRefused {
            return Ok(Written::Conflict);
        }
        if world.strikes(PlantedBug::ProfileForgotten, 300) {
            return answer(fate, Written::Stored);
        }
        let expected = if world.has(PlantedBug::LostProfileCondition) {
            world.store.profiles.get(&key).map_or(0, Profile::revision)
        } else {
            expected_revision
        };
        let written = world.store.put_profile(key, profile, expected);
        answer(fate, written)
    }
}
