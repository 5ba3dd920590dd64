//! The watermarks that a batch moves: read once per upload and bucket, written once after the
//! states.

use crate::batch::Delivery;
use crate::port::{Advance, ErrorKind, PortError, UploadStore, Written};
use crate::telemetry::{Metric, count};
use txp_domain::event::{Event, RowEvent};
use txp_domain::id::UploadId;
use txp_domain::position::{BUCKET_COUNT, Bucket};
use txp_domain::transaction::Class;
use txp_domain::upload::ClassCounts;

/// What a batch knows of its uploads' watermarks.
#[derive(Debug, Default)]
pub(super) struct Progress {
    uploads: Vec<UploadProgress>,
    steps: Vec<Advance>,
    counted: ClassCounts,
    /// Uploads whose progress is damaged, and how.
    damaged: Vec<(UploadId, String)>,
    passes_over_damage: bool,
}

#[derive(Debug)]
struct UploadProgress {
    upload_id: UploadId,
    buckets: Box<[Option<Cell>]>,
}

impl UploadProgress {
    /// The buckets whose watermark is to be moved.
    fn steps(&self) -> impl Iterator<Item = Advance> + '_ {
        let cells = (0..=u8::MAX).map(Bucket).zip(&self.buckets);
        cells.filter_map(|(bucket, cell)| {
            let cell = cell.as_ref().filter(|cell| cell.to > cell.from)?;
            Some(Advance {
                upload_id: self.upload_id,
                bucket,
                from: cell.from,
                to: cell.to,
                counts: cell.counts,
            })
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    from: u64,
    /// The last record met in this batch: a writer that starts again repeats rows inside of it.
    met: u64,
    to: u64,
    counts: ClassCounts,
}

impl Progress {
    /// Forgets the batch before.
    pub(super) fn begin(&mut self) {
        self.uploads.clear();
        self.damaged.clear();
        self.counted = ClassCounts::default();
    }

    /// The rows of this batch that are counted in the store.
    pub(super) fn counted(&self) -> ClassCounts {
        self.counted
    }

    /// Why nothing can be counted of an upload, if that is so.
    pub(super) fn damage(&self, upload_id: UploadId) -> Option<&str> {
        let damaged = self.damaged.iter().find(|(id, _)| *id == upload_id);
        damaged.map(|(_, reason)| reason.as_str())
    }

    /// Reads the watermark of every upload and bucket that a batch has rows of. Of uploads whose
    /// progress is damaged, the batch goes on without, if that is wanted.
    pub(super) async fn load<S: UploadStore>(
        &mut self,
        store: &mut S,
        deliveries: &[Delivery<'_>],
        passes_over_damage: bool,
    ) -> Result<(), PortError> {
        self.passes_over_damage = passes_over_damage;
        for delivery in deliveries {
            let Event::Row(row) = &delivery.event else {
                continue;
            };
            let (upload_id, bucket) = (row.upload_id, delivery.position.bucket);
            if !matches!(self.cell(upload_id, bucket), Some(None))
                || self.damage(upload_id).is_some()
            {
                continue;
            }
            let from = match store.watermark(upload_id, bucket).await {
                Ok(from) => from,
                Err(error) if self.is_passed_over(&error) => {
                    self.damaged.push((upload_id, error.reason()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(cell) = self.cell(upload_id, bucket) {
                *cell = Some(Cell {
                    from,
                    met: from,
                    to: from,
                    counts: ClassCounts::default(),
                });
            }
        }
        Ok(())
    }

    fn is_passed_over(&self, error: &PortError) -> bool {
        self.passes_over_damage && error.kind == ErrorKind::Corrupt
    }

    fn cell(&mut self, upload_id: UploadId, bucket: Bucket) -> Option<&mut Option<Cell>> {
        // A batch has rows of one upload, rarely of a few: the last one is nearly always it.
        let at = self
            .uploads
            .iter()
            .rposition(|u| u.upload_id == upload_id)
            .unwrap_or_else(|| {
                self.uploads.push(UploadProgress {
                    upload_id,
                    buckets: vec![None; BUCKET_COUNT].into(),
                });
                self.uploads.len() - 1
            });
        self.uploads.get_mut(at)?.buckets.get_mut(bucket.index())
    }

    /// Takes up a row, in the order of the deliveries. Says whether it is a repeat, of a row of an
    /// earlier batch or of this one.
    pub(super) fn is_repeat(&mut self, row: &RowEvent<'_>, bucket: Bucket) -> bool {
        let Some(Some(cell)) = self.cell(row.upload_id, bucket) else {
            return false;
        };
        let is_repeat = row.record <= cell.met;
        cell.met = cell.met.max(row.record);
        is_repeat
    }

    /// Counts the rows before `end` and moves the watermarks, each once. The upload's own events
    /// are applied after the rows before them; those that damage stood in the way of are given back.
    pub(super) async fn advance<S: UploadStore>(
        &mut self,
        store: &mut S,
        deliveries: &[Delivery<'_>],
        classes: &[Option<Class>],
        end: usize,
    ) -> Result<Vec<(usize, String)>, (usize, PortError)> {
        let mut damaged = Vec::new();
        let first = deliveries.first().map_or(0, |d| d.arrival_millis);
        let arrival_millis = deliveries.last().map_or(first, |d| d.arrival_millis);
        for ((delivery, class), index) in deliveries.iter().zip(classes).take(end).zip(0..) {
            match (&delivery.event, class) {
                (Event::Row(row), Some(class)) => self.count(row, delivery.position.bucket, *class),
                (Event::Upload(event), _) => {
                    // Rows before the event may not be counted: the whole batch is, again.
                    self.flush(store, arrival_millis)
                        .await
                        .map_err(|error| (0, error))?;
                    match store.apply(event, delivery.arrival_millis).await {
                        Ok(()) => {}
                        Err(error) if self.is_passed_over(&error) => {
                            damaged.push((index, error.reason()));
                        }
                        Err(error) => return Err((index, error)),
                    }
                }
                _ => {}
            }
        }
        self.flush(store, arrival_millis)
            .await
            .map_err(|error| (0, error))?;
        Ok(damaged)
    }

    fn count(&mut self, row: &RowEvent<'_>, bucket: Bucket, class: Class) {
        if let Some(Some(cell)) = self.cell(row.upload_id, bucket)
            && row.record > cell.to
        {
            cell.to = row.record;
            cell.counts.add(class);
        }
    }

    async fn flush<S: UploadStore>(
        &mut self,
        store: &mut S,
        arrival_millis: i64,
    ) -> Result<(), PortError> {
        for upload in &mut self.uploads {
            self.steps.clear();
            self.steps.extend(upload.steps());
            if self.steps.is_empty() {
                continue;
            }
            let written = match store.advance_all(&self.steps, arrival_millis).await {
                Err(error) if self.passes_over_damage && error.kind == ErrorKind::Corrupt => {
                    // It is not known what is counted: nothing more is.
                    upload.buckets.fill(None);
                    self.damaged.push((upload.upload_id, error.reason()));
                    continue;
                }
                written => written?,
            };
            if written == Written::Conflict {
                let context =
                    "another writer moved an upload's watermark; the batch is folded again";
                count(Metric::WriteConflicts, 1);
                return Err(PortError::new(ErrorKind::Transient, context));
            }
            for step in &self.steps {
                self.counted.add_all(&step.counts);
            }
            for cell in upload.buckets.iter_mut().flatten() {
                *cell = Cell {
                    met: cell.met,
                    from: cell.to,
                    to: cell.to,
                    counts: ClassCounts::default(),
                };
            }
        }
        Ok(())
    }
}
