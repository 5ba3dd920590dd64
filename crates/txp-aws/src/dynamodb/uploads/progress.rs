//! How far an upload is folded: watermarks, counts, and completing it.

use super::super::Damage;
use super::super::attributes::{Fields, Item, bytes, number};
use super::super::connection::corrupt;
use super::{PROGRESS, REMEMBERED_MAX, Uploads, codec};
use crate::clock::SystemClock;
use txp_domain::event::{BucketRecords, UploadEvent};
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::upload::{ClassCounts, Ending, Upload, Watermarks};
use txp_pipeline::port::{Advance, Clock as _, PortError, Written};
use txp_pipeline::telemetry::upload_completed;

/// Buckets of one update. An expression may be 4 KB long and have 300 operators: a bucket takes up
/// to 30 bytes and 2 operators of the condition.
const BUCKETS_PER_UPDATE: usize = 128;

/// The item of an upload's progress, decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Progress {
    pub(super) marks: Watermarks,
    pub(super) counts: ClassCounts,
    /// The last record of each bucket, once reading has ended.
    pub(super) ends: Option<BucketRecords>,
    /// How many rows there are, once all of them were read.
    pub(super) records: Option<u64>,
    /// When it was folded whole, Unix milliseconds: completing it is done as well then.
    pub(super) closed_at_millis: Option<i64>,
}

impl Progress {
    pub(super) fn decode(item: &Item) -> Result<Self, Damage> {
        let fields = Fields(item);
        let mut marks = Watermarks::default();
        for (name, value) in item {
            let Some(bucket) = bucket_of(name) else {
                continue;
            };
            let last = value.as_n().ok().and_then(|digits| digits.parse().ok());
            // A fresh set of watermarks takes any record above 0.
            let _moved = marks.advance(bucket, last.ok_or(Damage("a watermark"))?);
        }
        let count = |name| Ok(fields.optional_number(name)?.unwrap_or(0));
        let ends = match fields.get("ends") {
            Some(_) => {
                let ends = codec::decode_ends(fields.bytes("ends")?);
                Some(ends.ok_or(Damage("ends"))?)
            }
            None => None,
        };
        Ok(Self {
            marks,
            counts: ClassCounts {
                accepted: count("accepted")?,
                rejected: count("rejected")?,
                duplicates: count("duplicates")?,
                conflicts: count("conflicts")?,
            },
            ends,
            records: fields.optional_number("row_total")?,
            closed_at_millis: fields.optional_number("closed_at_ms")?,
        })
    }

    /// Whether every row is folded, and counted.
    pub(super) fn is_whole(&self) -> bool {
        self.is_reached() && self.missing() == 0
    }

    /// Whether every bucket is at its last record.
    fn is_reached(&self) -> bool {
        self.ends
            .as_ref()
            .is_some_and(|ends| self.marks.reached(ends))
    }

    /// The rows that are counted nowhere, if none comes any more: they are in quarantine.
    fn missing(&self) -> u64 {
        let records = self.records.unwrap_or(0);
        records.saturating_sub(self.counts.total())
    }

    pub(super) fn watermark(&self, bucket: Bucket) -> u64 {
        if self.is_whole() {
            u64::MAX
        } else {
            self.marks.last(bucket)
        }
    }
}

/// `w` and the bucket in two hexadecimal digits.
fn mark_name(bucket: Bucket) -> String {
    format!("w{:02x}", bucket.0)
}

fn bucket_of(name: &str) -> Option<Bucket> {
    let digits = name.strip_prefix('w').filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok().map(Bucket)
}

impl Uploads {
    pub(super) fn remember(&mut self, upload_id: UploadId, progress: Progress) {
        if self.seen.len() >= REMEMBERED_MAX {
            self.seen.clear();
        }
        self.seen.insert(upload_id, progress);
    }

    pub(super) fn decode_progress(&self, item: &Item) -> Result<Progress, PortError> {
        Progress::decode(item).map_err(|damage| corrupt(&self.table, damage))
    }

    /// Reads the progress, and does what a crash has left undone.
    pub(super) async fn read_progress(&self, upload_id: UploadId) -> Result<Progress, PortError> {
        let Some(item) = self.get(upload_id, PROGRESS).await? else {
            return Ok(Progress::default());
        };
        let progress = self.decode_progress(&item)?;
        self.close_if_whole(upload_id, &progress, None).await?;
        Ok(progress)
    }

    /// Advances watermarks of one upload.
    pub(super) async fn advance_one(
        &mut self,
        steps: &[Advance],
        arrival_millis: i64,
    ) -> Result<Written, PortError> {
        for steps in steps.chunks(BUCKETS_PER_UPDATE) {
            let Some(first) = steps.first() else {
                continue;
            };
            // Until it is known how this ends, nothing is known.
            self.seen.remove(&first.upload_id);
            let Some(progress) = self.write_marks(first.upload_id, steps).await? else {
                return Ok(Written::Conflict);
            };
            self.close_if_whole(first.upload_id, &progress, Some(arrival_millis))
                .await?;
            self.remember(first.upload_id, progress);
        }
        Ok(Written::Stored)
    }

