//! A run: one immutable file of sorted entries, opened for reading.
//!
//! ```text
//! magic 8 | { blocks ... page }* | top index | footer
//! page:      filter blocks u32, blocks u32, filter, (first hash u64, sealed bytes u32) per block, seal
//! top index: (first hash u64, page offset u64, page bytes u32) per page, seal
//! footer:    run, entries, deletions, least hash, greatest hash, held bytes, top offset: u64 each; pages u32;
//!            format version u32; seal
//! ```
//! A page covers the blocks right before it, and no hash is in two pages: a look-up needs one page, its filter first.
//! A file is written front to back without a seek, and a writer holds no more than one page of it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block;
use super::bytes::{SEAL_BYTES, as_len, u32_at, u64_at, unseal};
use super::cache::{BlockCache, Place};
use super::error::StateError;
use super::filter::{self, FilterBlock};

pub(super) const MAGIC: [u8; 8] = *b"TXPRUN\r\n";
pub(super) const FORMAT_VERSION: u32 = 1;
/// Distinct hashes that one page covers: with 12 bits each a filter of 4 KiB.
pub(super) const PAGE_KEYS: usize = 2_720;
pub(super) const FOOTER_BYTES: usize = 7 * 8 + 2 * 4 + SEAL_BYTES;
pub(super) const TOP_ENTRY_BYTES: usize = 20;
pub(super) const PAGE_BLOCK_BYTES: usize = 12;
const PAGE_HEADER_BYTES: usize = 8;
const FILTER_BLOCK_BYTES: usize = size_of::<FilterBlock>();

/// What the manifest tells of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunInfo {
    pub(super) id: u64,
    pub(super) level: u32,
    pub(super) file_bytes: u64,
    pub(super) entries: u64,
    pub(super) deletions: u64,
    pub(super) least_hash: u64,
    pub(super) greatest_hash: u64,
    /// Bytes of memory that all pages take once loaded.
    pub(super) held_bytes: u64,
    pub(super) footer_checksum: u32,
}

/// The open file of a run. It stays readable when a newer checkpoint has removed its name.
#[derive(Debug)]
pub(super) struct RunFile {
    pub(super) id: u64,
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl RunFile {
    /// Reads exactly `buffer` at `offset`.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), StateError> {
        self.file
            .read_exact_at(buffer, offset)
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    StateError::corrupt(&self.path, offset, "the file ends too early")
                }
                _ => StateError::io("read", &self.path)(source),
            })
    }

    pub(super) fn corrupt(&self, offset: u64, why: &'static str) -> StateError {
        StateError::corrupt(&self.path, offset, why)
    }
}

/// The name of a run's file.
pub(super) fn file_name(id: u64) -> String {
    format!("{id:016x}.run")
}

/// Where a block stands and which hash it begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockRef {
    pub(super) first_hash: u64,
    pub(super) offset: u64,
    pub(super) sealed_bytes: u32,
}

/// One page, decoded.
#[derive(Debug)]
pub(super) struct Page {
    filter: Box<[FilterBlock]>,
    pub(super) blocks: Box<[BlockRef]>,
}

impl Page {
    fn held_bytes(&self) -> usize {
        held_bytes(self.filter.len(), self.blocks.len())
    }
}

/// Bytes of memory that a page takes.
pub(super) const fn held_bytes(filter_blocks: usize, blocks: usize) -> usize {
    filter_blocks * FILTER_BLOCK_BYTES + blocks * size_of::<BlockRef>() + size_of::<Page>()
}

/// Where a page stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageRef {
    pub(super) first_hash: u64,
    pub(super) offset: u64,
    pub(super) sealed_bytes: u32,
}

/// A run file with its top index; shared by readers and merges.
#[derive(Debug)]
pub(super) struct RunIndex {
    pub(super) run: RunFile,
    pub(super) pages: Vec<PageRef>,
}

