//! Reading: keyspaces with what is pending and their runs, shared by the store and the reader.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::block::EntryReader;
use super::bytes::slice;
use super::cache::{BlockCache, Place};
use super::checkpoint::Frozen;
use super::cursor::RunCursor;
use super::error::StateError;
use super::manifest::{FILE_NAME, Manifest};
use super::merge::{Iter, Merge, PendingCursor, Source};
use super::pending::Pending;
use super::run::{Found, Run, RunIndex, RunInfo};
use super::{Keyspace, MemoryUse, Options};

/// One keyspace: pending writes (none in a reader) over runs, newest first.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    /// Shared while a checkpoint writes it.
    pub(super) pending: Arc<Pending>,
    pub(super) runs: Vec<Run>,
}

/// A run as merges and manifests see it.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) info: RunInfo,
    pub(super) index: Arc<RunIndex>,
}

/// All keyspaces and the caches that they share.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) tables: Vec<Table>,
    cache: BlockCache,
    page_cache_bytes: usize,
    wanted: Vec<(u64, u32)>,
    scan: Scan,
}

enum Hit {
    Absent,
    Pending(u32),
    Cached(Place),
}

/// Versions gathered by a scan: bytes in one buffer, rows of ranges into it.
#[derive(Debug, Default)]
struct Scan {
    bytes: Vec<u8>,
    rows: Vec<ScanRow>,
}

#[derive(Debug)]
struct ScanRow {
    key: Range<usize>,
    value: Option<Range<usize>>,
    age: usize,
}

impl Scan {
    fn push(&mut self, key: &[u8], value: Option<&[u8]>, age: usize) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let value = value.map(|_| middle..self.bytes.len());
        self.rows.push(ScanRow {
            key: start..middle,
            value,
            age,
        });
    }
}

impl Tables {
    pub(super) fn open(
        directory: &Path,
        names: &[&str],
        manifest: Option<&Manifest>,
        options: &Options,
    ) -> Result<Self, StateError> {
        let mut tables: Vec<Table> = Vec::with_capacity(names.len());
        for name in names {
            tables.push(Table {
                name: (*name).to_owned(),
                pending: Arc::default(),
                runs: Vec::new(),
            });
        }
        for (name, infos) in manifest.map_or(&[][..], |manifest| &manifest.keyspaces) {
            let Some(table) = tables.iter_mut().find(|table| table.name == *name) else {
                return Err(StateError::UnknownKeyspace {
                    file: directory.join(FILE_NAME),
                    name: name.clone(),
                });
            };
            for info in infos {
                let index = RunIndex::open(directory, info)?;
                let index = index.ok_or_else(|| {
                    let path = directory.join(super::run::file_name(info.id));
                    StateError::corrupt(
                        &path,
                        0,
                        "the checkpoint lists this file, but it is missing",
                    )
                })?;
                table.runs.push(Run::new(info.clone(), index));
            }
        }
        let mut tables = Self {
            tables,
            cache: BlockCache::new(options.block_cache_bytes),
            page_cache_bytes: options.page_cache_bytes,
            wanted: Vec::new(),
            scan: Scan::default(),
        };
        tables.share_page_budget();
        Ok(tables)
    }

    /// Gives every run its share of the page budget: all that it wants while the sum allows it.
    pub(super) fn share_page_budget(&mut self) {
        let runs = || self.tables.iter().flat_map(|table| &table.runs);
        let wanted: u128 = runs().map(|run| u128::from(run.info.held_bytes)).sum();
        let budget = self.page_cache_bytes as u128;
        for run in self.tables.iter_mut().flat_map(|table| &mut table.runs) {
            let share = if wanted <= budget {
                u128::MAX
            } else {
                budget * u128::from(run.info.held_bytes) / wanted
            };
            run.limit_held_bytes(usize::try_from(share).unwrap_or(usize::MAX));
        }
    }

    /// What a checkpoint writes and names, and merges start from.
    pub(super) fn frozen(&self) -> Vec<Frozen> {
        let published = |run: &Run| Published {
            info: run.info.clone(),
            index: Arc::clone(&run.index),
        };
        let frozen = |table: &Table| Frozen {
            name: table.name.clone(),
            pending: Arc::clone(&table.pending),
            runs: table.runs.iter().map(published).collect(),
        };
        self.tables.iter().map(frozen).collect()
    }

