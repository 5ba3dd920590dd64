//! Reading a file into events: validate, mask, encode, append, count.
//!
//! The same file read again gives the same events again, so an interrupted upload is read again
//! from a point at or before its watermarks, and what is already in the history is not appended.

pub mod measure;
mod options;
pub mod refusal;
mod rest;
mod state;
mod steps;
mod stretch;
mod tally;
mod tries;

pub use options::{OptionsFault, ReadingRules, shown_file_name};
pub use steps::{HOPS_MAX, Job, Outcome, Stepwise, append_event, ended, tally_so_far};
pub use tally::Tally;
pub use tries::{TRIES_FAILED_MAX, TRIES_LOST_MAX, Tries, is_for_good};

use crate::batch::{EventBatch, UploadContext};
use crate::csv::{FileDigest, HeaderFault, HeaderFaults, ReadError, RecordReader, Row};
use crate::port::{ErrorKind, EventSink, ObjectSource, PortError};
use crate::rejects::RejectsWriter;
use std::io::{self, Write};
use std::sync::Arc;
use stretch::{Stretch, check_stretch, read_stretch};
use txp_domain::card::{
    CardNumber, Fingerprint, FingerprintCache, FingerprintSource, Fingerprinter,
};
use txp_domain::event::{FailureReason, RecordSpans, RowEncoder, UploadTally};
use txp_domain::position::BUCKET_LANES;
use txp_domain::row::{RowRules, usable_ids, validate};
use txp_domain::time::Timestamp;
use txp_domain::upload::Watermarks;
use txp_domain::violation::{Violation, Violations};

/// A batch is appended once it has this many bytes: what the log syncs at once.
pub const BATCH_BYTES: usize = 1 << 20;

/// Cards whose fingerprints are remembered while a file is read: some 6 MiB.
const FINGERPRINT_CACHE_PLACES: usize = 1 << 17;

/// Rows are settled in groups of so many: as many buckets as are computed side by side.
const GROUP_ROWS: usize = BUCKET_LANES;

/// How reading a file ended, as far as the file is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of it was read.
    Parsed(UploadTally),
    /// The file itself stands in the way.
    Failed(FailureReason, UploadTally),
}

/// Why a file was not read to an end: not the file's fault.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The history does not take the events.
    #[error(transparent)]
    Sink(#[from] PortError),
    /// The file does not come on.
    #[error(transparent)]
    Source(PortError),
    /// The rejects report cannot be written.
    #[error("the rejects report cannot be written")]
    Rejects(#[source] io::Error),
    /// It was asked to stop; the upload is unfinished and can be resumed.
    #[error("reading was stopped; the upload is resumed at the next start")]
    Stopped,
    /// Another reads the file by now.
    #[error("another reader has taken the upload over; this one stops")]
    Superseded,
}

impl IngestError {
    /// What can be done about it; `None` where no port failed.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Sink(error) | Self::Source(error) => Some(error.kind),
            Self::Rejects(_) | Self::Stopped | Self::Superseded => None,
        }
    }
}

/// Validates, masks and encodes the rows of one upload, and counts them.
pub struct RowIngest {
    context: Arc<UploadContext>,
    rules: RowRules,
    /// The records that are read; `None`: all of them.
    only: Option<RecordSpans>,
    encoder: RowEncoder,
    fingerprints: FingerprintCache,
    /// The cards of the valid rows that are not settled yet.
    cards: Vec<CardNumber>,
    violations: Violations,
    tally: Tally,
}

impl RowIngest {
    /// For the rows of one upload.
    #[must_use]
    pub fn new(context: Arc<UploadContext>, rules: RowRules, fingerprinter: Fingerprinter) -> Self {
        let encoder = RowEncoder::new(context.upload_id, context.uploaded_at, &context.key_id);
        Self {
            context,
            rules,
            only: None,
            encoder,
            fingerprints: FingerprintCache::new(fingerprinter, FINGERPRINT_CACHE_PLACES),
            cards: Vec::with_capacity(GROUP_ROWS),
            violations: Violations::new(),
            tally: Tally::default(),
        }
    }

