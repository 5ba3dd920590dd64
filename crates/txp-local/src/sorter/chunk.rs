//! Records gathered in memory, back to back, and an index that is sorted.

use super::{Record, SortError};

/// Key length and value length before the bytes of a record.
const PREFIX_BYTES: usize = 6;

#[derive(Debug, Default)]
pub(super) struct Chunk {
    arena: Vec<u8>,
    /// Hash and place of each record. Places ascend as records come.
    order: Vec<(u64, u32)>,
}

impl Chunk {
    /// Takes a record and says how many bytes are gathered.
    pub(super) fn push(
        &mut self,
        hash: u64,
        key: &[u8],
        value: impl FnOnce(&mut Vec<u8>),
    ) -> Result<usize, SortError> {
        let start = self.arena.len();
        self.arena.extend_from_slice(&[0; PREFIX_BYTES]);
        self.arena.extend_from_slice(key);
        let value_at = self.arena.len();
        value(&mut self.arena);
        let bytes = self.arena.len().saturating_sub(start);
        let lengths = u16::try_from(key.len()).ok().zip(
            self.arena
                .len()
                .checked_sub(value_at)
                .and_then(|length| u32::try_from(length).ok()),
        );
        let (Some((key_bytes, value_bytes)), Ok(at)) = (lengths, u32::try_from(start)) else {
            self.arena.truncate(start);
            return Err(SortError::TooLarge { bytes });
        };
        if let Some(prefix) = self.arena.get_mut(start..start + PREFIX_BYTES) {
            let (first, rest) = prefix.split_at_mut(2);
            first.copy_from_slice(&key_bytes.to_le_bytes());
            rest.copy_from_slice(&value_bytes.to_le_bytes());
        }
        self.order.push((hash, at));
        Ok(self.arena.len() + self.order.len() * size_of::<(u64, u32)>())
    }

    pub(super) fn clear(&mut self) {
        self.arena.clear();
        self.order.clear();
    }

    /// Puts the records in order; those of one key stay as they came.
    pub(super) fn sort(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        order.sort_unstable();
        for same_hash in order.chunk_by_mut(|a, b| a.0 == b.0) {
            if same_hash.len() > 1 {
                same_hash.sort_by(|a, b| self.at(*a).key.cmp(self.at(*b).key));
            }
        }
        self.order = order;
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Where the first record of a hash or a greater one stands in the order.
    pub(super) fn first_at(&self, hash: u64) -> usize {
        self.order.partition_point(|(of, _)| *of < hash)
    }

    /// A record, by its place in the order.
    pub(super) fn get(&self, index: usize) -> Option<Record<'_>> {
        self.order.get(index).map(|entry| self.at(*entry))
    }

    fn at(&self, (hash, at): (u64, u32)) -> Record<'_> {
        let bytes = self.arena.get(at as usize..).unwrap_or_default();
        let (key, value) = split(bytes).unwrap_or_default();
        Record { hash, key, value }
    }
}

/// Key and value of a record that begins with its lengths.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key_bytes, rest) = bytes.split_first_chunk::<2>()?;
    let (value_bytes, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_bytes)))?;
    let value = rest.get(..u32::from_le_bytes(*value_bytes) as usize)?;
    Some((key, value))
}

/// Walks a sorted chunk.
pub(super) struct ChunkCursor<'a> {
    chunk: &'a Chunk,
    at: usize,
}

impl<'a> ChunkCursor<'a> {
    pub(super) fn new(chunk: &'a Chunk) -> Self {
        Self { chunk, at: 0 }
    }

    pub(super) fn next(&mut self) -> Option<Record<'a>> {
        let record = self.chunk.get(self.at)?;
        self.at += 1;
        Some(record)
    }
}