    /// All that was pending is in runs now.
    pub(super) fn forget_pending(&mut self) {
        for table in &mut self.tables {
            match Arc::get_mut(&mut table.pending) {
                Some(pending) => pending.clear(),
                None => table.pending = Arc::default(),
            }
        }
    }

    pub(super) fn memory(&self) -> MemoryUse {
        let runs = || self.tables.iter().flat_map(|table| &table.runs);
        MemoryUse {
            pending: self
                .tables
                .iter()
                .map(|table| table.pending.memory_bytes())
                .sum(),
            pages: runs().map(Run::held_bytes).sum(),
            blocks: self.cache.memory_bytes(),
            other: runs().map(Run::fixed_bytes).sum::<usize>()
                + self.wanted.capacity() * size_of::<(u64, u32)>()
                + self.scan.bytes.capacity()
                + self.scan.rows.capacity() * size_of::<ScanRow>(),
        }
    }

    pub(super) fn table(&self, keyspace: Keyspace) -> Result<&Table, StateError> {
        self.tables
            .get(keyspace.index())
            .ok_or(StateError::NoKeyspace { index: keyspace.0 })
    }

    pub(super) fn get(
        &mut self,
        keyspace: Keyspace,
        hash: u64,
        key: &[u8],
    ) -> Result<Option<&[u8]>, StateError> {
        let Self { tables, cache, .. } = self;
        let table = tables
            .get_mut(keyspace.index())
            .ok_or(StateError::NoKeyspace { index: keyspace.0 })?;
        Ok(match table.locate(hash, key, cache)? {
            Hit::Absent => None,
            Hit::Pending(index) => table.pending.value(index),
            Hit::Cached(place) => Some(cache.at(&place)),
        })
    }

    pub(super) fn get_many<'k>(
        &mut self,
        keyspace: Keyspace,
        count: usize,
        key_at: impl Fn(usize) -> (u64, &'k [u8]),
        mut found: impl FnMut(usize, &[u8]),
    ) -> Result<(), StateError> {
        let Self {
            tables,
            cache,
            wanted,
            ..
        } = self;
        let table = tables
            .get_mut(keyspace.index())
            .ok_or(StateError::NoKeyspace { index: keyspace.0 })?;
        wanted.clear();
        table.pending.warm((0..count).map(|index| key_at(index).0));
        for (index, position) in (0..count).zip(0_u32..) {
            let (hash, key) = key_at(index);
            match table.pending.find(hash, key) {
                None => wanted.push((hash, position)),
                Some(entry) => {
                    if let Some(value) = table.pending.value(entry) {
                        found(index, value);
                    }
                }
            }
        }
        if table.runs.is_empty() {
            return Ok(());
        }
        // In hash order the filters and blocks of every run are visited front to back.
        wanted.sort_unstable();
        for run in &mut table.runs {
            run.warm(wanted.iter().map(|(hash, _)| *hash));
            let mut page = 0;
            let mut outcome = Ok(());
            wanted.retain(|&(hash, position)| {
                if outcome.is_err() {
                    return true;
                }
                let index = position as usize;
                match run.look_up(&mut page, hash, || key_at(index).1, cache) {
                    Ok(Found::Absent) => true,
                    Ok(Found::Deleted) => false,
                    Ok(Found::Value(place)) => {
                        found(index, cache.at(&place));
                        false
                    }
                    Err(error) => {
                        outcome = Err(error);
                        true
                    }
                }
            });
            outcome?;
        }
        Ok(())
    }