    /// Goes on counting from here.
    #[must_use]
    pub fn counting_from(self, tally: Tally) -> Self {
        Self { tally, ..self }
    }

    /// Reads some of the records only: the others are passed over, and counted nowhere.
    #[must_use]
    pub fn only(self, records: Option<RecordSpans>) -> Self {
        Self {
            only: records,
            ..self
        }
    }

    /// Whether a record is read.
    fn wants(&self, record: u64) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(record))
    }

    /// What the rows share.
    #[must_use]
    pub fn context(&self) -> &Arc<UploadContext> {
        &self.context
    }

    /// What was counted so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Takes in one row: its event goes to the batch. Gives the row's violations; none means that
    /// it is valid.
    pub fn take(&mut self, row: &Row<'_>, batch: &mut EventBatch) -> &[Violation] {
        self.violations.clear();
        let start = batch.bytes.len();
        let (record, line) = (row.place.record, row.place.line);
        row.faults.push_to(&mut self.violations);
        let whole = self.violations.is_empty();
        let valid = whole
            .then(|| validate(&row.raw, &self.rules, &mut self.violations))
            .flatten();
        if let Some(valid) = valid {
            // The fingerprint comes when the group is settled.
            let facts = valid.mask_as(Fingerprint([0; 16]));
            self.cards.push(valid.card);
            let at = self.encoder.valid(record, line, &facts, &mut batch.bytes);
            self.tally.valid(&facts);
            batch.push_valid(start, record, line, &facts, at);
        } else {
            let usable = whole.then(|| usable_ids(&row.raw, &self.rules)).flatten();
            let ids = usable.map(|(transaction_id, merchant_id)| (merchant_id, transaction_id));
            let at = self
                .encoder
                .rejected(record, line, ids, &self.violations, &mut batch.bytes);
            self.tally.rejected(&self.violations);
            batch.push_rejected(start, record, line, ids, at);
        }
        self.tally.record();
        if batch.unsettled() == GROUP_ROWS {
            self.settle(batch);
        }
        self.violations.as_slice()
    }

    /// Completes the batch's last rows. To be called before a batch goes on: what needs a look far
    /// into memory or a long computation is done for a group of rows at once, not row by row.
    pub fn settle(&mut self, batch: &mut EventBatch) {
        let Self {
            fingerprints,
            cards,
            tally,
            ..
        } = self;
        fingerprints.look_ahead(cards);
        let known = cards.iter().map(|card| fingerprints.fingerprint(card));
        batch.settle(known, |bucket, record| tally.last_record(bucket, record));
        cards.clear();
    }

    /// What reading gave, once it has ended.
    #[must_use]
    pub fn finish(&self, digest: Option<&FileDigest>, unknown_columns: &[String]) -> UploadTally {
        self.tally.finish(digest, unknown_columns)
    }
}

/// What a reader of files tells of how far it is, and whether it is to stop.
pub trait Progress {
    /// So many records and bytes were read; `false` stops the reading at a safe point.
    fn read(&mut self, records: u64, bytes: u64) -> bool;
}

impl<F: FnMut(u64, u64) -> bool> Progress for F {
    fn read(&mut self, records: u64, bytes: u64) -> bool {
        self(records, bytes)
    }
}

/// Reads a whole file and appends its events; when it returns, they are durable.
///
/// `folded` are the watermarks of an earlier try: rows at or below them are counted and not
/// appended again.
///
/// # Errors
/// The history, the source or the report failed, or it was told to stop; the upload can be resumed.
pub async fn ingest<R: ObjectSource, W: Write, S: EventSink>(
    mut reader: RecordReader<R>,
    rows: &mut RowIngest,
    sink: &mut S,
    rejects: &mut RejectsWriter<W>,
    folded: Option<&Watermarks>,
    progress: &mut impl Progress,
) -> Result<Ending, IngestError> {
    let mut batch = EventBatch::default();
    batch.restart(rows.context());
    let failed = loop {
        let read = read_stretch(
            &mut reader,
            rows,
            &mut batch,
            rejects,
            folded,
            BATCH_BYTES,
            || false,
        );
        match read.await? {
            Stretch::Full => {
                sink.append(&mut batch).await?;
                batch.restart(rows.context());
                if !progress.read(rows.tally().records(), reader.checkpoint().offset) {
                    sink.flush().await?;
                    return Err(IngestError::Stopped);
                }
            }
            Stretch::End => break None,
            Stretch::Fault(reason) => break Some(reason),
        }
    };
    if !batch.is_empty() {
        sink.append(&mut batch).await?;
    }
    sink.flush().await?;
    progress.read(rows.tally().records(), reader.checkpoint().offset);
    end(reader, rows, failed).await
}

