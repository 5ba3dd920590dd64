//! The writer's side: put, delete, read, checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::{BegunCheckpoint, Publisher, Retired, WrittenCheckpoint};
use super::compaction::NewRun;
use super::error::StateError;
use super::manifest::{Manifest, NEW_FILE_NAME};
use super::merge::Iter;
use super::run::{Run, file_name};
use super::table::Tables;
use super::{Keyspace, MAX_KEY_BYTES, MAX_VALUE_BYTES, MemoryUse, Options};

/// Longest meta, in bytes.
const MAX_META_BYTES: usize = 16 << 20;

/// State over one directory, with one writer. Who that is, the host's lock decides.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    tables: Tables,
    meta: Option<Vec<u8>>,
    /// `None` while a checkpoint is on its way.
    publisher: Option<Publisher>,
}

impl Store {
    /// Opens the state in `directory` at its last checkpoint, or starts fresh, and removes what a crash left behind.
    /// `keyspaces` are all names that the directory may hold; [`Keyspace`] counts in this list.
    ///
    /// # Errors
    /// The directory cannot be read, is damaged, of a newer format, or holds a keyspace that is not named.
    pub fn open(
        directory: &Path,
        keyspaces: &[&str],
        options: Options,
    ) -> Result<Self, StateError> {
        fs::create_dir_all(directory).map_err(StateError::io("create the directory", directory))?;
        let manifest = Manifest::read(directory)?;
        let mut tables = Tables::open(directory, keyspaces, manifest.as_ref(), &options)?;
        for table in &mut tables.tables {
            table.pending_mut()?.reserve(options.pending_keys);
        }
        let next_run_id = manifest.as_ref().map_or(1, |manifest| manifest.next_run_id);
        let publisher = Publisher::new(directory, options.fanout.max(2), next_run_id);
        let store = Self {
            directory: directory.to_path_buf(),
            meta: manifest.map(|manifest| manifest.meta),
            tables,
            publisher: Some(publisher),
        };
        store.remove_leftovers()?;
        Ok(store)
    }

    /// The meta bytes of the last checkpoint; `None` before the first.
    #[must_use]
    pub fn meta(&self) -> Option<&[u8]> {
        self.meta.as_deref()
    }

    /// Sets a value.
    ///
    /// # Errors
    /// No such keyspace, or a key or value over its limit.
    pub fn put(
        &mut self,
        keyspace: Keyspace,
        hash: u64,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), StateError> {
        self.write(keyspace, hash, key, Some(value))
    }

    /// Deletes a key, whether it is there or not.
    ///
    /// # Errors
    /// No such keyspace, or a key over its limit.
    pub fn delete(&mut self, keyspace: Keyspace, hash: u64, key: &[u8]) -> Result<(), StateError> {
        self.write(keyspace, hash, key, None)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// No such keyspace, or a file that cannot be read or is damaged.
    pub fn get(
        &mut self,
        keyspace: Keyspace,
        hash: u64,
        key: &[u8],
    ) -> Result<Option<&[u8]>, StateError> {
        self.tables.get(keyspace, hash, key)
    }

    /// Looks `count` keys up, in a good order, and calls `found` with the index and value of each that exists; order of
    /// calls is not promised. Fast where nearly all keys are new.
    ///
    /// # Errors
    /// No such keyspace, or a file that cannot be read or is damaged; `found` may have been called for some keys.
    pub fn get_many<'k>(
        &mut self,
        keyspace: Keyspace,
        count: usize,
        key_at: impl Fn(usize) -> (u64, &'k [u8]),
        found: impl FnMut(usize, &[u8]),
    ) -> Result<(), StateError> {
        self.tables.get_many(keyspace, count, key_at, found)
    }

    /// Calls `found` with key and value of every entry of one hash, in key order. All of them are gathered in memory.
    ///
    /// # Errors
    /// No such keyspace, or a file that cannot be read or is damaged.
    pub fn scan_prefix(
        &mut self,
        keyspace: Keyspace,
        hash: u64,
        found: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), StateError> {
        self.tables.scan_prefix(keyspace, hash, found)
    }

    /// Everything in a keyspace, in order of hash and key, pending writes included, in bounded memory.
    ///
    /// # Errors
    /// No such keyspace.
    pub fn iter(&mut self, keyspace: Keyspace) -> Result<Iter<'_>, StateError> {
        self.tables.iter(keyspace)
    }

