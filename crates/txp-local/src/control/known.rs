//! What is known of a link: the steps of its life so far, and what is told of it before the history
//! knows its upload. Readers take no lock: they see the links as their file has them.

use super::links::{LINKS_FILE, Link};
use super::record::{Arrival, Step};
use super::{CONTROL_DIR, ControlError, file};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_pipeline::document::{StateName, UploadDocument};

/// How long a link that was used is remembered for its Idempotency-Key, or for its dry run.
const KEPT_SECONDS: i64 = 24 * 60 * 60;
/// How long a link that nobody used is remembered after it expired.
const KEPT_EXPIRED_SECONDS: i64 = 60 * 60;

/// A link and how far it is.
#[derive(Clone, Debug)]
pub struct Known {
    /// The link.
    pub link: Link,
    /// Its file is there.
    pub arrival: Option<Arc<Arrival>>,
    /// It was processed.
    pub has_ended: bool,
    /// Of a dry run, what came of it.
    pub report: Option<Arc<Value>>,
}

impl Known {
    /// What is told of it at `now`, while the history does not know its upload; of a dry run, what
    /// came of it.
    #[must_use]
    pub fn document(&self, now: Timestamp) -> UploadDocument {
        let Self {
            link,
            arrival,
            report,
            ..
        } = self;
        let report = report.as_deref().cloned();
        if let Some(report) = report.and_then(|report| serde_json::from_value(report).ok()) {
            return report;
        }
        let state = match arrival {
            Some(_) => StateName::Processing,
            None if now < link.expires_at => StateName::Pending,
            None => StateName::Expired,
        };
        UploadDocument {
            received_at: arrival.as_ref().map(|arrival| arrival.uploaded_at),
            ..UploadDocument::announced(link.upload_id, state, link.file_name(), link.expires_at)
        }
    }
}

/// The links of a data directory that are remembered at `now`, for a reader beside a serve or
/// without one; oldest first. What was begun and not wholly written is not there yet.
///
/// # Errors
/// They cannot be read, or a line makes no sense.
pub fn read_links(
    dir: &Path,
    now: Timestamp,
) -> Result<impl DoubleEndedIterator<Item = Known>, ControlError> {
    let known = read(&dir.join(CONTROL_DIR).join(LINKS_FILE))?;
    Ok(known.into_values().filter(move |known| is_kept(known, now)))
}

/// The links of a file, by their uploads. A line that was cut is left out: nothing was done on it.
pub(super) fn read(path: &Path) -> Result<BTreeMap<UploadId, Known>, ControlError> {
    let text = file::read(path)?.unwrap_or_default();
    let whole = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let mut known = BTreeMap::new();
    let lines = text.get(..whole).unwrap_or_default();
    for (at, line) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let step = serde_json::from_slice(line).map_err(|source| ControlError::Damaged {
            path: path.to_path_buf(),
            line: Some(at + 1),
            source,
        })?;
        apply(&mut known, step);
    }
    Ok(known)
}

/// Whether there is a reason to remember a link.
pub(super) fn is_kept(known: &Known, now: Timestamp) -> bool {
    let expired_for = now.unix_seconds() - known.link.expires_at.unix_seconds();
    match (&known.arrival, known.has_ended) {
        (Some(_), false) => true,
        // Until it expires, a second use is told that the file is there.
        (Some(_), true) if expired_for < 0 => true,
        (Some(_), true) => {
            (known.link.dry_run || known.link.idempotency.is_some())
                && is_remembered(&known.link, now)
        }
        (None, _) if known.link.idempotency.is_some() => is_remembered(&known.link, now),
        (None, _) => expired_for < KEPT_EXPIRED_SECONDS,
    }
}

/// Whether the request that it answered, or its dry run, may still be asked for.
pub(super) fn is_remembered(link: &Link, now: Timestamp) -> bool {
    now.unix_seconds() - link.issued_at.unix_seconds() < KEPT_SECONDS
}

/// Takes a step up.
pub(super) fn apply(known: &mut BTreeMap<UploadId, Known>, step: Step) {
    match step {
        Step::Issued(link) => {
            let upload_id = link.upload_id;
            let fresh = Known {
                link,
                arrival: None,
                has_ended: false,
                report: None,
            };
            known.insert(upload_id, fresh);
        }
        Step::Arrived(arrival) => {
            if let Some(entry) = known.get_mut(&arrival.upload_id) {
                entry.arrival = Some(Arc::new(arrival));
            }
        }
        Step::Ended {
            upload_id, report, ..
        } => {
            if let Some(entry) = known.get_mut(&upload_id) {
                entry.has_ended = true;
                entry.report = report.map(Arc::new);
            }
        }
    }
}

/// The steps that come to this.
pub(super) fn steps(known: &Known) -> impl Iterator<Item = Step> {
    let arrived = known.arrival.as_deref().cloned().map(Step::Arrived);
    let ended = known.has_ended.then(|| Step::Ended {
        upload_id: known.link.upload_id,
        at: known.link.issued_at,
        report: known.report.as_deref().cloned(),
    });
    let issued = Step::Issued(known.link.clone());
    std::iter::once(issued).chain(arrived).chain(ended)
}
