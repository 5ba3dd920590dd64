//! A checkpoint on its way. What takes long of it needs no store, which answers reads meanwhile.
//!
//! [`BegunCheckpoint`] holds the store as it was when the checkpoint began, [`WrittenCheckpoint`] what came of writing it,
//! [`Retired`] the files that nothing needs any more.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compaction::{self, Compaction, NewRun};
use super::error::StateError;
use super::manifest::{Manifest, sync_directory};
use super::pending::Pending;
use super::run::{RunIndex, RunInfo, file_name};
use super::table::Published;
use super::writer::RunWriter;

/// Bytes merged at a checkpoint per byte that it wrote. Every level rewrites a row once, and each row passes at most
/// about three levels at 1e8 rows: with three, merges keep up and no checkpoint stalls for a whole one.
const MERGE_BYTES_PER_BYTE_WRITTEN: u64 = 3;
/// Merged at least, at each checkpoint, in bytes: enough to finish any merge of level 0.
const MIN_MERGE_BYTES: u64 = 40 << 20;
/// Entries that are fetched from memory together, when a checkpoint writes them in the order of their keys.
const ENTRIES_TOGETHER: usize = 64;

/// A keyspace as it is while a checkpoint is written.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) name: String,
    pub(super) pending: Arc<Pending>,
    pub(super) runs: Vec<Published>,
}

/// Writes runs and manifests, and knows what is written and not yet published.
#[derive(Debug)]
pub(super) struct Publisher {
    directory: PathBuf,
    fanout: usize,
    next_run_id: u64,
    compaction: Option<Compaction>,
    pub(super) merged: Vec<NewRun>,
    written_bytes: u64,
}

/// A checkpoint of which nothing is written yet.
#[derive(Debug)]
#[must_use = "the store takes no writes before its checkpoint is ended"]
pub struct BegunCheckpoint {
    pub(super) publisher: Publisher,
    pub(super) tables: Vec<Frozen>,
    pub(super) meta: Vec<u8>,
}

/// A checkpoint that is in force, or the reason why it is not.
#[derive(Debug)]
#[must_use = "the store takes no writes before its checkpoint is ended"]
pub struct WrittenCheckpoint {
    pub(super) publisher: Publisher,
    /// Shared for as long as the store is not to be written to.
    pub(super) tables: Vec<Frozen>,
    pub(super) meta: Vec<u8>,
    pub(super) flushed: Result<Vec<NewRun>, StateError>,
}

/// Runs that a checkpoint has taken the place of. Dropped, their files are removed, which may take a while.
#[derive(Debug)]
pub struct Retired(pub(super) Vec<Arc<RunIndex>>);

impl Drop for Retired {
    fn drop(&mut self) {
        for index in &self.0 {
            // Best effort: the next open removes what no manifest lists.
            fs::remove_file(&index.run.path).ok();
        }
    }
}

impl BegunCheckpoint {
    /// Writes the checkpoint and puts it in force.
    ///
    /// Merges that are due advance by a bounded number of bytes, in proportion to what was written, so that no
    /// checkpoint waits for a whole large merge; a level that would get too full is merged at once.
    pub fn write(self) -> WrittenCheckpoint {
        let Self {
            mut publisher,
            tables,
            meta,
        } = self;
        let flushed = publisher.publish(&tables, &meta);
        WrittenCheckpoint {
            publisher,
            tables,
            meta,
            flushed,
        }
    }
}

impl Publisher {
    pub(super) fn new(directory: &Path, fanout: usize, next_run_id: u64) -> Self {
        Self {
            directory: directory.to_path_buf(),
            fanout,
            next_run_id,
            compaction: None,
            merged: Vec::new(),
            written_bytes: 0,
        }
    }

