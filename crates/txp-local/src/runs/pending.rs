//! What was written since the last checkpoint: an open-addressing table over an append arena.
//!
//! A slot is eight bytes (tag and entry index), so a probe for a new key costs one cache miss. The first key of a hash is
//! found by the hash alone; further keys of the same hash are placed by the hash of their bytes and linked from the
//! first, so a scan follows the links, and a flood of keys that share a hash stays linear. An overwrite happens in place
//! where the new value fits, else the old place is waste, and the arena is compacted before half of it is waste.
//!
//! After a checkpoint the table is emptied, and its room stays.

use xxhash_rust::xxh3::xxh3_64;

use super::bytes::{as_len, len_u32, slice};

const NONE: u32 = u32::MAX;
const EMPTY: u64 = 0;
const MIN_SLOTS: usize = 1 << 10;
/// Waste below this is left alone, in bytes.
const MIN_WASTE_BYTES: usize = 1 << 20;
/// A value that moved once will likely grow again: it gets this part of its length as slack.
const SLACK_DIVISOR: usize = 4;

#[derive(Debug, Clone, Copy)]
struct PendingEntry {
    hash: u64,
    at: usize,
    value_bytes: u32,
    value_room: u32,
    next_of_hash: u32,
    key_bytes: u16,
    deleted: bool,
    is_first_of_hash: bool,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    slots: Vec<u64>,
    entries: Vec<PendingEntry>,
    arena: Vec<u8>,
    wasted_bytes: usize,
    written_bytes: usize,
    arena_peak_bytes: usize,
}

impl Pending {
    /// Makes room for `keys` entries.
    pub(super) fn reserve(&mut self, keys: usize) {
        if keys > 0 {
            self.entries.reserve(keys);
            self.rehash((keys * 2).next_power_of_two().max(MIN_SLOTS));
        }
    }

