//! The writer's side: put, delete, read, checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use super::compaction::{self, Compaction, NewRun};
use super::error::StateError;
use super::manifest::{Manifest, NEW_FILE_NAME, sync_directory};
use super::merge::Iter;
use super::run::{Run, file_name};
use super::table::Tables;
use super::writer::RunWriter;
use super::{Keyspace, MAX_KEY_BYTES, MAX_VALUE_BYTES, MemoryUse, Options};

/// Bytes merged at a checkpoint per byte that it wrote. Every level rewrites a row once, and each row passes at most
/// about three levels at 1e8 rows: with three, merges keep up and no checkpoint stalls for a whole one.
const MERGE_BYTES_PER_BYTE_WRITTEN: u64 = 3;
/// Merged at least, at each checkpoint, in bytes: enough to finish any merge of level 0.
const MIN_MERGE_BYTES: u64 = 40 << 20;
/// Entries that are fetched from memory together, when a checkpoint writes them in the order of their keys.
const ENTRIES_TOGETHER: usize = 64;
/// Longest meta, in bytes.
const MAX_META_BYTES: usize = 16 << 20;

/// State over one directory, with one writer. Who that is, the host's lock decides.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    options: Options,
    tables: Tables,
    meta: Option<Vec<u8>>,
    next_run_id: u64,
    compaction: Option<Compaction>,
    merged: Vec<NewRun>,
    written_bytes: u64,
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
            table.pending.reserve(options.pending_keys);
        }
        let options = Options {
            fanout: options.fanout.max(2),
            ..options
        };
        let store = Self {
            directory: directory.to_path_buf(),
            options,
            next_run_id: manifest.as_ref().map_or(1, |manifest| manifest.next_run_id),
            meta: manifest.map(|manifest| manifest.meta),
            tables,
            compaction: None,
            merged: Vec::new(),
            written_bytes: 0,
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
        self.written_bytes
    }

    /// What the engine holds in memory.
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        let mut memory = self.tables.memory();
        memory.other += self.compaction.as_ref().map_or(0, Compaction::memory_bytes);
        memory
    }

    /// Makes all that is pending durable and publishes it with `meta`, atomically: a crash at any point leaves this or
    /// the previous checkpoint whole. If it fails, what was pending still is, and it may be tried again.
    ///
    /// Merges that are due advance by a bounded number of bytes, in proportion to what was written, so that no
    /// checkpoint waits for a whole large merge; a level that would get too full is merged at once. There is no
    /// background thread: with two cores shared by the stages it would take from them what it gives.
    ///
    /// # Errors
    /// The file system refuses, a run to be merged is damaged, or `meta` is over its limit.
    pub fn checkpoint(&mut self, meta: &[u8]) -> Result<(), StateError> {
        if meta.len() > MAX_META_BYTES {
            return Err(StateError::TooLarge {
                what: "meta",
                bytes: meta.len(),
                max_bytes: MAX_META_BYTES,
            });
        }
        let mut unpublished = Unpublished::default();
        let flushed = self.flush(&mut unpublished)?;
        let flushed_bytes: u64 = flushed
            .iter()
            .filter_map(|new| new.run.as_ref())
            .map(|(info, _)| info.file_bytes)
            .sum();
        self.written_bytes += flushed_bytes;
        self.maintain((flushed_bytes * MERGE_BYTES_PER_BYTE_WRITTEN).max(MIN_MERGE_BYTES))?;
        let manifest = self.next_manifest(meta, &flushed);
        manifest.prepare(&self.directory)?;
        sync_directory(&self.directory)?;
        // From here the new manifest may be in force even if this fails: its files must stay.
        unpublished.paths.clear();
        Manifest::publish(&self.directory)?;
        self.meta = Some(manifest.meta);
        self.adopt(flushed);
        Ok(())
    }

    /// Advances due merges by about `budget_bytes`; the next checkpoint publishes what gets done. For a host that has
    /// idle time; without it the checkpoints do it all.
    ///
    /// # Errors
    /// The file system refuses or a run is damaged; the merge is given up and starts anew another time.
    pub fn maintain(&mut self, budget_bytes: u64) -> Result<(), StateError> {
        let mut left = budget_bytes;
        while left > 0 {
            let Some(mut compaction) = self.take_due()? else {
                return Ok(());
            };
            let budget = if compaction.is_overdue {
                u64::MAX
            } else {
                left
            };
            let (spent, is_done) = compaction.step(budget)?;
            left = left.saturating_sub(spent.max(1));
            if is_done {
                let merged = compaction.finish(self.options.fanout)?;
                self.written_bytes += merged.run.as_ref().map_or(0, |(info, _)| info.file_bytes);
                self.merged.push(merged);
            } else {
                self.compaction = Some(compaction);
            }
        }
        Ok(())
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
            .pending
            .put(hash, key, value);
        Ok(())
    }

    /// Writes one run per keyspace that has something pending.
    fn flush(&mut self, unpublished: &mut Unpublished) -> Result<Vec<NewRun>, StateError> {
        let mut flushed = Vec::new();
        for table_index in 0..self.tables.tables.len() {
            // Taken first, and once: not even a failed checkpoint's ids come again, for its files may be in force.
            let id = self.next_run_id;
            let Some(table) = self
                .tables
                .tables
                .get_mut(table_index)
                .filter(|table| table.pending.len() > 0)
            else {
                continue;
            };
            self.next_run_id += 1;
            table.pending.sort();
            let pending = &table.pending;
            let mut writer = RunWriter::create(&self.directory, id)?;
            // With nothing older a deletion hides nothing.
            let drops_deletions = table.runs.is_empty();
            for part in pending.order().chunks(ENTRIES_TOGETHER) {
                pending.warm_entries(part);
                for &(hash, index) in part {
                    let value = pending.value(index);
                    if value.is_some() || !drops_deletions {
                        writer.push(hash, pending.key(index), value)?;
                    }
                }
            }
            let run = writer.finish(|bytes| compaction::level_of(bytes, self.options.fanout))?;
            unpublished.paths.push(self.directory.join(file_name(id)));
            flushed.push(NewRun {
                table: table_index,
                replaces: Vec::new(),
                run,
            });
        }
        Ok(flushed)
    }

    /// The merge in progress, or a new one of a keyspace that has none waiting to be published.
    fn take_due(&mut self) -> Result<Option<Compaction>, StateError> {
        if let Some(compaction) = self.compaction.take() {
            return Ok(Some(compaction));
        }
        for (index, table) in self.tables.tables.iter().enumerate() {
            if self.merged.iter().any(|merged| merged.table == index) {
                continue;
            }
            let levels = table.runs.iter().map(|run| run.info.level);
            if let Some(due) = compaction::due(levels, self.options.fanout) {
                let id = self.next_run_id;
                self.next_run_id += 1;
                return Compaction::start(&self.directory, id, index, &table.runs, &due).map(Some);
            }
        }
        Ok(None)
    }

    fn next_manifest(&self, meta: &[u8], flushed: &[NewRun]) -> Manifest {
        let mut keyspaces: Vec<_> = self
            .tables
            .tables
            .iter()
            .map(|table| (table.name.clone(), table.infos()))
            .collect();
        for new in self.merged.iter().chain(flushed) {
            let Some((_, runs)) = keyspaces.get_mut(new.table) else {
                continue;
            };
            let at = place_in(runs.iter().map(|run| run.id), &new.replaces);
            runs.retain(|run| !new.replaces.contains(&run.id));
            if let Some((info, _)) = &new.run {
                runs.insert(at, info.clone());
            }
        }
        Manifest {
            next_run_id: self.next_run_id,
            meta: meta.to_vec(),
            keyspaces,
        }
    }

    /// Goes over to what was just published: runs in, merged runs out, nothing pending.
    fn adopt(&mut self, flushed: Vec<NewRun>) {
        for new in self.merged.drain(..).chain(flushed) {
            let Some(table) = self.tables.tables.get_mut(new.table) else {
                continue;
            };
            let at = place_in(table.runs.iter().map(|run| run.info.id), &new.replaces);
            for replaced in table
                .runs
                .extract_if(.., |run| new.replaces.contains(&run.info.id))
            {
                // Best effort: the next open removes what no manifest lists.
                fs::remove_file(&replaced.index.run.path).ok();
            }
            if let Some((info, index)) = new.run {
                table.runs.insert(at, Run::new(info, index));
            }
        }
        self.tables
            .tables
            .iter_mut()
            .for_each(|table| table.pending.clear());
        self.tables.share_page_budget();
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

/// Where a new run belongs: in the place of the first that it replaces, else in front.
fn place_in(mut runs: impl Iterator<Item = u64>, replaces: &[u64]) -> usize {
    runs.position(|run| replaces.contains(&run)).unwrap_or(0)
}

/// Files of a checkpoint in the making; removed if it fails before the manifest names them.
#[derive(Debug, Default)]
struct Unpublished {
    paths: Vec<PathBuf>,
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        for path in &self.paths {
            fs::remove_file(path).ok();
        }
    }
}
