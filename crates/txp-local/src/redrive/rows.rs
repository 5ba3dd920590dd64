//! Rows that were rejected by mistake, read again from their file.
//!
//! What is tried are the records that the history says were rejected, with one of the codes asked
//! for, and that no earlier redrive of the same upload took. Of these, only rows that are valid now
//! are taken: a row that is still bad stays rejected where it is. So whatever is run twice finds
//! nothing the second time, and accepted + rejected + duplicate + conflicting = records read holds
//! for both uploads.

use super::RedriveError;
use crate::block_on::block_on;
use crate::host::{Host, HostError, Intake, IntakeReport, LOG_DIR, ReadProgress};
use crate::log::LogReader;
use crate::snapshot::Snapshot;
use crate::state::{StateView, UploadPage};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use txp_domain::card::Fingerprinter;
use txp_domain::event::{
    Decoded, Event, EventType, Merchants, REDRIVE_RECORDS_MAX, RecordSpans, Redrive, RowOutcome,
    UploadEvent, UploadReceived, UploadTally, ViolationData, decode,
};
use txp_domain::id::UploadId;
use txp_domain::transaction::{Class, Transaction};
use txp_domain::upload::{ClassCounts, Upload};
use txp_pipeline::batch::{EventBatch, UploadContext};
use txp_pipeline::csv::{FileDigest, RecordReader};
use txp_pipeline::port::{EventSink, PortError};
use txp_pipeline::rejects::RejectsWriter;
use txp_pipeline::stage::ingest::{Ending, ReadingRules, RowIngest, failure_of, ingest};

/// Uploads that are looked at together for earlier redrives.
const UPLOADS_AT_ONCE: usize = 100;

/// What is to be tried again.
pub struct RowsAsked<'a> {
    /// The data directory.
    pub dir: &'a Path,
    /// The upload in which rows were rejected.
    pub upload_id: UploadId,
    /// Only rows with one of these codes; none: every rejected row.
    pub codes: &'a [String],
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

/// What the history says of an upload's rejected rows.
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
    /// The records that no redrive took.
    pub fn left(&self) -> impl Iterator<Item = u64> {
        let is_taken = |record| self.redriven.iter().any(|spans| spans.contains(record));
        self.records
            .iter()
            .copied()
            .filter(move |record| !is_taken(*record))
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
    /// What the valid ones would become beside the state as it is.
    pub classes: ClassCounts,
    /// The upload that they would be rows of.
    pub received: UploadReceived,
}

/// Reads what the history says of an upload's rejected rows.
///
/// # Errors
/// There is no such upload, it is not at its end, or the directory cannot be read.
pub fn rejected_rows(
    dir: &Path,
    snapshot: &mut Snapshot,
    upload_id: UploadId,
    codes: &[String],
) -> Result<Rejected, RedriveError> {
    let upload = snapshot.state.upload(upload_id)?;
    let upload = upload.ok_or(RedriveError::Unknown(upload_id))?;
    let received = upload.received.clone();
    let received = received.ok_or(RedriveError::NotEnded(upload_id))?;
    if let Some(redrive) = &received.options.redrive {
        return Err(RedriveError::IsRedrive(upload_id, redrive.upload_id));
    }
    let ending = upload.ending.as_ref();
    let tally = ending.ok_or(RedriveError::NotEnded(upload_id))?.tally();
    if tally.has_no_rows() && tally.records > 0 {
        return Err(RedriveError::NoRows(upload_id));
    }
    let mut found = Rejected {
        records: Vec::new(),
        by_code: BTreeMap::new(),
        redriven: Vec::new(),
        redrives: Vec::new(),
        unfinished: None,
        upload,
    };
    if tally_rejected(&found.upload) > 0 {
        found.read_log(dir, snapshot.as_of.sequence, &received, codes)?;
    }
    found.read_redrives(&mut snapshot.state, upload_id)?;
    Ok(found)
}

fn tally_rejected(upload: &Upload) -> u64 {
    let ending = upload.ending.as_ref();
    ending.map_or(0, |ending| ending.tally().rejected)
}

