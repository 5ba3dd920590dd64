//! Rows that were rejected by mistake, read again from their file.
//!
//! What is tried are the records that were rejected, with one of the codes asked for, and that no
//! earlier redrive of the same upload took. Of these, only rows that are valid now are taken: a row
//! that is still bad stays rejected where it is. So whatever is run twice finds nothing the second
//! time, and accepted + rejected + duplicate + conflicting = records read holds for both uploads.
//!
//! Deliberately absent: where it is known what was rejected, and the upload that the rows become;
//! both are the host's.

use crate::batch::{EventBatch, UploadContext};
use crate::csv::{FileDigest, RecordReader};
use crate::port::{EventSink, PortError};
use crate::rejects::RejectsWriter;
use crate::stage::ingest::{Ending, IngestError, ReadingRules, RowIngest, failure_of, ingest};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use txp_domain::card::Fingerprinter;
use txp_domain::event::{
    Event, Merchants, REDRIVE_RECORDS_MAX, RecordSpans, Redrive, RowEvent, RowOutcome,
    UploadReceived, UploadTally,
};
use txp_domain::id::UploadId;
use txp_domain::position::Position;
use txp_domain::transaction::Class;
use txp_domain::upload::{ClassCounts, Upload};

/// Why rows cannot be read again.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// It is still being read.
    #[error("upload {0} is not read to its end yet: wait until it is completed")]
    NotEnded(UploadId),
    /// It is itself a redrive.
    #[error("upload {0} is itself a redrive, of {1}: redrive that one")]
    IsRedrive(UploadId, UploadId),
    /// No row of it is in the history.
    #[error(
        "no row of upload {0} is in the history: it was refused as a whole; send the file again"
    )]
    NoRows(UploadId),
    /// Nobody knows which file it was.
    #[error(
        "upload {0} ended before its file was read to the end, so its SHA-256 is not known: send the file again"
    )]
    NoDigest(UploadId),
    /// Another file was given.
    #[error("{} is not the file of upload {upload}: its SHA-256 is {found}, recorded is {recorded}", path.display())]
    OtherFile {
        /// The file given.
        path: PathBuf,
        /// The upload.
        upload: UploadId,
        /// The file's digest.
        found: String,
        /// The upload's.
        recorded: String,
    },
    /// The file cannot be read.
    #[error("reading {} failed", path.display())]
    File {
        /// The file given.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not one that rows can be read from with these options.
    #[error("{} cannot be read with these options: {why}", path.display())]
    Unreadable {
        /// The file given.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
    /// An earlier redrive of it was cut short, from another file or with other options.
    #[error("a redrive of upload {0} was cut short: the same command with `run` goes on with it")]
    Unfinished(UploadId),
    /// Trying the rows failed.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

impl RowsError {
    /// Whether something failed, rather than was found in the way.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Ingest(_))
    }
}

/// What is to be tried again.
pub struct RowsAsked<'a> {
    /// The upload in which rows were rejected.
    pub upload_id: UploadId,
    /// The file that they came in.
    pub file: &'a Path,
    /// How to read it now, where that differs from the first time.
    pub overrides: Overrides,
    /// At most so many rows.
    pub max: usize,
    /// Makes the fingerprints.
    pub fingerprinter: Fingerprinter,
}

/// What is read otherwise than the first time.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The currency of rows that name none.
    pub currency: Option<String>,
    /// The zone of timestamps that name none.
    pub time_zone: Option<String>,
    /// Their column names to ours, beside those of the first time.
    pub columns: Vec<(String, String)>,
    /// Identifiers may look like card numbers.
    pub long_number_ids_allowed: bool,
    /// Whom rows may name.
    pub merchants: Option<Merchants>,
}

impl Overrides {
    fn apply(&self, received: &mut UploadReceived) {
        let options = &mut received.options;
        let defaults = &mut options.defaults;
        defaults.currency = self.currency.clone().or(defaults.currency.take());
        defaults.time_zone = self.time_zone.clone().or(defaults.time_zone.take());
        options.columns.extend(self.columns.iter().cloned());
        options.long_number_ids_allowed |= self.long_number_ids_allowed;
        // A row that is bad now stays where it is; it refuses nothing.
        options.strict = false;
        if let Some(merchants) = &self.merchants {
            received.merchants = merchants.clone();
        }
    }
}

