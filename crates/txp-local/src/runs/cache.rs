//! Blocks kept in memory: a set-associative table of fixed size whose buffers are used again and again.

use std::ops::Range;

use super::block::{self, MAX_SEALED_BYTES};
use super::bytes::{as_len, slice};
use super::error::StateError;
use super::filter::mix;
use super::run::{BlockRef, RunFile};

/// Blocks that compete for the same place.
const WAYS: usize = 8;
/// A large block's buffer is given back once a smaller one suffices.
const MAX_IDLE_LARGE_BYTES: usize = 64 << 10;

/// Where a value stands until the next load.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) slot: usize,
    pub(super) range: Range<usize>,
}

/// Run ids begin at 1: an unused slot has none.
#[derive(Debug, Clone, Default)]
struct Slot {
    run: u64,
    offset: u64,
    is_recent: bool,
    bytes: Vec<u8>,
}

/// The cache. Its last slot takes blocks that are too large to keep.
#[derive(Debug)]
pub(super) struct BlockCache {
    slots: Vec<Slot>,
    sets: usize,
    turn: usize,
}

impl BlockCache {
    /// A cache that holds at most `budget_bytes` (but at least one set of blocks).
    pub(super) fn new(budget_bytes: usize) -> Self {
        let sets = (budget_bytes / (WAYS * (MAX_SEALED_BYTES + size_of::<Slot>()))).max(1);
        Self {
            slots: vec![Slot::default(); sets * WAYS + 1],
            sets,
            turn: 0,
        }
    }

    /// Bytes held now.
    pub(super) fn memory_bytes(&self) -> usize {
        self.slots
            .iter()
            .map(|slot| slot.bytes.capacity() + size_of::<Slot>())
            .sum()
    }

    /// The bytes of a loaded block.
    #[inline]
    pub(super) fn bytes(&self, slot: usize) -> &[u8] {
        self.slots.get(slot).map_or(&[], |slot| &slot.bytes)
    }

    /// The bytes at a place in a loaded block.
    #[inline]
    pub(super) fn at(&self, place: &Place) -> &[u8] {
        slice(self.bytes(place.slot), place.range.clone())
    }

    /// The slot that holds `block`, read and checked if it was not there.
    pub(super) fn load(&mut self, run: &RunFile, block: BlockRef) -> Result<usize, StateError> {
        let large = self.sets * WAYS;
        let (first, ways) = if as_len(block.sealed_bytes) > MAX_SEALED_BYTES {
            (large, 1)
        } else {
            (self.set_of(run.id, block.offset) * WAYS, WAYS)
        };
        let set = self.slots.get_mut(first..first + ways).unwrap_or_default();
        if let Some(way) = set
            .iter()
            .position(|slot| slot.run == run.id && slot.offset == block.offset)
        {
            if let Some(slot) = set.get_mut(way) {
                slot.is_recent = true;
            }
            return Ok(first + way);
        }
        self.turn = self.turn.wrapping_add(1);
        let way = victim(set, self.turn);
        let Some(slot) = set.get_mut(way) else {
            return Ok(first);
        };
        slot.run = 0;
        if slot.bytes.capacity() > MAX_IDLE_LARGE_BYTES.max(as_len(block.sealed_bytes) * 2) {
            slot.bytes = Vec::new();
        }
        let room = if first == large {
            as_len(block.sealed_bytes)
        } else {
            MAX_SEALED_BYTES
        };
        slot.bytes
            .reserve_exact(room.saturating_sub(slot.bytes.len()));
        slot.bytes.resize(as_len(block.sealed_bytes), 0);
        run.read(&mut slot.bytes, block.offset)?;
        block::check(&slot.bytes, block.offset).map_err(|why| run.corrupt(block.offset, why))?;
        slot.run = run.id;
        slot.offset = block.offset;
        slot.is_recent = true;
        Ok(first + way)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a remainder by `sets` fits"
    )]
    fn set_of(&self, run: u64, offset: u64) -> usize {
        (mix(offset ^ run.rotate_left(40)) % self.sets.max(1) as u64) as usize
    }
}

/// The way to give up: an unused one, else one not used since the last turn through the set.
fn victim(set: &mut [Slot], turn: usize) -> usize {
    if let Some(unused) = set.iter().position(|slot| slot.run == 0) {
        return unused;
    }
    let start = turn % set.len().max(1);
    for way in (start..set.len()).chain(0..start) {
        if set
            .get_mut(way)
            .is_some_and(|slot| !std::mem::take(&mut slot.is_recent))
        {
            return way;
        }
    }
    start
}