    pub(super) fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.compaction.as_ref().map_or(0, Compaction::memory_bytes)
    }

    fn publish(&mut self, tables: &[Frozen], meta: &[u8]) -> Result<Vec<NewRun>, StateError> {
        let mut unpublished = Unpublished::default();
        let flushed = self.flush(tables, &mut unpublished)?;
        let flushed_bytes: u64 = flushed
            .iter()
            .filter_map(|new| new.run.as_ref())
            .map(|(info, _)| info.file_bytes)
            .sum();
        self.written_bytes += flushed_bytes;
        let budget = (flushed_bytes * MERGE_BYTES_PER_BYTE_WRITTEN).max(MIN_MERGE_BYTES);
        self.maintain(tables, budget)?;
        let manifest = self.next_manifest(tables, meta, &flushed);
        manifest.prepare(&self.directory)?;
        sync_directory(&self.directory)?;
        // From here the new manifest may be in force even if this fails: its files must stay.
        unpublished.paths.clear();
        Manifest::publish(&self.directory)?;
        Ok(flushed)
    }

    /// Advances due merges by about `budget_bytes`; the next manifest names what gets done. A merge that fails is
    /// given up and starts anew another time.
    pub(super) fn maintain(
        &mut self,
        tables: &[Frozen],
        budget_bytes: u64,
    ) -> Result<(), StateError> {
        let mut left = budget_bytes;
        while left > 0 {
            let Some(mut compaction) = self.take_due(tables)? else {
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
                let merged = compaction.finish(self.fanout)?;
                self.written_bytes += merged.run.as_ref().map_or(0, |(info, _)| info.file_bytes);
                self.merged.push(merged);
            } else {
                self.compaction = Some(compaction);
            }
        }
        Ok(())
    }

    /// Writes one run per keyspace that has something pending.
    fn flush(
        &mut self,
        tables: &[Frozen],
        unpublished: &mut Unpublished,
    ) -> Result<Vec<NewRun>, StateError> {
        let mut flushed = Vec::new();
        for (table_index, table) in tables.iter().enumerate() {
            let pending = &*table.pending;
            if pending.len() == 0 {
                continue;
            }
            // Taken first, and once: not even a failed checkpoint's ids come again, for its files may be in force.
            let id = self.next_run_id;
            self.next_run_id += 1;
            let mut writer = RunWriter::create(&self.directory, id)?;
            // With nothing older a deletion hides nothing.
            let drops_deletions = table.runs.is_empty();
            for part in pending.sorted().chunks(ENTRIES_TOGETHER) {
                pending.warm_entries(part);
                for &(hash, index) in part {
                    let value = pending.value(index);
                    if value.is_some() || !drops_deletions {
                        writer.push(hash, pending.key(index), value)?;
                    }
                }
            }
            let run = writer.finish(|bytes| compaction::level_of(bytes, self.fanout))?;
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
    fn take_due(&mut self, tables: &[Frozen]) -> Result<Option<Compaction>, StateError> {
        if let Some(compaction) = self.compaction.take() {
            return Ok(Some(compaction));
        }
        for (index, table) in tables.iter().enumerate() {
            if self.merged.iter().any(|merged| merged.table == index) {
                continue;
            }
            let levels = table.runs.iter().map(|run| run.info.level);
            if let Some(due) = compaction::due(levels, self.fanout) {
                let id = self.next_run_id;
                self.next_run_id += 1;
                return Compaction::start(&self.directory, id, index, &table.runs, &due).map(Some);
            }
        }
        Ok(None)
    }

    fn next_manifest(&self, tables: &[Frozen], meta: &[u8], flushed: &[NewRun]) -> Manifest {
        let infos = |table: &Frozen| table.runs.iter().map(|run| run.info.clone()).collect();
        let mut keyspaces: Vec<(String, Vec<RunInfo>)> = tables
            .iter()
            .map(|table| (table.name.clone(), infos(table)))
            .collect();
        for new in self.merged.iter().chain(flushed) {
            let Some((_, runs)) = keyspaces.get_mut(new.table) else {
                continue;
            };
            let at = new.place_in(runs.iter().map(|run| run.id));
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