/// What is known of an upload's rejected rows.
#[derive(Debug)]
pub struct Rejected {
    /// The upload.
    pub upload: Upload,
    /// Its rejected records with one of the codes asked for, ascending.
    pub records: Vec<u64>,
    /// How often each code occurs in them.
    pub by_code: BTreeMap<String, u64>,
    /// Those of them that an earlier redrive took.
    pub redriven: Vec<RecordSpans>,
    /// The earlier redrives, oldest first.
    pub redrives: Vec<UploadId>,
    /// One of these that was cut short.
    pub unfinished: Option<UploadReceived>,
}

impl Rejected {
    /// Of an upload whose rows can be redriven, with none of them named yet.
    ///
    /// # Errors
    /// It is not at its end, is a redrive, or left no row in the history.
    pub fn of(upload: Upload) -> Result<Self, RowsError> {
        let upload_id = upload.id;
        let received = upload.received.as_ref();
        let received = received.ok_or(RowsError::NotEnded(upload_id))?;
        if let Some(redrive) = &received.options.redrive {
            return Err(RowsError::IsRedrive(upload_id, redrive.upload_id));
        }
        let ending = upload.ending.as_ref();
        let ending = ending.ok_or(RowsError::NotEnded(upload_id))?;
        let tally = ending.tally();
        if tally.has_no_rows() && tally.records > 0 {
            return Err(RowsError::NoRows(upload_id));
        }
        Ok(Self {
            records: Vec::new(),
            by_code: BTreeMap::new(),
            redriven: Vec::new(),
            redrives: Vec::new(),
            unfinished: None,
            upload,
        })
    }

    /// Takes a rejected record if it has one of these codes, or whatever it has if none is named.
    pub fn take(&mut self, record: u64, found: Vec<String>, codes: &[String]) {
        if codes.is_empty() || found.iter().any(|code| codes.contains(code)) {
            self.records.push(record);
            for code in found {
                *self.by_code.entry(code).or_default() += 1;
            }
        }
    }

    /// The records that no redrive took.
    pub fn left(&self) -> impl Iterator<Item = u64> {
        let is_taken = |record| self.redriven.iter().any(|spans| spans.contains(record));
        self.records
            .iter()
            .copied()
            .filter(move |record| !is_taken(*record))
    }

    /// How many rows the upload rejected in all.
    #[must_use]
    pub fn tallied(&self) -> u64 {
        self.tally().map_or(0, |tally| tally.rejected)
    }

    /// The SHA-256 of the file that the rows came in.
    ///
    /// # Errors
    /// The file was not read to its end.
    pub fn sha256(&self) -> Result<String, RowsError> {
        let recorded = self.tally().and_then(|tally| tally.sha256.clone());
        recorded.ok_or(RowsError::NoDigest(self.upload.id))
    }

    fn tally(&self) -> Option<&UploadTally> {
        self.upload.ending.as_ref().map(|ending| ending.tally())
    }
}

/// What a redrive would do.
#[derive(Debug)]
pub struct RowsPlan {
    /// Rejected rows with the codes asked for.
    pub rejected: u64,
    /// Of these, rows that an earlier redrive took.
    pub redriven_before: u64,
    /// Rows that were tried.
    pub tried: u64,
    /// Rows that are valid now, at most as many as asked for.
    pub valid: u64,
    /// Rows that are valid and were left out, being more than asked for.
    pub left_out: u64,
    /// Rows that are still invalid, by code; a row may have several.
    pub still: BTreeMap<String, u64>,
    /// What the valid ones would become beside the state as it is, if that was asked.
    pub classes: Option<ClassCounts>,
    /// The upload that they would be rows of.
    pub received: UploadReceived,
}

/// What a row would become.
pub trait Judge {
    /// Its class beside the state as it is and the rows judged before; `None` where nobody looks.
    ///
    /// # Errors
    /// The state cannot be read.
    fn class(
        &mut self,
        row: &RowEvent<'_>,
        position: &Position,
    ) -> Result<Option<Class>, PortError>;
}

/// Looks at no state.
pub struct Unjudged;

impl Judge for Unjudged {
    fn class(&mut self, _: &RowEvent<'_>, _: &Position) -> Result<Option<Class>, PortError> {
        Ok(None)
    }
}

