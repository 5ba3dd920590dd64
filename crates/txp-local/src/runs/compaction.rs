//! Compaction: like-sized neighbouring runs become one.
//!
//! A run's level follows from its size alone (each level is `fanout` times the one below), so that many tiny checkpoints
//! are merged among themselves and never drag a large run along. A run that is older but smaller than its successor
//! counts as of that one's level: levels never fall with age, a merge takes neighbours only, and each level keeps fewer
//! than `fanout` runs (twice that at the very most, see `is_overdue`).
//!
//! A merge advances in slices. It starts from runs that never change, so it may go on over many checkpoints, and a crash
//! only loses its work.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::cursor::RunCursor;
use super::error::StateError;
use super::merge::{Merge, Source};
use super::run::{RunIndex, RunInfo};
use super::table::Published;
use super::writer::RunWriter;

/// Runs below this are all of level 0, in bytes.
const LEVEL_0_BYTES: u64 = 4 << 20;

/// The level of a run of this size.
pub(super) fn level_of(file_bytes: u64, fanout: usize) -> u32 {
    (file_bytes / LEVEL_0_BYTES)
        .checked_ilog(fanout as u64)
        .map_or(0, |log| log + 1)
}

/// Which neighbouring runs should become one, and whether that can wait no longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) runs: Range<usize>,
    pub(super) is_overdue: bool,
}

/// Finds the least level that is full. `levels` come newest run first.
pub(super) fn due(levels: impl Iterator<Item = u32>, fanout: usize) -> Option<Due> {
    let mut start = 0;
    let mut level = 0;
    let mut end = 0;
    let is_full = |runs: &Range<usize>| runs.len() >= fanout;
    for of_run in levels {
        if of_run > level {
            if is_full(&(start..end)) {
                break;
            }
            start = end;
            level = of_run;
        }
        end += 1;
    }
    Some(start..end).filter(is_full).map(|runs| Due {
        is_overdue: runs.len() >= 2 * fanout,
        runs,
    })
}

/// A merge in progress.
#[derive(Debug)]
pub(super) struct Compaction {
    pub(super) table: usize,
    pub(super) inputs: Vec<u64>,
    pub(super) is_overdue: bool,
    merge: Merge<'static>,
    writer: RunWriter,
    /// Nothing older remains that a deletion could hide.
    drops_deletions: bool,
}

/// A run that is written but not yet published, and what it takes the place of.
#[derive(Debug)]
pub(super) struct NewRun {
    pub(super) table: usize,
    pub(super) replaces: Vec<u64>,
    pub(super) run: Option<(RunInfo, RunIndex)>,
}

impl NewRun {
    /// Where it belongs among these, newest first: in the place of the first that it replaces, else in front.
    pub(super) fn place_in(&self, mut runs: impl Iterator<Item = u64>) -> usize {
        runs.position(|run| self.replaces.contains(&run))
            .unwrap_or(0)
    }
}

impl Compaction {
    /// Starts to merge `due.runs` of a table's runs into run `id`.
    pub(super) fn start(
        directory: &Path,
        id: u64,
        table: usize,
        runs: &[Published],
        due: &Due,
    ) -> Result<Self, StateError> {
        let inputs = runs.get(due.runs.clone()).unwrap_or_default();
        Ok(Self {
            table,
            inputs: inputs.iter().map(|run| run.info.id).collect(),
            is_overdue: due.is_overdue,
            merge: Merge::new(
                inputs
                    .iter()
                    .map(|run| Source::Run(RunCursor::new(Arc::clone(&run.index)))),
            ),
            writer: RunWriter::create(directory, id)?,
            drops_deletions: due.runs.end == runs.len(),
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.merge.memory_bytes() + self.writer.memory_bytes()
    }

    /// Merges about `budget_bytes` of entries. Returns the bytes merged and whether all is done.
    pub(super) fn step(&mut self, budget_bytes: u64) -> Result<(u64, bool), StateError> {
        let before = self.merge.consumed_bytes();
        loop {
            let spent = self.merge.consumed_bytes() - before;
            if spent >= budget_bytes {
                return Ok((spent, false));
            }
            let Some((hash, key, value)) = self.merge.next()? else {
                return Ok((spent, true));
            };
            if value.is_some() || !self.drops_deletions {
                self.writer.push(hash, key, value)?;
            }
        }
    }

    /// Completes the file of a merge that is done.
    pub(super) fn finish(self, fanout: usize) -> Result<NewRun, StateError> {
        let run = self.writer.finish(|bytes| level_of(bytes, fanout))?;
        Ok(NewRun {
            table: self.table,
            replaces: self.inputs,
            run,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_level_is_due_and_small_runs_do_not_drag_large_ones_along() {
        type Case = (&'static [u32], Option<(Range<usize>, bool)>);
        let cases: [Case; 9] = [
            (&[], None),
            (&[0, 0, 0], None),
            (&[0, 0, 0, 0], Some((0..4, false))),
            (&[0, 0, 0, 3], None),
            (&[0, 0, 0, 0, 3, 3, 3, 3], Some((0..4, false))),
            (&[0, 3, 3, 3, 3], Some((1..5, false))),
            // An older, smaller run counts as of the level of the one before it.
            (&[3, 0, 3, 1], Some((0..4, false))),
            (&[0, 3, 0, 3], None),
            (&[0; 8], Some((0..8, true))),
        ];
        for (levels, expected) in cases {
            let expected = expected.map(|(runs, is_overdue)| Due { runs, is_overdue });
            assert_eq!(due(levels.iter().copied(), 4), expected, "{levels:?}");
        }
    }

    #[test]
    fn levels_follow_from_size() {
        let sizes = [
            0,
            (4 << 20) - 1,
            4 << 20,
            (32 << 20) - 1,
            32 << 20,
            256 << 20,
            u64::MAX,
        ];
        assert_eq!(sizes.map(|size| level_of(size, 8)), [0, 0, 1, 1, 2, 3, 14]);
    }
}