impl Rejected {
    /// Reads the upload's part of the log: from its arrival to its end.
    fn read_log(
        &mut self,
        dir: &Path,
        through: u64,
        received: &UploadReceived,
        codes: &[String],
    ) -> Result<(), RedriveError> {
        let upload_id = received.upload_id;
        let id = memchr::memmem::Finder::new(upload_id.as_str());
        let from = u64::try_from(received.uploaded_at.unix_millis()).unwrap_or(0);
        let log = dir.join(LOG_DIR);
        let mut reader = LogReader::from_arrival(&log, from)?.known_durable(through);
        let mut records = Vec::new();
        'log: while let Some(frame) = reader.next_frame()? {
            for event in frame.events {
                if id.find(event.bytes).is_none() || !may_matter(event.bytes) {
                    continue;
                }
                match decode(event.bytes) {
                    Ok(Decoded::Upload(end))
                        if end.upload_id() == upload_id
                            && !matches!(*end, UploadEvent::Received(_)) =>
                    {
                        break 'log;
                    }
                    Ok(Decoded::Rejected { place, data }) if place.upload_id == upload_id => {
                        let found = codes_of(data.violations.get());
                        if codes.is_empty() || found.iter().any(|code| codes.contains(code)) {
                            records.push(data.record);
                            for code in found {
                                *self.by_code.entry(code).or_default() += 1;
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        // A try that was cut short is read again: some rows are in the log twice.
        records.sort_unstable();
        records.dedup();
        self.records = records;
        Ok(())
    }

    /// Finds what was redriven before: by newer uploads, which sort behind.
    fn read_redrives(
        &mut self,
        state: &mut StateView,
        upload_id: UploadId,
    ) -> Result<(), RedriveError> {
        let mut before = None;
        loop {
            let page = state.uploads(UploadPage {
                client_id: None,
                before,
                limit: UPLOADS_AT_ONCE,
            })?;
            for upload in &page {
                let received = upload.received.as_ref();
                let redrive = received.and_then(|received| received.options.redrive.as_ref());
                if let Some(redrive) = redrive.filter(|redrive| redrive.upload_id == upload_id) {
                    self.redriven.push(redrive.records.clone());
                    self.redrives.push(upload.id);
                    if upload.ending.is_none() {
                        self.unfinished = received.cloned();
                    }
                }
            }
            before = page.last().map(|last| last.id);
            if page.len() < UPLOADS_AT_ONCE || before.is_none_or(|id| id < upload_id) {
                self.redrives.reverse();
                return Ok(());
            }
        }
    }
}

/// Whether an event can be one that is looked for, told by its bytes.
fn may_matter(bytes: &[u8]) -> bool {
    let types = [
        EventType::RowRejected,
        EventType::UploadParsed,
        EventType::UploadFailed,
    ];
    let named = |event: &EventType| memchr::memmem::find(bytes, event.name().as_bytes()).is_some();
    types.iter().any(named)
}

fn codes_of(violations: &str) -> Vec<String> {
    let violations: Vec<ViolationData<'_>> = serde_json::from_str(violations).unwrap_or_default();
    let mut codes: Vec<String> = Vec::new();
    for violation in violations {
        if !codes.iter().any(|code| *code == violation.code) {
            codes.push(violation.code.into_owned());
        }
    }
    codes
}

/// What trying again would give: the file is read, nothing is written.
///
/// # Errors
/// The upload cannot be redriven, the file is another one, or something cannot be read.
pub fn plan_rows(
    asked: &RowsAsked<'_>,
    snapshot: &mut Snapshot,
    new_id: UploadId,
) -> Result<RowsPlan, RedriveError> {
    let rejected = rejected_rows(asked.dir, snapshot, asked.upload_id, asked.codes)?;
    if rejected.unfinished.is_some() {
        return Err(RedriveError::Unfinished(asked.upload_id));
    }
    let tally = rejected.upload.ending.as_ref().map(|e| e.tally().clone());
    let recorded = tally.and_then(|tally| tally.sha256);
    let recorded = recorded.ok_or(RedriveError::NoDigest(asked.upload_id))?;
    let candidates = RecordSpans::of(rejected.left());
    let mut received = received_of(asked, &rejected.upload, new_id)?;
    let mut trial = Trial {
        state: &mut snapshot.state,
        max: asked.max.min(REDRIVE_RECORDS_MAX),
        records: Vec::new(),
        left_out: 0,
        classes: ClassCounts::default(),
        taken: BTreeMap::new(),
    };
    let tally = try_rows(asked, &received, &candidates, &recorded, &mut trial)?;
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

/// The upload that the rows will be of. It arrived when the first one did: a row without a
/// timestamp means the same time.
fn received_of(
    asked: &RowsAsked<'_>,
    first: &Upload,
    new_id: UploadId,
) -> Result<UploadReceived, RedriveError> {
    let first = first.received.clone();
    let first = first.ok_or(RedriveError::NotEnded(asked.upload_id))?;
    let mut received = UploadReceived {
        upload_id: new_id,
        ..first
    };
    // What is resumed is found by the first upload, not by the file.
    received.file.identity = None;
    asked.overrides.apply(&mut received);
    Ok(received)
}

fn try_rows(
    asked: &RowsAsked<'_>,
    received: &UploadReceived,
    candidates: &RecordSpans,
    recorded: &str,
    trial: &mut Trial<'_>,
) -> Result<UploadTally, RedriveError> {
    let path = || asked.file.to_path_buf();
    let unreadable = |why: String| RedriveError::Unreadable { path: path(), why };
    let file = File::open(asked.file).map_err(|source| RedriveError::File {
        path: path(),
        source,
    })?;
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
    let mut report = RejectsWriter::new(std::io::sink(), reader.header()).map_err(|source| {
        RedriveError::File {
            path: path(),
            source,
        }
    })?;
    let mut told = |_, _| true;
    let ending = block_on(ingest(
        reader,
        &mut rows,
        trial,
        &mut report,
        None,
        &mut told,
    ))
    .map_err(|error| RedriveError::Host(HostError::Ingest(error)))?;
    let (Ending::Parsed(tally) | Ending::Failed(_, tally)) = ending;
    match &tally.sha256 {
        Some(found) if found == recorded => Ok(tally),
        found => Err(RedriveError::OtherFile {
            path: path(),
            upload: asked.upload_id,
            found: found.clone().unwrap_or_else(|| "not known".to_owned()),
            recorded: recorded.to_owned(),
        }),
    }
}

/// Takes rows as a history would, and keeps which of them are valid.
struct Trial<'a> {
    state: &'a mut StateView,
    max: usize,
    records: Vec<u64>,
    left_out: u64,
    classes: ClassCounts,
    /// Items as they would be: several rows can have one id.
    taken: BTreeMap<(String, String), Transaction>,
}

impl EventSink for Trial<'_> {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        for delivery in batch.deliveries(1, 0) {
            let Event::Row(row) = &delivery.event else {
                continue;
            };
            let RowOutcome::Valid { facts, .. } = &row.outcome else {
                continue;
            };
            if self.records.len() >= self.max {
                self.left_out += 1;
                continue;
            }
            self.records.push(row.record);
            let key = (
                facts.merchant_id.to_owned(),
                facts.transaction_id.to_owned(),
            );
            let item = match self.taken.entry(key) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let (merchant, id) = place.key();
                    let known = self.state.transactions(id).map_err(port_error)?;
                    let mut known = known.into_iter();
                    let known = known.find(|item| *item.key.merchant_id == **merchant);
                    let item = known.unwrap_or_else(|| Transaction::empty(merchant, id));
                    place.insert(item)
                }
            };
            let class = item.classify(row);
            self.classes.add(class);
            if class == Class::Accepted {
                let _applied = item.apply_row(row, &delivery.position, 0);
            }
        }
        batch.clear();
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

fn port_error(error: crate::runs::StateError) -> PortError {
    let kind = txp_pipeline::port::ErrorKind::Permanent;
    PortError::caused(kind, "the state cannot be read", error)
}

/// Does what a plan says; when it returns, every row is durable and folded.
///
/// # Errors
/// The host failed, or the file cannot be read; the same again goes on.
pub fn run_rows(
    host: &Host,
    asked: &RowsAsked<'_>,
    plan: &RowsPlan,
    progress: &mut dyn FnMut(ReadProgress),
) -> Result<IntakeReport, RedriveError> {
    let intake = Intake {
        received: plan.received.clone(),
        path: asked.file.to_path_buf(),
        dry_run: false,
    };
    Ok(host.ingest(&intake, progress)?)
}

/// Goes on with a redrive of this upload that was cut short, if there is one: as it was begun.
///
/// # Errors
/// As [`run_rows`]; or the file is another one.
pub fn resume_rows(
    host: &Host,
    asked: &RowsAsked<'_>,
    snapshot: &mut Snapshot,
    progress: &mut dyn FnMut(ReadProgress),
) -> Result<Option<IntakeReport>, RedriveError> {
    let rejected = rejected_rows(asked.dir, snapshot, asked.upload_id, asked.codes)?;
    let Some(received) = rejected.unfinished else {
        return Ok(None);
    };
    let recorded = rejected.upload.ending.as_ref();
    let recorded = recorded.and_then(|ending| ending.tally().sha256.clone());
    let recorded = recorded.ok_or(RedriveError::NoDigest(asked.upload_id))?;
    let mut trial = Trial {
        state: &mut snapshot.state,
        max: 0,
        records: Vec::new(),
        left_out: 0,
        classes: ClassCounts::default(),
        taken: BTreeMap::new(),
    };
    try_rows(
        asked,
        &received,
        &RecordSpans::default(),
        &recorded,
        &mut trial,
    )?;
    let intake = Intake {
        received,
        path: asked.file.to_path_buf(),
        dry_run: false,
    };
    Ok(Some(host.ingest(&intake, progress)?))
}