    pub(super) fn scan_prefix(
        &mut self,
        keyspace: Keyspace,
        hash: u64,
        mut found: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), StateError> {
        let Self {
            tables,
            cache,
            scan,
            ..
        } = self;
        let table = tables
            .get_mut(keyspace.index())
            .ok_or(StateError::NoKeyspace { index: keyspace.0 })?;
        scan.bytes.clear();
        scan.rows.clear();
        for index in table.pending.of_hash(hash) {
            scan.push(table.pending.key(index), table.pending.value(index), 0);
        }
        for (run, age) in table.runs.iter_mut().zip(1..) {
            run.gather(hash, age, cache, scan)?;
        }
        let Scan { bytes, rows } = scan;
        rows.sort_unstable_by(|a, b| {
            slice(bytes, a.key.clone())
                .cmp(slice(bytes, b.key.clone()))
                .then(a.age.cmp(&b.age))
        });
        for versions in
            rows.chunk_by(|a, b| slice(bytes, a.key.clone()) == slice(bytes, b.key.clone()))
        {
            let Some(newest) = versions.first() else {
                continue;
            };
            if let Some(value) = newest.value.clone() {
                found(slice(bytes, newest.key.clone()), slice(bytes, value));
            }
        }
        Ok(())
    }

    pub(super) fn iter(&self, keyspace: Keyspace) -> Result<Iter<'_>, StateError> {
        let table = self
            .tables
            .get(keyspace.index())
            .ok_or(StateError::NoKeyspace { index: keyspace.0 })?;
        let pending = PendingCursor::new(&table.pending, table.pending.sorted());
        let runs = table
            .runs
            .iter()
            .map(|run| Source::Run(RunCursor::new(Arc::clone(&run.index))));
        Ok(Iter::new(Merge::new(
            std::iter::once(Source::Pending(pending)).chain(runs),
        )))
    }

    pub(super) fn iter_from(&self, keyspace: Keyspace, hash: u64) -> Result<Iter<'_>, StateError> {
        let table = self
            .tables
            .get(keyspace.index())
            .ok_or(StateError::NoKeyspace { index: keyspace.0 })?;
        let pending = PendingCursor::new(&table.pending, table.pending.sorted_from(hash));
        let mut sources = vec![Source::Pending(pending)];
        for run in table
            .runs
            .iter()
            .filter(|run| run.info.greatest_hash >= hash)
        {
            sources.push(Source::Run(RunCursor::at(Arc::clone(&run.index), hash)?));
        }
        Ok(Iter::from_hash(Merge::new(sources), hash))
    }
}

impl Table {
    /// To write to; not while a checkpoint does.
    #[inline]
    pub(super) fn pending_mut(&mut self) -> Result<&mut Pending, StateError> {
        Arc::get_mut(&mut self.pending).ok_or(StateError::Publishing)
    }

    fn locate(&mut self, hash: u64, key: &[u8], cache: &mut BlockCache) -> Result<Hit, StateError> {
        if let Some(index) = self.pending.find(hash, key) {
            return Ok(Hit::Pending(index));
        }
        for run in &mut self.runs {
            match run.look_up(&mut 0, hash, || key, cache)? {
                Found::Absent => {}
                Found::Deleted => return Ok(Hit::Absent),
                Found::Value(place) => return Ok(Hit::Cached(place)),
            }
        }
        Ok(Hit::Absent)
    }
}

impl Run {
    /// Filter first, then the block. `page` is where the search begins and is moved on: hashes that come in ascending
    /// order search only what is left.
    #[inline]
    fn look_up<'k>(
        &mut self,
        page: &mut usize,
        hash: u64,
        key: impl FnOnce() -> &'k [u8],
        cache: &mut BlockCache,
    ) -> Result<Found, StateError> {
        let (at, may_hold) = self.page_that_may_hold(hash, *page)?;
        *page = at;
        if may_hold {
            self.find_in(at, hash, key(), cache)
        } else {
            Ok(Found::Absent)
        }
    }

    /// Adds all entries of one hash to a scan.
    fn gather(
        &mut self,
        hash: u64,
        age: usize,
        cache: &mut BlockCache,
        scan: &mut Scan,
    ) -> Result<(), StateError> {
        let (page, may_hold) = self.page_that_may_hold(hash, 0)?;
        if !may_hold {
            return Ok(());
        }
        for block in self.candidates(page, hash)? {
            let slot = self.load_block(page, block, cache)?;
            let bytes = cache.bytes(slot);
            let mut reader = EntryReader::new(bytes);
            while let Some(entry) = reader.next(bytes) {
                if entry.hash == hash {
                    scan.push(
                        slice(bytes, entry.key),
                        entry.value.map(|range| slice(bytes, range)),
                        age,
                    );
                }
            }
        }
        Ok(())
    }
}
