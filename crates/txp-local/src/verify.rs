//! Verify: folds a history and compares what comes of it with a state, item by item, in bounded memory
//! whatever the size of either.
//!
//! ```text
//! history ──► one small item per event ──► sorted by key ─┐
//!                                                         ├─ walked side by side ──► drifts
//! state (its runs are in that order, a table is sorted) ──┘        └─ links of chargebacks, a second walk
//! ```
//!
//! Both parts work on two threads and more. The history is read on one, its batches are decoded by turns
//! on others and recorded in order on the last (`lanes.rs`). The walk is two walks, each over one half of
//! the hashes, whose findings are put behind each other.
//!
//! Nearly every item has one event. Its record then is, byte for byte, the item as it is stored, and
//! comparing is comparing bytes. Where there are more, they are folded in order, by the same code as
//! everywhere.
//!
//! A directory is compared up to its checkpoint, as a whole. A table that is being written to has no
//! such moment: each of its items is compared up to its own last event, and what is young enough to be
//! under way is counted apart.
//!
//! Deliberately absent: the counts of uploads and the profiles of cards, which are folds too. To count
//! is to class every row, and a profile is in the order of the history, not of keys: either is a fold
//! into a store, which this is to do without. A replay into a new directory makes both anew, to be
//! looked at beside (`txp uploads`), and `txp backtest --parity` judges the whole history by profiles
//! that are folded anew: one that is wrong shows in what it finds. That all records of an upload are
//! there is checked, in the history itself.

mod collect;
mod found;
mod histories;
mod lanes;
mod links;
mod read;
mod walk;

pub use collect::{Collected, collect, missing_records};
pub use found::{Found, ItemSorter};
pub use histories::{Histories, HistoriesReport, compare_histories};

use crate::host::HostError;
use crate::runs::StateError;
use crate::sorter::{SortError, Sorter};
use std::path::Path;
use txp_pipeline::port::PortError;
use txp_pipeline::verify::Report;

/// Up to where an item is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpTo {
    /// All items up to the same moment: the history is read to there and no further.
    Checkpoint,
    /// Each up to its own last event. What the history has beyond it, or does not have yet, is under
    /// way if it was appended at or after this, Unix milliseconds.
    EachItem {
        /// What was appended before must be folded.
        settled_before_millis: i64,
    },
}

/// Why a verification cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The history cannot be read.
    #[error(transparent)]
    Source(#[from] PortError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// Records cannot be put in order.
    #[error(transparent)]
    Sort(#[from] SortError),
    /// A thread ended by a panic, or cannot be started.
    #[error(transparent)]
    Host(#[from] HostError),
    /// What was put in order came back as something else.
    #[error(
        "what was put in order does not come back as it was written: check the disk that TMPDIR is on"
    )]
    Garbled,
}

/// Compares what a history was collected to with the items that were found.
///
/// # Errors
/// Files in `work` cannot be written or read. A damaged state is no error: it is told of.
pub fn compare(
    collected: Collected,
    found: &mut Found<'_>,
    up_to: UpTo,
    work: &Path,
) -> Result<Report, VerifyError> {
    let Collected {
        records: [mut lower, mut upper],
        mut report,
        last_by_bucket,
        lost,
    } = collected;
    let walk = |name| walk::Walk {
        report: Report::default(),
        links: Sorter::new(work, name),
        up_to,
        last_by_bucket: &last_by_bucket,
        lost: &lost,
        key: Vec::new(),
    };
    let (mut first, mut second) = (walk("links"), walk("links-upper"));
    let [found_lower, found_upper] = found.halves();
    let (is_whole, walked) = std::thread::scope(|scope| {
        let walking = std::thread::Builder::new()
            .name("compare".to_owned())
            .spawn_scoped(scope, || second.all(&mut upper, found_upper))
            .map_err(HostError::io("starting a thread for", work))?;
        let is_whole = first.all(&mut lower, found_lower);
        let walked = walking.join();
        let walked = walked.map_err(|_| HostError::Panicked("compare"))?;
        Ok::<_, VerifyError>((is_whole?, walked))
    })?;
    report.go_on(first.report);
    let links = if is_whole {
        walked?;
        report.go_on(second.report);
        first.links.finish_with(second.links)?
    } else {
        // Behind the damage nothing is compared: neither is the other half.
        first.links.finish()?
    };
    let is_exact = up_to == UpTo::Checkpoint && lost.is_empty();
    links::compare(links, is_exact, &mut report)?;
    Ok(report)
}

#[cfg(test)]
mod tests;