/// What trying again would give: the file is read, nothing is written.
///
/// # Errors
/// An earlier redrive was cut short, the file is another one, or something cannot be read.
pub async fn plan<J: Judge>(
    asked: &RowsAsked<'_>,
    rejected: &Rejected,
    new_id: UploadId,
    judge: &mut J,
) -> Result<RowsPlan, RowsError> {
    if rejected.unfinished.is_some() {
        return Err(RowsError::Unfinished(asked.upload_id));
    }
    let recorded = rejected.sha256()?;
    let candidates = RecordSpans::of(rejected.left());
    let mut received = received_of(asked, &rejected.upload, new_id)?;
    let mut trial = Trial {
        judge,
        max: asked.max.min(REDRIVE_RECORDS_MAX),
        records: Vec::new(),
        left_out: 0,
        classes: None,
    };
    let tally = try_rows(asked, &received, &candidates, &recorded, &mut trial).await?;
    received.options.redrive = Some(Redrive {
        upload_id: asked.upload_id,
        records: RecordSpans::of(trial.records.iter().copied()),
    });
    Ok(RowsPlan {
        rejected: rejected.records.len() as u64,
        redriven_before: (rejected.records.len() as u64).saturating_sub(candidates.count()),
        tried: tally.records,
        valid: trial.records.len() as u64,
        left_out: trial.left_out,
        still: tally.rejected_by_code,
        classes: trial.classes,
        received,
    })
}

/// Whether the file is the one that a redrive that was cut short was begun with.
///
/// # Errors
/// It is another one, or cannot be read.
pub async fn check_file(
    asked: &RowsAsked<'_>,
    received: &UploadReceived,
    recorded: &str,
) -> Result<(), RowsError> {
    let mut trial = Trial {
        judge: &mut Unjudged,
        max: 0,
        records: Vec::new(),
        left_out: 0,
        classes: None,
    };
    let none = RecordSpans::default();
    try_rows(asked, received, &none, recorded, &mut trial).await?;
    Ok(())
}

/// The upload that the rows will be of. It arrived when the first one did: a row without a
/// timestamp means the same time.
fn received_of(
    asked: &RowsAsked<'_>,
    first: &Upload,
    new_id: UploadId,
) -> Result<UploadReceived, RowsError> {
    let first = first.received.clone();
    let first = first.ok_or(RowsError::NotEnded(asked.upload_id))?;
    let mut received = UploadReceived {
        upload_id: new_id,
        ..first
    };
    // What is resumed is found by the first upload, not by the file.
    received.file.identity = None;
    asked.overrides.apply(&mut received);
    Ok(received)
}

async fn try_rows<J: Judge>(
    asked: &RowsAsked<'_>,
    received: &UploadReceived,
    candidates: &RecordSpans,
    recorded: &str,
    trial: &mut Trial<'_, J>,
) -> Result<UploadTally, RowsError> {
    let path = || asked.file.to_path_buf();
    let unreadable = |why: String| RowsError::Unreadable { path: path(), why };
    let failed = |source| RowsError::File {
        path: path(),
        source,
    };
    let file = File::open(asked.file).map_err(failed)?;
    let rules = ReadingRules::of(received).map_err(|fault| unreadable(fault.to_string()))?;
    let context = UploadContext {
        upload_id: received.upload_id,
        uploaded_at: received.uploaded_at,
        key_id: asked.fingerprinter.key_id().as_str().into(),
    };
    let mut rows = RowIngest::new(Arc::new(context), rules.rows, asked.fingerprinter.clone())
        .only(Some(candidates.clone()));
    let reader = RecordReader::open(file, &rules.aliases, Some(FileDigest::new()))
        .map_err(|error| unreadable(failure_of(&error).message))?;
    let mut report = RejectsWriter::new(std::io::sink(), reader.header()).map_err(failed)?;
    let mut told = |_, _| true;
    let ending = ingest(reader, &mut rows, trial, &mut report, None, &mut told).await?;
    let (Ending::Parsed(tally) | Ending::Failed(_, tally)) = ending;
    match &tally.sha256 {
        Some(found) if found == recorded => Ok(tally),
        found => Err(RowsError::OtherFile {
            path: path(),
            upload: asked.upload_id,
            found: found.clone().unwrap_or_else(|| "not known".to_owned()),
            recorded: recorded.to_owned(),
        }),
    }
}

/// Takes rows as a history would, and keeps which of them are valid.
struct Trial<'a, J> {
    judge: &'a mut J,
    max: usize,
    records: Vec<u64>,
    left_out: u64,
    classes: Option<ClassCounts>,
}

impl<J: Judge> EventSink for Trial<'_, J> {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        for delivery in batch.deliveries(1, 0) {
            let Event::Row(row) = &delivery.event else {
                continue;
            };
            if !matches!(row.outcome, RowOutcome::Valid { .. }) {
                continue;
            }
            if self.records.len() >= self.max {
                self.left_out += 1;
                continue;
            }
            self.records.push(row.record);
            if let Some(class) = self.judge.class(row, &delivery.position)? {
                self.classes.get_or_insert_default().add(class);
            }
        }
        batch.clear();
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}
