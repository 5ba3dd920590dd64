//! The shards of a stream that is read: which may be read now, and how far each is.

use super::super::read::ListedShard;
use std::collections::BTreeMap;

/// A shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) id: String,
    parents: Vec<String>,
    pub(super) state: State,
    /// The last sequence number read.
    pub(super) last: Option<String>,
    /// Up to when all that had arrived was read, Unix milliseconds.
    pub(super) read_to_millis: Option<i64>,
    pub(super) iterator: Option<String>,
    /// When it may be asked again, Unix milliseconds.
    pub(super) due_millis: i64,
    /// It had nothing when it was last asked, and is not behind.
    pub(super) is_idle: bool,
}

/// Where a shard stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// A parent has not ended.
    #[default]
    Waiting,
    /// It is being read.
    Open,
    /// All of it that is wanted was read.
    Ended,
}

/// All shards by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Shards {
    by_id: BTreeMap<String, Shard>,
    is_to_be_listed: bool,
}

impl Shards {
    /// Takes up a shard of a place that was written down.
    pub(super) fn resume(
        &mut self,
        id: String,
        last: Option<String>,
        read_to_millis: Option<i64>,
        has_ended: bool,
    ) {
        let state = if has_ended {
            State::Ended
        } else {
            State::Waiting
        };
        let shard = Shard {
            id: id.clone(),
            state,
            last,
            read_to_millis,
            ..Shard::default()
        };
        self.by_id.insert(id, shard);
    }

    /// Takes up what the stream lists; shards that it does not list any more are forgotten, the rest
    /// of them is gone.
    pub(super) fn update(&mut self, listed: Vec<ListedShard>) {
        let mut known = std::mem::take(&mut self.by_id);
        for ListedShard { id, parents } in listed {
            let mut shard = known.remove(&id).unwrap_or_default();
            (shard.id, shard.parents) = (id.clone(), parents);
            self.by_id.insert(id, shard);
        }
        self.is_to_be_listed = false;
        self.start();
    }

    /// Opens the shards whose parents have ended, or are gone.
    fn start(&mut self) {
        let is_ready = |shard: &Shard| {
            shard.state == State::Waiting
                && shard.parents.iter().all(|parent| {
                    let parent = self.by_id.get(parent);
                    parent.is_none_or(|parent| parent.state == State::Ended)
                })
        };
        let ready: Vec<_> = self
            .by_id
            .values()
            .filter(|shard| is_ready(shard))
            .map(|shard| shard.id.clone())
            .collect();
        for id in ready {
            if let Some(shard) = self.by_id.get_mut(&id) {
                shard.state = State::Open;
            }
        }
    }

    /// A shard is read. Its children are to be asked for if it is closed.
    pub(super) fn end(&mut self, id: &str, is_closed: bool) {
        if let Some(shard) = self.by_id.get_mut(id) {
            shard.state = State::Ended;
            shard.iterator = None;
        }
        self.is_to_be_listed |= is_closed;
        self.start();
    }

    /// Whether a parent of a shard is still listed.
    pub(super) fn has_parent(&self, id: &str) -> bool {
        let shard = self.by_id.get(id);
        shard.is_some_and(|shard| {
            let mut parents = shard.parents.iter();
            parents.any(|parent| self.by_id.contains_key(parent))
        })
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Shard> {
        self.by_id.get_mut(id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Shard> {
        self.by_id.values()
    }

    /// Those that were read to some place, and not to their end.
    pub(super) fn begun(&self) -> impl Iterator<Item = &Shard> {
        let begun = |shard: &&Shard| shard.last.is_some() && shard.state != State::Ended;
        self.all().filter(begun)
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    fn open(&self) -> impl Iterator<Item = &Shard> {
        self.all().filter(|shard| shard.state == State::Open)
    }

    /// The shard to be asked next.
    pub(super) fn longest_waiting(&self) -> Option<&Shard> {
        self.open().min_by_key(|shard| shard.due_millis)
    }

    pub(super) fn is_to_be_listed(&self) -> bool {
        self.is_to_be_listed
    }

    /// Whether every shard was read to its end for now.
    pub(super) fn are_idle(&self) -> bool {
        !self.is_to_be_listed
            && self.open().next().is_some()
            && self.open().all(|shard| shard.is_idle)
    }

    /// Whether a shard waits for a parent to end.
    pub(super) fn have_waiting(&self) -> bool {
        self.all().any(|shard| shard.state == State::Waiting)
    }

    /// Whether nothing will come any more.
    pub(super) fn have_ended(&self) -> bool {
        !self.is_to_be_listed && self.open().next().is_none()
    }
}
