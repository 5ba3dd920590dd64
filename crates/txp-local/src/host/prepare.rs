//! Opening a data directory as far as no thread is needed: lock, state, log, what is folded again,
//! the alert table. The running host puts threads to it, the stepped one does without.

use super::alerting::{Flagged, ToAlerts, cooldown_start};
use super::append::ToLog;
use super::{
    ALERTS_DIR, AlertCounts, Host, HostError, LOG_DIR, Opened, STATE_DIR, Shared, recover,
};
use crate::alerts::{Ledger, Waiting};
use crate::format;
use crate::lock::DirLock;
use crate::log::{LogWriter, OpenOptions};
use crate::meter::Registry;
use crate::webhooks::Oldest;
use parking_lot::FairMutex;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use txp_domain::card::Fingerprinter;
use txp_domain::time::Timestamp;

/// A host that nothing drives yet.
pub(super) struct Prepared {
    pub(super) host: Host,
    pub(super) log: LogWriter,
    pub(super) from_readers: Receiver<ToLog>,
    /// The alert table and what of it is to be taken up; `None` if findings do not become alerts.
    pub(super) ledger: Option<(Ledger, Waiting)>,
    pub(super) from_fold: Receiver<ToAlerts>,
    /// Findings that were folded again and may not be alerted yet.
    pub(super) flagged: Vec<Flagged>,
}

/// Takes the directory's lock, repairs the log's end and folds what the last checkpoint has not
/// seen.
pub(super) fn prepare(
    dir: &Path,
    command: &'static str,
    fingerprinter: Fingerprinter,
    alerts: bool,
    log_options: OpenOptions,
    opened_at: Timestamp,
) -> Result<Prepared, HostError> {
    std::fs::create_dir_all(dir).map_err(HostError::io("creating the data directory", dir))?;
    format::ensure(dir, &opened_at.to_string())?;
    // To the second: with a fraction it has more digits than what is told may have.
    let whole_seconds = u64::try_from(opened_at.unix_seconds()).unwrap_or(0);
    let since = Timestamp::from_unix_seconds(whole_seconds).unwrap_or_default();
    let lock = DirLock::acquire(dir, command, &since.to_string())?;
    let (mut fold, alerted_through) = recover::open_state(&dir.join(STATE_DIR))?;
    let known_durable = Some(fold.as_of().sequence).filter(|sequence| *sequence > 0);
    let log_options = OpenOptions {
        known_durable,
        ..log_options
    };
    let (log, recovery) = LogWriter::open(&dir.join(LOG_DIR), &log_options)?;
    let mut opened = Opened {
        cut: recovery.cut.map(|cut| recover::describe(&cut)),
        ..Opened::default()
    };
    let flagged = recover::refold(dir, &mut fold, alerted_through, &mut opened)?;
    let ledger = if alerts {
        let alerts_dir = dir.join(ALERTS_DIR);
        let opening = HostError::io("opening the alert table in", &alerts_dir);
        Some(Ledger::open(&alerts_dir, cooldown_start(opened_at)).map_err(opening)?)
    } else {
        None
    };
    let (to_log, from_readers) = mpsc::channel();
    let (to_alerts, from_fold) = mpsc::channel();
    let shared = Shared {
        dir: dir.to_path_buf(),
        fingerprinter,
        turn: Mutex::default(),
        fold: FairMutex::new(fold),
        to_log: Mutex::new(Some(to_log)),
        alerts: Arc::new(AlertCounts::starting_at(alerted_through)),
        meter: Registry::new(),
        backlog: Arc::default(),
        webhooks: Oldest::default(),
        to_alerts: Mutex::new(alerts.then_some(to_alerts)),
        failure: Mutex::new(None),
        failed: Condvar::new(),
        is_stopping: AtomicBool::new(false),
        until_stop: Mutex::new(None),
        last_minted_millis: AtomicU64::new(0),
        opened,
        threads: Mutex::new(Vec::new()),
        lock: Mutex::new(Some(lock)),
    };
    Ok(Prepared {
        host: Host {
            shared: Arc::new(shared),
        },
        log,
        from_readers,
        ledger,
        from_fold,
        flagged,
    })
}