    /// As [`Self::iter`], from the first entry of `hash` or a greater one on, without reading what is before it.
    ///
    /// # Errors
    /// No such keyspace, or a file that cannot be read or is damaged.
    pub fn iter_from(&mut self, keyspace: Keyspace, hash: u64) -> Result<Iter<'_>, StateError> {
        self.tables.iter_from(keyspace, hash)
    }

    /// Bytes of keys and values that wait for the next checkpoint: the caller decides when it is due.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.tables
            .tables
            .iter()
            .map(|table| table.pending.written_bytes())
            .sum()
    }

    /// Keys that wait for the next checkpoint.
    #[must_use]
    pub fn pending_keys(&self) -> usize {
        self.tables
            .tables
            .iter()
            .map(|table| table.pending.len())
            .sum()
    }

    /// Runs of a keyspace.
    ///
    /// # Errors
    /// No such keyspace.
    pub fn run_count(&self, keyspace: Keyspace) -> Result<usize, StateError> {
        Ok(self.tables.table(keyspace)?.runs.len())
    }

    /// Bytes of run files written since open, by checkpoints and merges: over the bytes put, the write amplification.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.publisher.as_ref().map_or(0, Publisher::written_bytes)
    }

    /// What the engine holds in memory.
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        let mut memory = self.tables.memory();
        memory.other += self.publisher.as_ref().map_or(0, Publisher::memory_bytes);
        memory
    }

    /// Makes all that is pending durable and publishes it with `meta`, atomically: a crash at any point leaves this or
    /// the previous checkpoint whole. If it fails, what was pending still is, and it may be tried again.
    ///
    /// There is no background thread: with two cores shared by the stages it would take from them what it gives. Where
    /// reads must not wait, a host takes the three steps itself: [`Self::begin_checkpoint`], [`BegunCheckpoint::write`] without
    /// the store, [`Self::end_checkpoint`].
    ///
    /// # Errors
    /// The file system refuses, a run to be merged is damaged, or `meta` is over its limit.
    pub fn checkpoint(&mut self, meta: &[u8]) -> Result<(), StateError> {
        let begun = self.begin_checkpoint(meta)?;
        self.end_checkpoint(begun.write()).map(drop)
    }

    /// Begins a checkpoint of what is pending now. Until it is ended the store can be read, and takes no writes.
    ///
    /// # Errors
    /// `meta` is over its limit, or another checkpoint is on its way.
    pub fn begin_checkpoint(&mut self, meta: &[u8]) -> Result<BegunCheckpoint, StateError> {
        if meta.len() > MAX_META_BYTES {
            return Err(StateError::TooLarge {
                what: "meta",
                bytes: meta.len(),
                max_bytes: MAX_META_BYTES,
            });
        }
        Ok(BegunCheckpoint {
            publisher: self.publisher.take().ok_or(StateError::Publishing)?,
            tables: self.tables.frozen(),
            meta: meta.to_vec(),
        })
    }

    /// Goes over to what a checkpoint has published.
    ///
    /// # Errors
    /// As writing it ended: what was pending still is, and it may be tried again.
    pub fn end_checkpoint(&mut self, written: WrittenCheckpoint) -> Result<Retired, StateError> {
        let WrittenCheckpoint {
            mut publisher,
            tables,
            meta,
            flushed,
        } = written;
        drop(tables);
        let adopted = flushed.map(|flushed| {
            self.meta = Some(meta);
            self.adopt(publisher.merged.drain(..).chain(flushed))
        });
        self.publisher = Some(publisher);
        adopted
    }

    /// Advances due merges by about `budget_bytes`; the next checkpoint publishes what gets done.
    #[cfg(test)]
    pub(super) fn maintain(&mut self, budget_bytes: u64) -> Result<(), StateError> {
        let tables = self.tables.frozen();
        let publisher = self.publisher.as_mut().ok_or(StateError::Publishing)?;
        publisher.maintain(&tables, budget_bytes)
    }

    fn write(
        &mut self,
        keyspace: Keyspace,
        hash: u64,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), StateError> {
        let value_bytes = value.map_or(0, <[u8]>::len);
        if key.len() > MAX_KEY_BYTES {
            return Err(StateError::TooLarge {
                what: "key",
                bytes: key.len(),
                max_bytes: MAX_KEY_BYTES,
            });
        }
        if value_bytes > MAX_VALUE_BYTES {
            return Err(StateError::TooLarge {
                what: "value",
                bytes: value_bytes,
                max_bytes: MAX_VALUE_BYTES,
            });
        }
        let table = self.tables.tables.get_mut(keyspace.index());
        table
            .ok_or(StateError::NoKeyspace { index: keyspace.0 })?
            .pending_mut()?
            .put(hash, key, value);
        Ok(())
    }

    /// New runs in, merged runs out, nothing pending.
    fn adopt(&mut self, new: impl Iterator<Item = NewRun>) -> Retired {
        let mut retired = Vec::new();
        for new in new {
            let Some(table) = self.tables.tables.get_mut(new.table) else {
                continue;
            };
            let at = new.place_in(table.runs.iter().map(|run| run.info.id));
            let replaced = table
                .runs
                .extract_if(.., |run| new.replaces.contains(&run.info.id));
            retired.extend(replaced.map(|run| run.index));
            if let Some((info, index)) = new.run {
                table.runs.insert(at, Run::new(info, index));
            }
        }
        self.tables.forget_pending();
        self.tables.share_page_budget();
        Retired(retired)
    }

    /// Removes files of the engine's own kind that the manifest does not list.
    fn remove_leftovers(&self) -> Result<(), StateError> {
        let listed = |name: &str| {
            let runs = self.tables.tables.iter().flat_map(|table| &table.runs);
            runs.map(|run| file_name(run.info.id))
                .any(|listed| listed == name)
        };
        let read = StateError::io("list the directory", &self.directory);
        let entries = fs::read_dir(&self.directory)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(read)?;
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name == NEW_FILE_NAME || (name.ends_with(".run") && !listed(name)) {
                fs::remove_file(entry.path()).map_err(StateError::io("remove", &entry.path()))?;
            }
        }
        Ok(())
    }
}