impl RunIndex {
    /// Opens a run that the manifest lists. A missing file is `Ok(None)`.
    pub(super) fn open(directory: &Path, info: &RunInfo) -> Result<Option<Self>, StateError> {
        let path = directory.join(file_name(info.id));
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::io("open", &path)(error)),
        };
        let actual_bytes = file
            .metadata()
            .map_err(StateError::io("read the size of", &path))?
            .len();
        let run = RunFile {
            id: info.id,
            path,
            file,
        };
        if actual_bytes != info.file_bytes {
            return Err(run.corrupt(
                actual_bytes.min(info.file_bytes),
                "the file's size is not what the checkpoint says",
            ));
        }
        let mut magic = [0; MAGIC.len()];
        run.read(&mut magic, 0)?;
        if magic != MAGIC {
            return Err(run.corrupt(0, "this is not a run file"));
        }
        let footer_at = info.file_bytes.saturating_sub(FOOTER_BYTES as u64);
        let mut footer = [0; FOOTER_BYTES];
        run.read(&mut footer, footer_at)?;
        let payload = unseal(&footer, footer_at)
            .ok_or_else(|| run.corrupt(footer_at, "the footer's checksum does not match"))?;
        if footer
            .last_chunk::<SEAL_BYTES>()
            .map(|seal| u32::from_le_bytes(*seal))
            != Some(info.footer_checksum)
        {
            return Err(run.corrupt(
                footer_at,
                "the footer is not the one that the checkpoint lists",
            ));
        }
        let damaged = || run.corrupt(footer_at, "the footer makes no sense");
        if u32_at(payload, 60).ok_or_else(damaged)? > FORMAT_VERSION {
            let found = u32_at(payload, 60).unwrap_or_default();
            return Err(StateError::NewerFormat {
                file: run.path,
                found,
                supported: FORMAT_VERSION,
            });
        }
        let top_at = u64_at(payload, 48).ok_or_else(damaged)?;
        let pages = u32_at(payload, 56).ok_or_else(damaged)?;
        let pages = Self::read_top(&run, top_at, footer_at, pages)?;
        Ok(Some(Self { run, pages }))
    }

    fn read_top(
        run: &RunFile,
        top_at: u64,
        top_end: u64,
        pages: u32,
    ) -> Result<Vec<PageRef>, StateError> {
        let bytes = as_len(pages) * TOP_ENTRY_BYTES + SEAL_BYTES;
        if top_at.checked_add(bytes as u64) != Some(top_end) {
            return Err(run.corrupt(top_at, "the top index has a wrong size"));
        }
        let mut sealed = vec![0; bytes];
        run.read(&mut sealed, top_at)?;
        let payload = unseal(&sealed, top_at)
            .ok_or_else(|| run.corrupt(top_at, "the top index's checksum does not match"))?;
        let (entries, _) = payload.as_chunks::<TOP_ENTRY_BYTES>();
        let decode = |entry: &[u8; TOP_ENTRY_BYTES]| {
            Some(PageRef {
                first_hash: u64_at(entry, 0)?,
                offset: u64_at(entry, 8)?,
                sealed_bytes: u32_at(entry, 16)?,
            })
        };
        entries
            .iter()
            .map(decode)
            .collect::<Option<_>>()
            .ok_or_else(|| run.corrupt(top_at, "the top index is too short"))
    }

    /// Reads and decodes one page.
    pub(super) fn read_page(&self, index: usize) -> Result<Page, StateError> {
        let Some(page) = self.pages.get(index) else {
            return Err(self.run.corrupt(0, "the top index lacks a page"));
        };
        let start = index
            .checked_sub(1)
            .and_then(|before| self.pages.get(before));
        let start = start.map_or(MAGIC.len() as u64, |before| {
            before.offset + u64::from(before.sealed_bytes)
        });
        let mut sealed = vec![0; as_len(page.sealed_bytes)];
        self.run.read(&mut sealed, page.offset)?;
        let payload = unseal(&sealed, page.offset).ok_or_else(|| {
            self.run
                .corrupt(page.offset, "the index page's checksum does not match")
        })?;
        decode_page(payload, start, page.offset).ok_or_else(|| {
            self.run
                .corrupt(page.offset, "the index page makes no sense")
        })
    }
}