/// Validates a whole file and appends nothing: the first pass of a strict upload.
///
/// # Errors
/// The source failed, the rejects report cannot be written, or it was told to stop.
pub async fn check<R: ObjectSource, W: Write>(
    mut reader: RecordReader<R>,
    rows: &mut RowIngest,
    rejects: &mut RejectsWriter<W>,
    progress: &mut impl Progress,
) -> Result<Ending, IngestError> {
    let mut batch = EventBatch::default();
    let failed = loop {
        let checked = check_stretch(&mut reader, rows, &mut batch, rejects, BATCH_BYTES, || {
            false
        });
        match checked.await? {
            Stretch::Full => {
                if !progress.read(rows.tally().records(), reader.checkpoint().offset) {
                    return Err(IngestError::Stopped);
                }
            }
            Stretch::End => break None,
            Stretch::Fault(reason) => break Some(reason),
        }
    };
    end(reader, rows, failed).await
}

/// What reading gave, once all rows that can be read are; the rest of the file is read for its
/// digest.
async fn end<R: ObjectSource>(
    reader: RecordReader<R>,
    rows: &RowIngest,
    failed: Option<FailureReason>,
) -> Result<Ending, IngestError> {
    let unknown = reader.header().unknown().to_vec();
    let (mut source, mut digest) = reader.into_rest();
    let Some(reason) = failed else {
        return Ok(Ending::Parsed(rows.finish(digest.as_ref(), &unknown)));
    };
    if let Some(of_all) = &mut digest {
        let rest = rest::read_rest(&mut source, of_all, u64::MAX).await;
        if rest.map_err(IngestError::Source)?.is_err() {
            digest = None;
        }
    }
    let tally = rows.finish(digest.as_ref(), &unknown);
    Ok(Ending::Failed(reason, tally))
}

/// Why a strict upload with bad rows is refused.
#[must_use]
pub fn strict_refusal(rejected: u64, records: u64) -> FailureReason {
    FailureReason {
        code: "strict_refused".to_owned(),
        message: format!("{rejected} of {records} rows are invalid and the upload is strict: no row was taken"),
        hint: "mend the rows that the rejects report lists and send the file again, or send it without strict"
            .to_owned(),
        line: None,
    }
}

/// What stands in the way of reading a file, in the words of its upload's failure.
#[must_use]
pub fn failure_of(error: &ReadError) -> FailureReason {
    match error {
        ReadError::Io { .. } | ReadError::Pending => FailureReason {
            code: "unreadable".to_owned(),
            message: error.to_string(),
            hint: "send the file again; if it fails again, look at the disk that it lies on"
                .to_owned(),
            line: None,
        },
        ReadError::Header(faults) => header_failure(faults),
        ReadError::Unclosed(unclosed) => FailureReason {
            code: "unclosed_quote".to_owned(),
            message: unclosed.to_string(),
            hint: "close the quoted field, or double the quote if it belongs to the value"
                .to_owned(),
            line: Some(unclosed.line),
        },
    }
}

fn header_failure(faults: &HeaderFaults) -> FailureReason {
    let first = faults.as_slice().first();
    FailureReason {
        code: first.map_or("header", HeaderFault::code).to_owned(),
        message: faults.to_string(),
        hint: first.map_or("", HeaderFault::hint).to_owned(),
        line: faults.line(),
    }
}

/// When an upload arrived, to the millisecond: what its events carry as time.
#[must_use]
pub fn arrival_of(now: Timestamp) -> Timestamp {
    u64::try_from(now.unix_millis())
        .ok()
        .and_then(Timestamp::from_unix_millis)
        .unwrap_or(now)
}
