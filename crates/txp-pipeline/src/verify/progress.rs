//! Whether the history holds every record of every upload, each exactly once; and which rows are
//! repeats, which a fold drops.
//!
//! Rows of an upload come in record order within a bucket, so the watermarks of a fold tell a repeat.
//! The rows that are none have records that differ: where there are as many as upload.parsed counted,
//! and their numbers sum up to 1 + 2 + … + N, or to those that a redrive names, each is there once.
//! Memory: an upload whose rows are all there is remembered by its id alone.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use txp_domain::event::{RecordSpans, RowEvent, UploadEvent};
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::upload::Watermarks;

/// An upload whose records are not all there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incomplete {
    /// The upload.
    pub upload_id: UploadId,
    /// The records that upload.parsed counted.
    pub records: u64,
    /// The records that the history holds.
    pub found: u64,
    /// Those that there should be, if they are not 1 to `records`: of rows that were read again.
    #[serde(skip)]
    pub named: Option<RecordSpans>,
    /// Those that are missing, as `7` or `10-19`, the first of them; empty if they were not looked for.
    pub missing: Vec<String>,
}

/// The uploads met so far.
#[derive(Debug, Default)]
pub struct UploadsSeen {
    open: BTreeMap<UploadId, Seen>,
    complete: BTreeSet<UploadId>,
}

#[derive(Debug, Default)]
struct Seen {
    watermarks: Watermarks,
    rows: u64,
    /// The sum of their records.
    sum: u128,
    /// What upload.parsed counted.
    records: Option<u64>,
    /// The records that upload.received named.
    named: Option<RecordSpans>,
}

impl Seen {
    fn is_complete(&self) -> bool {
        let Some(records) = self.records else {
            return false;
        };
        let n = u128::from(records);
        let sum = match &self.named {
            None => n * (n + 1) / 2,
            Some(named) => named.sum(),
        };
        self.rows == records && self.sum == sum
    }
}

impl UploadsSeen {
    /// Takes up a row, in the order of the history. Whether it is a repeat.
    #[must_use]
    pub fn is_repeat(&mut self, row: &RowEvent<'_>, bucket: Bucket) -> bool {
        if self.complete.contains(&row.upload_id) {
            return true;
        }
        let seen = self.open.entry(row.upload_id).or_default();
        if !seen.watermarks.advance(bucket, row.record) {
            return true;
        }
        seen.rows += 1;
        seen.sum += u128::from(row.record);
        self.close(row.upload_id);
        false
    }

    /// Takes up one of an upload's own events.
    pub fn apply(&mut self, event: &UploadEvent) {
        let id = event.upload_id();
        if self.complete.contains(&id) {
            return;
        }
        let seen = self.open.entry(id).or_default();
        match event {
            UploadEvent::Received(received) => {
                let redrive = received.options.redrive.as_ref();
                seen.named = redrive.map(|redrive| redrive.records.clone());
            }
            UploadEvent::Parsed(parsed) => {
                seen.records.get_or_insert(parsed.tally.records);
            }
            UploadEvent::Failed(_) => {}
        }
        self.close(id);
    }

    fn close(&mut self, id: UploadId) {
        if self.open.get(&id).is_some_and(Seen::is_complete) {
            self.open.remove(&id);
            self.complete.insert(id);
        }
    }

    /// Uploads that were read to their end, complete or not.
    #[must_use]
    pub fn parsed(&self) -> u64 {
        let incomplete = self.open.values().filter(|seen| seen.records.is_some());
        (self.complete.len() + incomplete.count()) as u64
    }

    /// Uploads that were read to their end and whose records are not all there, or not each once.
    pub fn incomplete(&self) -> impl Iterator<Item = Incomplete> + '_ {
        self.open.iter().filter_map(|(id, seen)| {
            Some(Incomplete {
                upload_id: *id,
                records: seen.records?,
                found: seen.rows,
                named: seen.named.clone(),
                missing: Vec::new(),
            })
        })
    }
}