    async fn write_marks(
        &self,
        upload_id: UploadId,
        steps: &[Advance],
    ) -> Result<Option<Progress>, PortError> {
        let mut update = self.update(upload_id, PROGRESS);
        let (mut conditions, mut sets) = (Vec::new(), Vec::new());
        let mut counts = ClassCounts::default();
        for step in steps {
            let name = mark_name(step.bucket);
            if step.to <= step.from {
                return Ok(None);
            }
            if step.from == 0 {
                conditions.push(format!("attribute_not_exists({name})"));
            } else {
                conditions.push(format!("{name}=:f{name}"));
                update = update.expression_attribute_values(format!(":f{name}"), number(step.from));
            }
            sets.push(format!("{name}=:t{name}"));
            update = update.expression_attribute_values(format!(":t{name}"), number(step.to));
            counts.add_all(&step.counts);
        }
        let mut adds = Vec::new();
        for (name, count) in [
            ("accepted", counts.accepted),
            ("rejected", counts.rejected),
            ("duplicates", counts.duplicates),
            ("conflicts", counts.conflicts),
        ] {
            if count > 0 {
                adds.push(format!("{name} :{name}"));
                update = update.expression_attribute_values(format!(":{name}"), number(count));
            }
        }
        let mut expression = format!("SET {}", sets.join(","));
        if !adds.is_empty() {
            expression.push_str(&format!(" ADD {}", adds.join(",")));
        }
        let update = update
            .condition_expression(conditions.join(" AND "))
            .update_expression(expression);
        let item = self.send_for_item(update).await?;
        item.map(|item| self.decode_progress(&item)).transpose()
    }

    /// Takes down the last records that are expected, and completes the upload if they came before.
    pub(super) async fn expect(
        &mut self,
        upload_id: UploadId,
        ending: &Ending,
        arrival_millis: i64,
    ) -> Result<(), PortError> {
        self.seen.remove(&upload_id);
        let ends = &ending.tally().last_record_by_bucket;
        // Of a failed upload, what was read and what was folded need not be the same.
        let records = match ending {
            Ending::Parsed(tally) => tally.records,
            Ending::Failed(..) => 0,
        };
        let expression = "SET ends = if_not_exists(ends, :ends), \
             row_total = if_not_exists(row_total, :rows)";
        let update = self
            .update(upload_id, PROGRESS)
            .update_expression(expression)
            .expression_attribute_values(":ends", bytes(codec::encode_ends(ends)))
            .expression_attribute_values(":rows", number(records));
        let item = self.send_for_item(update).await?.unwrap_or_default();
        let progress = self.decode_progress(&item)?;
        self.close_if_whole(upload_id, &progress, Some(arrival_millis))
            .await?;
        self.remember(upload_id, progress);
        Ok(())
    }

    /// Completes an upload once every row is folded: the upload first, then the mark that it is
    /// done, so that a crash in between is seen by whoever reads the progress.
    async fn close_if_whole(
        &self,
        upload_id: UploadId,
        progress: &Progress,
        arrival_millis: Option<i64>,
    ) -> Result<(), PortError> {
        if progress.closed_at_millis.is_some() || !progress.is_reached() {
            return Ok(());
        }
        if progress.missing() > 0 {
            let missing = progress.missing();
            tracing::error!(%upload_id, missing, "an upload is not completed: rows of it are in quarantine");
            return Ok(());
        }
        // After a crash the time of the last row is not known any more; that of the ending is.
        let at = match arrival_millis {
            Some(at) => at,
            None => self.changed_at(upload_id).await?,
        };
        if let Some(item) = self.complete(upload_id, at).await? {
            observe_completed(upload_id, &item);
        }
        let update = self
            .update(upload_id, PROGRESS)
            .update_expression("SET closed_at_ms = if_not_exists(closed_at_ms, :at)")
            .expression_attribute_values(":at", number(at));
        self.send(update).await?;
        Ok(())
    }
}

/// How long an upload took, told by whoever has just completed it.
fn observe_completed(upload_id: UploadId, item: &Item) {
    let received = Fields(item).optional_text("received").ok().flatten();
    if let Some(received) = received.and_then(|json| codec::decode_received(upload_id, json)) {
        upload_completed(&received, SystemClock.now());
    }
}

/// The upload that the parts tell of.
pub(super) fn upload_of(
    id: UploadId,
    received: Option<txp_domain::event::UploadReceived>,
    ending: Option<Ending>,
    changed_at_millis: i64,
    progress: &Progress,
) -> Upload {
    let is_whole = progress.is_whole();
    Upload {
        id,
        received,
        ending,
        watermarks: (!is_whole).then(|| progress.marks.clone()),
        counts: progress.counts,
        changed_at_millis: changed_at_millis.max(progress.closed_at_millis.unwrap_or(0)),
    }
}

/// The ending that an event tells of.
pub(super) fn ending_of(event: &UploadEvent) -> Option<Ending> {
    match event {
        UploadEvent::Received(_) => None,
        UploadEvent::Parsed(parsed) => Some(Ending::Parsed(parsed.tally.clone())),
        UploadEvent::Failed(failed) => {
            Some(Ending::Failed(failed.reason.clone(), failed.tally.clone()))
        }
    }
}
