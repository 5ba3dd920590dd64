//! Rows that were rejected by mistake, of the embedded host: the log says which they were, the state
//! what they become, and they are read into the log as any other file's.

use super::RedriveError;
use crate::block_on::block_on;
use crate::host::{Host, Intake, IntakeReport, LOG_DIR, ReadProgress};
use crate::log::LogReader;
use crate::snapshot::Snapshot;
use crate::state::{StateView, UploadPage};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use txp_domain::event::{
    Decoded, EventType, RowEvent, RowOutcome, UploadEvent, UploadReceived, ViolationData, decode,
};
use txp_domain::id::UploadId;
use txp_domain::position::Position;
use txp_domain::transaction::{Class, Transaction};
use txp_pipeline::port::PortError;
use txp_pipeline::redrive::{Judge, Rejected, RowsAsked, RowsPlan, check_file, plan};

/// Uploads that are looked at together for earlier redrives.
const UPLOADS_AT_ONCE: usize = 100;

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
    let mut found = Rejected::of(upload.ok_or(RedriveError::Unknown(upload_id))?)?;
    if found.tallied() > 0 {
        read_log(&mut found, dir, snapshot.as_of.sequence, codes)?;
    }
    read_redrives(&mut found, &mut snapshot.state)?;
    Ok(found)
}

/// Reads the upload's part of the log: from its arrival to its end.
fn read_log(
    rejected: &mut Rejected,
    dir: &Path,
    through: u64,
    codes: &[String],
) -> Result<(), RedriveError> {
    let upload_id = rejected.upload.id;
    let arrived_at = rejected.upload.received.as_ref();
    let arrived_at = arrived_at.map_or(0, |received| received.uploaded_at.unix_millis());
    let id = memchr::memmem::Finder::new(upload_id.as_str());
    let from = u64::try_from(arrived_at).unwrap_or(0);
    let log = dir.join(LOG_DIR);
    let mut reader = LogReader::from_arrival(&log, from)?.known_durable(through);
    // A try that was cut short is read again: some rows are in the log twice.
    let mut records: BTreeMap<u64, Vec<String>> = BTreeMap::new();
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
                    records.insert(data.record, codes_of(data.violations.get()));
                }
                _ => {}
            }
        }
    }
    for (record, found) in records {
        rejected.take(record, found, codes);
    }
    Ok(())
}

/// Finds what was redriven before: by newer uploads, which sort behind.
fn read_redrives(rejected: &mut Rejected, state: &mut StateView) -> Result<(), RedriveError> {
    let upload_id = rejected.upload.id;
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
                rejected.redriven.push(redrive.records.clone());
                rejected.redrives.push(upload.id);
                if upload.ending.is_none() {
                    rejected.unfinished = received.cloned();
                }
            }
        }
        before = page.last().map(|last| last.id);
        if page.len() < UPLOADS_AT_ONCE || before.is_none_or(|id| id < upload_id) {
            rejected.redrives.reverse();
            return Ok(());
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
    rejected: &Rejected,
    snapshot: &mut Snapshot,
    new_id: UploadId,
) -> Result<RowsPlan, RedriveError> {
    let mut beside = BesideState {
        state: &mut snapshot.state,
        taken: BTreeMap::new(),
    };
    Ok(block_on(plan(asked, rejected, new_id, &mut beside))?)
}

/// Judges rows by the state as it is.
struct BesideState<'a> {
    state: &'a mut StateView,
    /// Items as they would be: several rows can have one id.
    taken: BTreeMap<(String, String), Transaction>,
}

impl Judge for BesideState<'_> {
    fn class(
        &mut self,
        row: &RowEvent<'_>,
        position: &Position,
    ) -> Result<Option<Class>, PortError> {
        let RowOutcome::Valid { facts, .. } = &row.outcome else {
            return Ok(None);
        };
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
        if class == Class::Accepted {
            let _applied = item.apply_row(row, position, 0);
        }
        Ok(Some(class))
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
    received: &UploadReceived,
    progress: &mut dyn FnMut(ReadProgress),
) -> Result<IntakeReport, RedriveError> {
    let intake = Intake {
        received: received.clone(),
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
    rejected: &Rejected,
    progress: &mut dyn FnMut(ReadProgress),
) -> Result<Option<IntakeReport>, RedriveError> {
    let Some(received) = &rejected.unfinished else {
        return Ok(None);
    };
    block_on(check_file(asked, received, &rejected.sha256()?))?;
    run_rows(host, asked, received, progress).map(Some)
}
