//! A block: some entries of a run, the unit of checksum, cache and point read.
//!
//! `count u32`, then `count` descriptors of 14 bytes (hash, key length, value length + 1 or 0 for a deletion), then all
//! keys and values, then the seal. Descriptors stand together so that a look-up walks a few cache lines instead of the
//! values. Delta-coding the hashes would save 2% of an item's bytes and make every entry depend on the one before.

use std::ops::Range;

use super::bytes::{SEAL_BYTES, as_len, len_u32, seal, slice, u16_at, u32_at, u64_at, unseal};

/// A block is closed before its payload passes this; only a single entry may be larger.
pub(super) const BLOCK_PAYLOAD_BYTES: usize = 4 << 10;
/// Bytes in the file of any block of more than one entry.
pub(super) const MAX_SEALED_BYTES: usize = BLOCK_PAYLOAD_BYTES + SEAL_BYTES;

const COUNT_BYTES: usize = 4;
const DESCRIPTOR_BYTES: usize = 14;

/// Collects entries for one block.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    descriptors: Vec<u8>,
    data: Vec<u8>,
    first_hash: u64,
}

impl BlockBuilder {
    pub(super) fn is_empty(&self) -> bool {
        self.descriptors.is_empty()
    }

    /// Whether an entry may still join this block.
    pub(super) fn has_room(&self, key_bytes: usize, value_bytes: usize) -> bool {
        let used = COUNT_BYTES + self.descriptors.len() + self.data.len();
        self.is_empty() || used + DESCRIPTOR_BYTES + key_bytes + value_bytes <= BLOCK_PAYLOAD_BYTES
    }

    pub(super) fn push(&mut self, hash: u64, key: &[u8], value: Option<&[u8]>) {
        if self.is_empty() {
            self.first_hash = hash;
        }
        let mut descriptor = [0; DESCRIPTOR_BYTES];
        let (hash_part, lengths) = descriptor.split_at_mut(8);
        hash_part.copy_from_slice(&hash.to_le_bytes());
        let (key_part, value_part) = lengths.split_at_mut(2);
        key_part.copy_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
        value_part.copy_from_slice(
            &value
                .map_or(0, |value| len_u32(value.len()) + 1)
                .to_le_bytes(),
        );
        self.descriptors.extend_from_slice(&descriptor);
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value.unwrap_or_default());
    }

    /// Appends the sealed block to `out` and starts over. Returns the first entry's hash and the bytes appended.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>, file_offset: u64) -> (u64, u32) {
        let from = out.len();
        out.extend_from_slice(&len_u32(self.descriptors.len() / DESCRIPTOR_BYTES).to_le_bytes());
        out.extend_from_slice(&self.descriptors);
        out.extend_from_slice(&self.data);
        seal(out, from, file_offset);
        self.descriptors.clear();
        self.data.clear();
        (self.first_hash, len_u32(out.len() - from))
    }
}

/// Checks a block as read from the file: its checksum, and that its lengths add up.
pub(super) fn check(sealed: &[u8], file_offset: u64) -> Result<(), &'static str> {
    let payload = unseal(sealed, file_offset).ok_or("the block's checksum does not match")?;
    let count = u32_at(payload, 0).ok_or("the block is too short")?;
    let data_at = data_start(count)
        .filter(|&at| at <= payload.len())
        .ok_or("the block's entry count is impossible")?;
    let mut reader = EntryReader::new(payload);
    while reader.next(payload).is_some() {}
    if reader.data_at == payload.len() && reader.descriptor_at == data_at {
        Ok(())
    } else {
        Err("the block's lengths do not add up")
    }
}

fn data_start(count: u32) -> Option<usize> {
    as_len(count)
        .checked_mul(DESCRIPTOR_BYTES)?
        .checked_add(COUNT_BYTES)
}

/// Where one entry stands in its block.
#[derive(Debug, Clone, Default)]
pub(super) struct EntryPlace {
    pub(super) hash: u64,
    pub(super) key: Range<usize>,
    pub(super) value: Option<Range<usize>>,
}

/// Walks the entries of a block that stands elsewhere; every call is given the block's bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct EntryReader {
    descriptor_at: usize,
    descriptors_end: usize,
    data_at: usize,
}

impl EntryReader {
    /// A reader before the first entry of `block` (its seal may be there or not).
    pub(super) fn new(block: &[u8]) -> Self {
        let end = u32_at(block, 0).and_then(data_start).unwrap_or(0);
        Self {
            descriptor_at: COUNT_BYTES,
            descriptors_end: end,
            data_at: end,
        }
    }

    #[inline]
    pub(super) fn next(&mut self, block: &[u8]) -> Option<EntryPlace> {
        if self.descriptor_at >= self.descriptors_end {
            return None;
        }
        let descriptor = block.get(self.descriptor_at..self.descriptor_at + DESCRIPTOR_BYTES)?;
        let hash = u64_at(descriptor, 0)?;
        let key_end = self.data_at + usize::from(u16_at(descriptor, 8)?);
        let value_bytes_plus_one = as_len(u32_at(descriptor, 10)?);
        let value_end = key_end + value_bytes_plus_one.saturating_sub(1);
        let place = EntryPlace {
            hash,
            key: self.data_at..key_end,
            value: (value_bytes_plus_one > 0).then_some(key_end..value_end),
        };
        self.descriptor_at += DESCRIPTOR_BYTES;
        self.data_at = value_end;
        Some(place)
    }
}

/// The entry of exactly this key.
pub(super) fn find(block: &[u8], hash: u64, key: &[u8]) -> Option<EntryPlace> {
    let mut reader = EntryReader::new(block);
    while let Some(place) = reader.next(block) {
        if place.hash > hash {
            return None;
        }
        if place.hash == hash && slice(block, place.key.clone()) == key {
            return Some(place);
        }
    }
    None
}

/// Whether the block starts at or before this key.
pub(super) fn starts_at_or_before(block: &[u8], hash: u64, key: &[u8]) -> bool {
    EntryReader::new(block)
        .next(block)
        .is_none_or(|first| (first.hash, slice(block, first.key)) <= (hash, key))
}