fn decode_page(payload: &[u8], start: u64, end: u64) -> Option<Page> {
    let (header, rest) = payload.split_at_checked(PAGE_HEADER_BYTES)?;
    let filter_bytes = as_len(u32_at(header, 0)?).checked_mul(FILTER_BLOCK_BYTES)?;
    let (filter, blocks) = rest.split_at_checked(filter_bytes)?;
    let filter = filter
        .as_chunks::<FILTER_BLOCK_BYTES>()
        .0
        .iter()
        .map(|bytes| {
            let (words, _) = bytes.as_chunks::<4>();
            let mut block = FilterBlock::default();
            block
                .iter_mut()
                .zip(words)
                .for_each(|(word, bytes)| *word = u32::from_le_bytes(*bytes));
            block
        });
    let (entries, left) = blocks.as_chunks::<PAGE_BLOCK_BYTES>();
    let mut offset = start;
    let mut blocks = Vec::with_capacity(entries.len());
    for entry in entries {
        let sealed_bytes = u32_at(entry, 8)?;
        blocks.push(BlockRef {
            first_hash: u64_at(entry, 0)?,
            offset,
            sealed_bytes,
        });
        offset = offset.checked_add(u64::from(sealed_bytes))?;
    }
    let whole = left.is_empty() && offset == end && blocks.len() == as_len(u32_at(header, 4)?);
    whole.then(|| Page {
        filter: filter.collect(),
        blocks: blocks.into(),
    })
}

#[derive(Debug, Default)]
struct PageSlot {
    page: Option<Page>,
    is_recent: bool,
}

/// A run with the pages that it may hold in memory.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) info: RunInfo,
    pub(super) index: Arc<RunIndex>,
    slots: Vec<PageSlot>,
    held_bytes: usize,
    held_bytes_limit: usize,
    clock_hand: usize,
}

/// What a run knows of a key.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// Nothing: an older run may know it.
    Absent,
    /// It was deleted.
    Deleted,
    /// Its value stands here in the block cache.
    Value(Place),
}

