//! The state of an upload: how far it was read, how far it was folded, and what was counted.
//!
//! Within an upload and bucket, rows come in record order, and every writer starts at or before
//! watermark + 1: a row at or below the watermark is a repeat and counted nowhere. Between buckets
//! nothing is promised, so rows may be folded before the event that announces their upload.

mod stored;

pub use stored::{StoredEnding, StoredReceived};

use crate::event::{BucketRecords, FailureReason, UploadEvent, UploadReceived, UploadTally};
use crate::id::UploadId;
use crate::position::{BUCKET_COUNT, Bucket};
use crate::transaction::Class;

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UploadState {
    /// A link was given, nothing came yet.
    Pending,
    /// A link was given and nothing came in time.
    Expired,
    /// It is being read.
    Processing,
    /// All of it was read; not every row is folded.
    Parsed,
    /// Every row is folded.
    Completed,
    /// Reading ended early.
    Failed,
}

impl UploadState {
    /// The name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Processing => "processing",
            Self::Parsed => "parsed",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// How many rows were folded, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// First with their id.
    pub accepted: u64,
    /// Invalid.
    pub rejected: u64,
    /// Equal to the first with their id.
    pub duplicates: u64,
    /// Other than the first with their id.
    pub conflicts: u64,
}

impl ClassCounts {
    /// Counts one row.
    pub fn add(&mut self, class: Class) {
        match class {
            Class::Accepted => self.accepted += 1,
            Class::Rejected => self.rejected += 1,
            Class::Duplicate => self.duplicates += 1,
            Class::Conflict => self.conflicts += 1,
        }
    }

    /// Adds other counts.
    pub fn add_all(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
    }

    /// Rows counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.accepted + self.rejected + self.duplicates + self.conflicts
    }
}

/// How the reading of an upload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of it was read.
    Parsed(UploadTally),
    /// Only a part of it was.
    Failed(FailureReason, UploadTally),
}

impl Ending {
    /// What was read.
    #[must_use]
    pub fn tally(&self) -> &UploadTally {
        match self {
            Self::Parsed(tally) | Self::Failed(_, tally) => tally,
        }
    }
}

/// The last record folded per bucket, while rows are still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermarks(Box<[u64]>);

impl Default for Watermarks {
    fn default() -> Self {
        Self(vec![0; BUCKET_COUNT].into())
    }
}

impl Watermarks {
    /// The last record folded from a bucket; 0 for none.
    #[must_use]
    pub fn last(&self, bucket: Bucket) -> u64 {
        self.0.get(bucket.index()).copied().unwrap_or(0)
    }

    /// Moves a bucket's watermark up; `false` if the record is at or below it.
    #[must_use]
    pub fn advance(&mut self, bucket: Bucket, record: u64) -> bool {
        match self.0.get_mut(bucket.index()) {
            Some(last) if record > *last => {
                *last = record;
                true
            }
            _ => false,
        }
    }

    /// Whether every bucket is at its last record.
    #[must_use]
    pub fn reached(&self, ends: &BucketRecords) -> bool {
        ends.0
            .iter()
            .all(|(bucket, end)| self.last(Bucket(*bucket)) >= *end)
    }

    /// The watermarks above 0, by bucket.
    pub fn iter(&self) -> impl Iterator<Item = (Bucket, u64)> + '_ {
        (0..=u8::MAX)
            .map(Bucket)
            .zip(self.0.iter().copied())
            .filter(|(_, last)| *last > 0)
    }
}

/// The state of one upload.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// What was said of it when it arrived.
    pub received: Option<UploadReceived>,
    /// How reading it ended.
    pub ending: Option<Ending>,
    /// How far it is folded; `None` once every row is.
    pub watermarks: Option<Watermarks>,
    /// What was folded.
    pub counts: ClassCounts,
    /// When the last event that changed its state was appended, Unix milliseconds.
    pub changed_at_millis: i64,
}

impl Upload {
    /// An upload of which nothing is known yet.
    #[must_use]
    pub fn new(id: UploadId) -> Self {
        Self {
            id,
            received: None,
            ending: None,
            watermarks: Some(Watermarks::default()),
            counts: ClassCounts::default(),
            changed_at_millis: 0,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> UploadState {
        match &self.ending {
            None => UploadState::Processing,
            Some(Ending::Failed(..)) => UploadState::Failed,
            Some(Ending::Parsed(_)) if self.watermarks.is_none() => UploadState::Completed,
            Some(Ending::Parsed(_)) => UploadState::Parsed,
        }
    }

    /// What became of its rows: as they were folded; of a failed upload that appended none, which a
    /// refused strict one is, as they were counted while it was read.
    #[must_use]
    pub fn row_counts(&self) -> ClassCounts {
        match &self.ending {
            Some(Ending::Failed(_, tally)) if tally.has_no_rows() => ClassCounts {
                rejected: tally.rejected,
                ..self.counts
            },
            _ => self.counts,
        }
    }

    /// Whether a row was folded before: a repeat, to be dropped and counted nowhere.
    #[must_use]
    pub fn is_repeat(&self, bucket: Bucket, record: u64) -> bool {
        self.watermarks
            .as_ref()
            .is_none_or(|marks| record <= marks.last(bucket))
    }

    /// Counts a row, once.
    pub fn count(&mut self, bucket: Bucket, record: u64, class: Class) {
        if self
            .watermarks
            .as_mut()
            .is_some_and(|marks| marks.advance(bucket, record))
        {
            self.counts.add(class);
        }
    }

    /// Moves a bucket's watermark over rows that were counted apart; `false` if it does not stand at
    /// `from`.
    #[must_use]
    pub fn advance(&mut self, bucket: Bucket, from: u64, to: u64, counts: &ClassCounts) -> bool {
        let Some(marks) = self
            .watermarks
            .as_mut()
            .filter(|marks| marks.last(bucket) == from)
        else {
            return false;
        };
        if !marks.advance(bucket, to) {
            return false;
        }
        self.counts.add_all(counts);
        true
    }

    /// Applies one of the upload's own events; again, it changes nothing. Says whether it changed.
    pub fn apply(&mut self, event: &UploadEvent, arrival_millis: i64) -> bool {
        let changed = match event {
            UploadEvent::Received(received) if self.received.is_none() => {
                self.received = Some(received.clone());
                true
            }
            UploadEvent::Parsed(parsed) if self.ending.is_none() => {
                self.ending = Some(Ending::Parsed(parsed.tally.clone()));
                true
            }
            UploadEvent::Failed(failed) if self.ending.is_none() => {
                self.ending = Some(Ending::Failed(failed.reason.clone(), failed.tally.clone()));
                true
            }
            _ => false,
        };
        if changed {
            self.changed_at_millis = arrival_millis;
        }
        changed
    }

    /// Lets go of the watermarks once every row is folded. Says whether that happened now.
    pub fn close(&mut self, arrival_millis: i64) -> bool {
        let (Some(ending), Some(marks)) = (&self.ending, &self.watermarks) else {
            return false;
        };
        if !marks.reached(&ending.tally().last_record_by_bucket) {
            return false;
        }
        self.watermarks = None;
        self.changed_at_millis = arrival_millis;
        true
    }
}

#[cfg(test)]
mod tests;
