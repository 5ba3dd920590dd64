//! A streaming walk over one run, in key order, in bounded memory.

use std::sync::Arc;

use super::block::{self, EntryPlace, EntryReader};
use super::bytes::{as_len, slice};
use super::error::StateError;
use super::run::{BlockRef, Page, RunIndex};

/// Neighbouring blocks read at once, in bytes.
const READ_BYTES: usize = 128 << 10;
/// The same for the first read of a cursor that was placed; each further one is twice as large.
const FIRST_READ_BYTES: usize = 4 << 10;

/// Stands on an entry, or behind the last. Blocks are checked as they are reached.
#[derive(Debug)]
pub(super) struct RunCursor {
    index: Arc<RunIndex>,
    next_page: usize,
    page: Option<Page>,
    next_block: usize,
    read_from: u64,
    buffer: Vec<u8>,
    block: std::ops::Range<usize>,
    entries: EntryReader,
    entry: EntryPlace,
    read_bytes: usize,
}

impl RunCursor {
    /// A cursor before the first entry.
    pub(super) fn new(index: Arc<RunIndex>) -> Self {
        Self {
            index,
            next_page: 0,
            page: None,
            next_block: 0,
            read_from: 0,
            buffer: Vec::new(),
            block: 0..0,
            entries: EntryReader::default(),
            entry: EntryPlace::default(),
            read_bytes: READ_BYTES,
        }
    }

    /// A cursor before the first entry of `hash` or a greater one. It reads little at first: whoever
    /// seeks mostly wants a page.
    pub(super) fn at(index: Arc<RunIndex>, hash: u64) -> Result<Self, StateError> {
        let mut cursor = Self::new(index);
        cursor.read_bytes = FIRST_READ_BYTES;
        let pages = &cursor.index.pages;
        let page = pages.partition_point(|page| page.first_hash <= hash);
        let Some(page) = page.checked_sub(1) else {
            return Ok(cursor);
        };
        let loaded = cursor.index.read_page(page)?;
        // A hash that begins a block may have begun in the one before.
        cursor.next_block = loaded
            .blocks
            .partition_point(|block| block.first_hash < hash)
            .saturating_sub(1);
        cursor.page = Some(loaded);
        cursor.next_page = page + 1;
        Ok(cursor)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.buffer.capacity()
            + self
                .page
                .as_ref()
                .map_or(0, |page| page.blocks.len() * size_of::<BlockRef>())
    }

    /// Steps to the next entry; `false` at the end.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<bool, StateError> {
        loop {
            if let Some(entry) = self.entries.next(slice(&self.buffer, self.block.clone())) {
                self.entry = entry;
                return Ok(true);
            }
            if !self.advance_block()? {
                return Ok(false);
            }
        }
    }

    #[inline]
    pub(super) fn hash(&self) -> u64 {
        self.entry.hash
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        slice(
            slice(&self.buffer, self.block.clone()),
            self.entry.key.clone(),
        )
    }

    #[inline]
    pub(super) fn value(&self) -> Option<&[u8]> {
        let range = self.entry.value.clone()?;
        Some(slice(slice(&self.buffer, self.block.clone()), range))
    }

    fn advance_block(&mut self) -> Result<bool, StateError> {
        let next = loop {
            if let Some(&block) = self
                .page
                .as_ref()
                .and_then(|page| page.blocks.get(self.next_block))
            {
                break block;
            }
            if self.next_page >= self.index.pages.len() {
                return Ok(false);
            }
            self.page = Some(self.index.read_page(self.next_page)?);
            self.next_page += 1;
            self.next_block = 0;
        };
        let bytes = as_len(next.sealed_bytes);
        let mut at =
            usize::try_from(next.offset.wrapping_sub(self.read_from)).unwrap_or(usize::MAX);
        if at
            .checked_add(bytes)
            .is_none_or(|end| end > self.buffer.len())
        {
            self.fill(next)?;
            at = 0;
        }
        self.block = at..at + bytes;
        let sealed = slice(&self.buffer, self.block.clone());
        block::check(sealed, next.offset)
            .map_err(|why| self.index.run.corrupt(next.offset, why))?;
        self.entries = EntryReader::new(sealed);
        self.next_block += 1;
        Ok(true)
    }

    /// Reads `first` and as many blocks behind it as fit.
    fn fill(&mut self, first: BlockRef) -> Result<(), StateError> {
        let blocks = self.page.as_ref().map_or(&[][..], |page| &page.blocks);
        let mut bytes = as_len(first.sealed_bytes);
        for block in blocks.iter().skip(self.next_block + 1) {
            let more = bytes + as_len(block.sealed_bytes);
            if more > self.read_bytes {
                break;
            }
            bytes = more;
        }
        self.read_bytes = (self.read_bytes * 2).min(READ_BYTES);
        if bytes <= READ_BYTES && self.buffer.capacity() > READ_BYTES {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        self.buffer.reserve_exact(bytes);
        self.buffer.resize(bytes, 0);
        self.read_from = first.offset;
        self.index.run.read(&mut self.buffer, first.offset)
    }
}