impl Run {
    pub(super) fn new(info: RunInfo, index: RunIndex) -> Self {
        let slots = index.pages.iter().map(|_| PageSlot::default()).collect();
        Self {
            info,
            index: Arc::new(index),
            slots,
            held_bytes: 0,
            held_bytes_limit: usize::MAX,
            clock_hand: 0,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Bytes that are held whether pages are loaded or not.
    pub(super) fn fixed_bytes(&self) -> usize {
        self.index.pages.capacity() * size_of::<PageRef>()
            + self.slots.capacity() * size_of::<PageSlot>()
    }

    /// Bounds the pages held; one page is always allowed.
    pub(super) fn limit_held_bytes(&mut self, limit: usize) {
        self.held_bytes_limit = limit;
        self.evict(usize::MAX);
    }

    /// The page that covers `hash`, if any does, at or after page `from`. Its filter has been asked.
    #[inline]
    pub(super) fn page_that_may_hold(
        &mut self,
        hash: u64,
        from: usize,
    ) -> Result<(usize, bool), StateError> {
        match self.page_that_covers(hash, from) {
            None => Ok((from, false)),
            Some(page) => Ok((page, filter::may_contain(&self.load(page)?.filter, hash))),
        }
    }

    /// Brings the filters of hashes that are looked up next, in ascending order, close to the
    /// processor: one after the other each would be waited for, asked for side by side they come
    /// together.
    pub(super) fn warm(&self, hashes: impl Iterator<Item = u64>) {
        let mut from = 0;
        let mut seen = 0;
        for hash in hashes {
            if let Some(at) = self.page_that_covers(hash, from) {
                from = at;
                let page = self.slots.get(at).and_then(|slot| slot.page.as_ref());
                seen ^= page.map_or(0, |page| filter::peek(&page.filter, hash));
            }
        }
        std::hint::black_box(seen);
    }

    #[inline]
    fn page_that_covers(&self, hash: u64, from: usize) -> Option<usize> {
        if hash < self.info.least_hash || hash > self.info.greatest_hash {
            return None;
        }
        // Of keys in order most are in the page of the one before, or the next.
        let follows = |page: &PageRef| page.first_hash > hash;
        if self.index.pages.get(from + 1).is_none_or(follows) {
            Some(from)
        } else if self.index.pages.get(from + 2).is_none_or(follows) {
            Some(from + 1)
        } else {
            let rest = self.index.pages.get(from..).unwrap_or_default();
            let within = rest.partition_point(|page| page.first_hash <= hash);
            Some((from + within).saturating_sub(1))
        }
    }

    /// The blocks that may hold entries of `hash`, by their place in `page`.
    pub(super) fn candidates(
        &mut self,
        page: usize,
        hash: u64,
    ) -> Result<std::ops::Range<usize>, StateError> {
        let blocks = &self.load(page)?.blocks;
        let first = blocks
            .partition_point(|block| block.first_hash < hash)
            .saturating_sub(1);
        Ok(first..blocks.partition_point(|block| block.first_hash <= hash))
    }

    /// The block at a place that [`Self::candidates`] named.
    pub(super) fn load_block(
        &mut self,
        page: usize,
        block: usize,
        cache: &mut BlockCache,
    ) -> Result<usize, StateError> {
        let found = self.load(page)?.blocks.get(block).copied();
        let block =
            found.ok_or_else(|| self.index.run.corrupt(0, "an index page lacks a block"))?;
        cache.load(&self.index.run, block)
    }

    /// Looks for one key; `page` is what [`Self::page_that_may_hold`] named.
    pub(super) fn find_in(
        &mut self,
        page: usize,
        hash: u64,
        key: &[u8],
        cache: &mut BlockCache,
    ) -> Result<Found, StateError> {
        let mut blocks = self.candidates(page, hash)?;
        // More than one candidate is rare: a hash that begins a block, or very many keys of one hash.
        while blocks.len() > 1 {
            let middle = blocks.start + blocks.len() / 2;
            let slot = self.load_block(page, middle, cache)?;
            if block::starts_at_or_before(cache.bytes(slot), hash, key) {
                blocks.start = middle;
            } else {
                blocks.end = middle;
            }
        }
        if blocks.is_empty() {
            return Ok(Found::Absent);
        }
        let slot = self.load_block(page, blocks.start, cache)?;
        Ok(match block::find(cache.bytes(slot), hash, key) {
            None => Found::Absent,
            Some(entry) => entry
                .value
                .map_or(Found::Deleted, |range| Found::Value(Place { slot, range })),
        })
    }

    #[inline]
    fn load(&mut self, index: usize) -> Result<&Page, StateError> {
        if self.slots.get(index).is_none_or(|slot| slot.page.is_none()) {
            let page = self.index.read_page(index)?;
            self.held_bytes += page.held_bytes();
            if let Some(slot) = self.slots.get_mut(index) {
                slot.page = Some(page);
            }
            self.evict(index);
        }
        let slot = self.slots.get_mut(index);
        slot.and_then(|slot| {
            slot.is_recent = true;
            slot.page.as_ref()
        })
        .ok_or_else(|| self.index.run.corrupt(0, "the top index lacks a page"))
    }

    /// Drops pages that were not used lately until the limit holds, but never page `keep`.
    fn evict(&mut self, keep: usize) {
        // Twice around: the first turn may only take away marks.
        let mut turns = self.slots.len() * 2;
        while self.held_bytes > self.held_bytes_limit && turns > 0 {
            turns -= 1;
            self.clock_hand = (self.clock_hand + 1) % self.slots.len().max(1);
            if self.clock_hand == keep {
                continue;
            }
            let Some(slot) = self.slots.get_mut(self.clock_hand) else {
                return;
            };
            if std::mem::take(&mut slot.is_recent) {
                continue;
            }
            if let Some(page) = slot.page.take() {
                self.held_bytes -= page.held_bytes();
            }
        }
    }
}