    /// Keys written since the last checkpoint.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of those keys, and of their values when first written.
    pub(super) fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// Bytes held: tables by capacity, the arena as far as it was ever touched.
    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
            + self.entries.capacity() * size_of::<PendingEntry>()
            + self.arena_peak_bytes.max(self.arena.len())
    }

    /// All is in a run now: it is forgotten; the room stays.
    pub(super) fn clear(&mut self) {
        self.arena_peak_bytes = self.arena_peak_bytes.max(self.arena.len());
        self.written_bytes = 0;
        self.slots.fill(EMPTY);
        self.entries.clear();
        self.arena.clear();
        self.wasted_bytes = 0;
    }

    /// The entry of this key, if it is known here.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        if self.entries.is_empty() {
            return None;
        }
        self.find_from(self.first_of_hash(hash)?, hash, key)
    }

    /// Brings the slots of hashes that are looked up next close to the processor: one after the other
    /// each would be waited for, asked for side by side they come together.
    pub(super) fn warm(&self, hashes: impl Iterator<Item = u64>) {
        let Some(mask) = self.slots.len().checked_sub(1) else {
            return;
        };
        let slots = hashes.filter_map(|hash| self.slots.get(slot_of(hash, mask)));
        std::hint::black_box(slots.fold(0, |seen, slot| seen ^ slot));
    }

    /// The entry of this key, where `first` is the first of its hash.
    #[inline]
    fn find_from(&self, first: u32, hash: u64, key: &[u8]) -> Option<u32> {
        let entry = self.entry(first)?;
        if self.key_bytes(entry) == key {
            return Some(first);
        }
        if entry.next_of_hash == NONE {
            return None;
        }
        self.probe(place_of(hash, key), |entry| {
            !entry.is_first_of_hash && entry.hash == hash && self.key_bytes(entry) == key
        })
    }

    pub(super) fn hash(&self, index: u32) -> u64 {
        self.entry(index).map_or(0, |entry| entry.hash)
    }

    pub(super) fn key(&self, index: u32) -> &[u8] {
        self.entry(index).map_or(&[], |entry| self.key_bytes(entry))
    }

    /// The value, or `None` where the key was deleted.
    #[inline]
    pub(super) fn value(&self, index: u32) -> Option<&[u8]> {
        let entry = self.entry(index).filter(|entry| !entry.deleted)?;
        let at = entry.at + usize::from(entry.key_bytes);
        Some(slice(&self.arena, at..at + as_len(entry.value_bytes)))
    }

    /// All entries of one hash, in no order.
    pub(super) fn of_hash(&self, hash: u64) -> impl Iterator<Item = u32> {
        let first = if self.entries.is_empty() {
            None
        } else {
            self.first_of_hash(hash)
        };
        std::iter::successors(first, |&index| {
            self.entry(index)
                .map(|e| e.next_of_hash)
                .filter(|&next| next != NONE)
        })
    }

    /// Sets the value of a key; `None` deletes it. Lengths are checked by the caller.
    pub(super) fn put(&mut self, hash: u64, key: &[u8], value: Option<&[u8]>) {
        let first = self.first_of_hash(hash);
        if let Some(index) = first.and_then(|first| self.find_from(first, hash, key)) {
            self.overwrite(index, value);
            return;
        }
        if self.entries.len() * 2 >= self.slots.len() {
            self.rehash((self.slots.len() * 2).max(MIN_SLOTS));
        }
        let index = len_u32(self.entries.len());
        let mut next_of_hash = NONE;
        if let Some(entry) = first.and_then(|first| self.entries.get_mut(as_len(first))) {
            next_of_hash = entry.next_of_hash;
            entry.next_of_hash = index;
        }
        let bytes = value.unwrap_or_default();
        self.entries.push(PendingEntry {
            hash,
            at: self.arena.len(),
            value_bytes: len_u32(bytes.len()),
            value_room: len_u32(bytes.len()),
            next_of_hash,
            key_bytes: u16::try_from(key.len()).unwrap_or(u16::MAX),
            deleted: value.is_none(),
            is_first_of_hash: first.is_none(),
        });
        self.written_bytes += key.len() + bytes.len();
        self.arena.extend_from_slice(key);
        self.arena.extend_from_slice(bytes);
        self.occupy(
            if first.is_none() {
                hash
            } else {
                place_of(hash, key)
            },
            index,
        );
    }

    /// Hash and index of every entry, in key order.
    pub(super) fn sorted(&self) -> Vec<(u64, u32)> {
        self.sorted_from(0)
    }

    /// The same from the first entry of this hash or a greater one on.
    pub(super) fn sorted_from(&self, hash: u64) -> Vec<(u64, u32)> {
        let entries = (0..).zip(&self.entries);
        let mut order: Vec<(u64, u32)> = entries
            .filter(|(_, entry)| entry.hash >= hash)
            .map(|(index, entry)| (entry.hash, index))
            .collect();
        order.sort_unstable();
        for same_hash in order.chunk_by_mut(|a, b| a.0 == b.0) {
            if same_hash.len() > 1 {
                same_hash.sort_unstable_by(|a, b| self.key(a.1).cmp(self.key(b.1)));
            }
        }
        order
    }

    /// Brings the entries of a part of the order close to the processor.
    pub(super) fn warm_entries(&self, part: &[(u64, u32)]) {
        const LINE_BYTES: usize = 64;
        let entries = || part.iter().filter_map(|(_, index)| self.entry(*index));
        let places = entries().fold(0, |seen, entry| seen ^ entry.at);
        let bytes = entries().fold(0, |seen, entry| {
            let end = entry.at + usize::from(entry.key_bytes) + as_len(entry.value_bytes);
            let lines = (entry.at..end).step_by(LINE_BYTES);
            lines.fold(seen, |seen, at| {
                seen ^ self.arena.get(at).copied().unwrap_or(0)
            })
        });
        std::hint::black_box((places, bytes));
    }

    #[inline]
    fn entry(&self, index: u32) -> Option<&PendingEntry> {
        self.entries.get(as_len(index))
    }

    #[inline]
    fn key_bytes(&self, entry: &PendingEntry) -> &[u8] {
        slice(
            &self.arena,
            entry.at..entry.at + usize::from(entry.key_bytes),
        )
    }

    #[inline]
    fn first_of_hash(&self, hash: u64) -> Option<u32> {
        self.probe(hash, |entry| entry.is_first_of_hash && entry.hash == hash)
    }

    /// The entry that `matches`, on the way from `place` to the next empty slot.
    #[inline]
    fn probe(&self, place: u64, matches: impl Fn(&PendingEntry) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = slot_of(place, mask);
        loop {
            let &slot = self.slots.get(at)?;
            if slot == EMPTY {
                return None;
            }
            let (tag, index) = split_slot(slot);
            if tag == tag_of(place) && self.entry(index).is_some_and(&matches) {
                return Some(index);
            }
            at = (at + 1) & mask;
        }
    }

    fn occupy(&mut self, place: u64, index: u32) {
        let Some(mask) = self.slots.len().checked_sub(1) else {
            return;
        };
        let mut at = slot_of(place, mask);
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == EMPTY {
                *slot = join_slot(tag_of(place), index);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    fn rehash(&mut self, slots: usize) {
        self.slots.clear();
        self.slots.resize(slots, EMPTY);
        for index in 0..len_u32(self.entries.len()) {
            let Some(&entry) = self.entry(index) else {
                return;
            };
            let place = if entry.is_first_of_hash {
                entry.hash
            } else {
                place_of(entry.hash, self.key_bytes(&entry))
            };
            self.occupy(place, index);
        }
    }

    fn overwrite(&mut self, index: u32, value: Option<&[u8]>) {
        let Some(entry) = self.entries.get_mut(as_len(index)) else {
            return;
        };
        let bytes = value.unwrap_or_default();
        let key_bytes = usize::from(entry.key_bytes);
        entry.deleted = value.is_none();
        entry.value_bytes = len_u32(bytes.len());
        if bytes.len() > as_len(entry.value_room) {
            let slack = bytes.len() / SLACK_DIVISOR;
            self.wasted_bytes += key_bytes + as_len(entry.value_room);
            let old_key = entry.at..entry.at + key_bytes;
            entry.at = self.arena.len();
            entry.value_room = len_u32(bytes.len() + slack);
            self.arena.extend_from_within(old_key);
            self.arena.extend_from_slice(bytes);
            self.arena.resize(self.arena.len() + slack, 0);
            self.compact_if_wasteful();
        } else {
            let at = entry.at + key_bytes;
            if let Some(place) = self.arena.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
    }

    fn compact_if_wasteful(&mut self) {
        if self.wasted_bytes < MIN_WASTE_BYTES.max(self.arena.len() / 2) {
            return;
        }
        let mut compacted =
            Vec::with_capacity(self.arena.len() - self.wasted_bytes + MIN_WASTE_BYTES);
        for entry in &mut self.entries {
            let bytes = usize::from(entry.key_bytes) + as_len(entry.value_room);
            let from = entry.at..entry.at + bytes;
            entry.at = compacted.len();
            compacted.extend_from_slice(slice(&self.arena, from));
        }
        self.arena_peak_bytes = 0;
        self.arena = compacted;
        self.wasted_bytes = 0;
    }
}

/// Where a key that is not the first of its hash is placed.
fn place_of(hash: u64, key: &[u8]) -> u64 {
    xxh3_64(key) ^ hash.rotate_left(17)
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the mask takes what is needed of the low bits"
)]
const fn slot_of(place: u64, mask: usize) -> usize {
    place as usize & mask
}

#[inline]
const fn tag_of(place: u64) -> u32 {
    (place >> 32) as u32
}

/// The index is stored plus one, so that no slot in use is [`EMPTY`].
#[inline]
const fn join_slot(tag: u32, index: u32) -> u64 {
    ((tag as u64) << 32) | (index as u64 + 1)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of a slot")]
const fn split_slot(slot: u64) -> (u32, u32) {
    ((slot >> 32) as u32, (slot as u32).wrapping_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_hash_stay_apart_and_are_all_scanned() {
        let mut pending = Pending::default();
        for key in 0..5_000_u32 {
            pending.put(7, &key.to_be_bytes(), Some(&key.to_le_bytes()));
        }
        pending.put(7, &9_u32.to_be_bytes(), None);
        assert_eq!(pending.of_hash(7).count(), 5_000);
        for key in 0..5_000_u32 {
            let index = pending.find(7, &key.to_be_bytes()).expect("a written key");
            assert_eq!(
                pending.value(index),
                (key != 9).then_some(&key.to_le_bytes()[..])
            );
        }
        assert_eq!(pending.find(7, b"other"), None);
        assert_eq!(pending.find(8, &1_u32.to_be_bytes()), None);
    }

    #[test]
    fn values_that_grow_again_and_again_leave_bounded_waste() {
        let mut pending = Pending::default();
        for length in 1..2_000_usize {
            for key in 0..40_u64 {
                pending.put(key, b"key", Some(&vec![3; length]));
            }
        }
        for key in 0..40_u64 {
            let index = pending.find(key, b"key").expect("a written key");
            assert_eq!(pending.value(index), Some(&[3; 1_999][..]));
        }
        assert!(
            pending.arena.len() < 2 * (40 * 2_600 + MIN_WASTE_BYTES),
            "{}",
            pending.arena.len()
        );
    }
}
