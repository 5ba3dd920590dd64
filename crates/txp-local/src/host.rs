//! The embedded host: the pipeline over one directory, in one process.
//!
//! ```text
//! readers of files ──batches──► log writer ──durable batches──► fold + detection ──► state
//!        ▲                        ▲                                 │        └──► alerts
//!        └──── emptied batches ───┼─────────────────────────────────┘
//!                                 └───── findings ──────────────────┘
//! ```
//!
//! Batches go round: a reader has a few of them and waits for one to come back, so nothing queues
//! without bound. Rows go through memory as typed values; JSON is decoded in recovery only.

mod alerting;
mod append;
mod error;
mod fold;
mod folding;
mod intake;
mod key;
mod prepare;
mod quarantine;
mod recover;
mod report;
mod rules;
mod sink;
mod standing;
mod stepped;

pub use alerting::AlertCounts;
pub use error::{HostError, Remedy};
pub use fold::AsOf;
pub(crate) use fold::{ActiveRules, Meta, ShadowRules, meta_of};
pub use intake::{Intake, IntakeReport, ReadProgress, dry_run_in};
pub use key::{
    FINGERPRINT_KEY_FILE, RECEIPT_KEY_FILE, load_or_create as load_or_create_key,
    load_or_create_receipt_key,
};
pub(crate) use quarantine::mark_redriven;
pub use quarantine::{
    Quarantine, Quarantined, read as read_quarantine, read_all as read_all_quarantined,
};
pub use report::RejectsFile;
pub use rules::RulesRefused;
pub use stepped::{Stepped, SteppedOptions};

use crate::alerts::{Sinks, Terminal};
use crate::clock::{now, upload_id_at};
use crate::lock::DirLock;
use crate::log::OpenOptions;
use crate::meter::Registry;
use crate::state::UploadPage;
use crate::webhooks::{Oldest, Putter};
use alerting::{Alerter, ToAlerts};
use append::{ToLog, Writer};
use fold::Fold;
use parking_lot::{FairMutex, FairMutexGuard};
use prepare::{Prepared, prepare};
use standing::Backlog;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use txp_domain::card::Fingerprinter;
use txp_domain::event::{Event, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::transaction::Transaction;
use txp_domain::upload::Upload;
use txp_pipeline::batch::EventBatch;
use txp_pipeline::rulefile::{CheckedRules, default_rules};
use txp_pipeline::telemetry::{Metric, count_of};

/// How long a thread that ended may take to say why.
const FAILURE_WAIT: Duration = Duration::from_secs(1);

/// Durable batches that wait for the fold, at some 1.5 MiB each.
const FOLD_QUEUE_BATCHES: usize = 2;

/// Who activates the default rules in a new directory.
const DEFAULTS_ACTIVATED_BY: &str = "txp (defaults)";

/// What events in quarantine name as the stage that could not process them.
const QUARANTINE_STAGE: &str = "fold";

/// Where the log lies in a data directory.
pub const LOG_DIR: &str = "log";
pub(crate) const STATE_DIR: &str = "state";
/// Where the alert table and its outbox lie.
pub const ALERTS_DIR: &str = "alerts";
/// Where reports of rejected rows lie, as `{upload_id}.csv`.
pub const REJECTS_DIR: &str = "rejects";

/// How to open a host.
pub struct HostOptions {
    /// The command that opens it: a second writer is told.
    pub command: &'static str,
    /// The fingerprint key.
    pub fingerprinter: Fingerprinter,
    /// Whether appends are synced to the disk. Off only where nothing is to be kept.
    pub is_durable: bool,
    /// Whether findings become alerts.
    pub alerts: bool,
    /// A person to be told beside the outbox.
    pub terminal: Option<Terminal>,
}

/// What opening a directory did.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// Events of the log that were folded again.
    pub refolded: u64,
    /// In words, what was cut off the log's end.
    pub cut: Option<String>,
    /// Events that went to quarantine now.
    pub quarantined: u64,
}

/// The embedded host; a cheap handle.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    fingerprinter: Fingerprinter,
    /// Whose turn it is to change the fold or to publish it; taken before the fold itself.
    turn: Mutex<()>,
    /// Fair: who asks would otherwise wait until the thread that folds has nothing to do.
    fold: FairMutex<Fold>,
    to_log: Mutex<Option<Sender<ToLog>>>,
    alerts: Arc<AlertCounts>,
    meter: Registry,
    backlog: Arc<Backlog>,
    webhooks: Oldest,
    to_alerts: Mutex<Option<Sender<ToAlerts>>>,
    failure: Mutex<Option<Arc<HostError>>>,
    failed: Condvar,
    is_stopping: AtomicBool,
    /// Let go of when the host is stopped, for who waits meanwhile.
    until_stop: Mutex<Option<Sender<()>>>,
    last_minted_millis: AtomicU64,
    opened: Opened,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lock: Mutex<Option<DirLock>>,
}

impl Host {
    /// Opens a data directory for writing: takes its lock, repairs the log's end, folds what the
    /// last checkpoint has not seen, and starts the threads.
    ///
    /// # Errors
    /// The directory is not usable, is held by another process, or is damaged.
    pub fn open(dir: &Path, options: HostOptions) -> Result<Self, HostError> {
        let (is_durable, terminal) = (options.is_durable, options.terminal);
        let prepared = prepare(
            dir,
            options.command,
            options.fingerprinter,
            options.alerts,
            OpenOptions::default(),
            now(),
        )?;
        let Prepared {
            host,
            log,
            from_readers,
            ledger,
            from_fold,
            flagged,
        } = prepared;
        let (to_fold, from_log) = mpsc::sync_channel(FOLD_QUEUE_BATCHES);
        if let Some((ledger, waiting)) = ledger {
            let alerts_dir = dir.join(ALERTS_DIR);
            let sinks = Sinks::open(&alerts_dir, terminal)
                .map_err(HostError::io("opening the alert outbox in", alerts_dir))?;
            let told = Putter::new(dir);
            let alerter = Alerter::new(dir, ledger, sinks).telling(told);
            host.spawn("alerts", move |host| {
                host.note(alerting::run(host, alerter, waiting, &from_fold));
            })?;
        }
        let writer = Writer::new(log, is_durable, Arc::clone(&host.shared.backlog));
        host.spawn("log", move |host| {
            host.note(append::run(writer, now, &from_readers, &to_fold));
        })?;
        host.spawn("fold", move |host| host.note(folding::run(host, &from_log)))?;
        let quarantined = host.shared.opened.quarantined;
        if quarantined > 0 {
            let stage = QUARANTINE_STAGE.to_owned();
            host.measure(|| count_of(Metric::Quarantined, "stage", stage, quarantined));
        }
        host.hand_to_alerts(flagged);
        host.hand_ended(&mut host.lock_fold());
        host.append_outstanding()?;
        if host.lock_fold().rules().is_none() {
            let rules = default_rules().map_err(HostError::Rules)?;
            host.activate_rules(&rules, DEFAULTS_ACTIVATED_BY)?;
        }
        host.take_rule_requests()?;
        let (until_stop, stopped) = mpsc::channel();
        *lock(&host.shared.until_stop) = Some(until_stop);
        host.spawn("rules", move |host| rules::run(host, &stopped))?;
        Ok(host)
    }

    fn spawn(
        &self,
        name: &'static str,
        work: impl FnOnce(&Host) + Send + 'static,
    ) -> Result<(), HostError> {
        let host = self.clone();
        let body = move || {
            let _guard = PanicGuard { host: &host, name };
            host.measure(|| work(&host));
        };
        let starting = HostError::io("starting a thread for", self.dir());
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map_err(starting)?;
        lock(&self.shared.threads).push(thread);
        Ok(())
    }

    /// Why the host takes nothing more, if it has failed. What is folded can still be read.
    #[must_use]
    pub fn failed(&self) -> Option<Arc<HostError>> {
        lock(&self.shared.failure).clone()
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// What was measured since it was opened.
    #[must_use]
    pub fn meter(&self) -> &Registry {
        &self.shared.meter
    }

    /// Lets what this thread counts meanwhile belong to this host.
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        self.shared.meter.measure(work)
    }

    /// What opening the directory did.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.shared.opened
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        now()
    }

    /// A new upload's id: later ones sort behind earlier ones.
    #[must_use]
    pub fn mint_upload_id(&self) -> UploadId {
        let millis_now = u64::try_from(now().unix_millis()).unwrap_or(0);
        let last = &self.shared.last_minted_millis;
        let before = last.fetch_max(millis_now, Ordering::Relaxed);
        let millis = if before < millis_now {
            millis_now
        } else {
            last.fetch_add(1, Ordering::Relaxed) + 1
        };
        upload_id_at(millis)
    }

    /// The items of a transaction id, of every merchant.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn transactions(
        &self,
        transaction_id: &str,
    ) -> Result<(Vec<Transaction>, AsOf), HostError> {
        let mut fold = self.lock_fold();
        let as_of = fold.as_of();
        Ok((fold.state.transactions(transaction_id)?, as_of))
    }

    /// An upload.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn upload(&self, id: UploadId) -> Result<Option<Upload>, HostError> {
        Ok(self.lock_fold().state.upload(id)?)
    }

    /// Uploads, newest first.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn uploads(
        &self,
        client_id: Option<&str>,
        before: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<Upload>, HostError> {
        Ok(self.lock_fold().state.uploads(UploadPage {
            client_id,
            before,
            limit,
        })?)
    }

    /// Uploads that were received and not wholly read.
    #[must_use]
    pub fn unfinished(&self) -> Vec<UploadId> {
        let received = self.unfinished_received();
        received.iter().map(|r| r.upload_id).collect()
    }

    /// What was received of them.
    #[must_use]
    pub fn unfinished_received(&self) -> Vec<UploadReceived> {
        let fold = self.lock_fold();
        let open = fold.state.open_uploads();
        open.filter(|upload| upload.ending.is_none())
            .filter_map(|upload| upload.received.clone())
            .collect()
    }

    /// How far the log is folded.
    #[must_use]
    pub fn as_of(&self) -> AsOf {
        self.lock_fold().as_of()
    }

    /// Findings in the history, as far as it is folded.
    #[must_use]
    pub fn findings(&self) -> u64 {
        self.lock_fold().findings()
    }

    /// What was handed to the alert sinks since the host was opened.
    #[must_use]
    pub fn alerts(&self) -> &AlertCounts {
        &self.shared.alerts
    }

    /// The rules that judge.
    #[must_use]
    pub fn rules(&self) -> Option<CheckedRules> {
        self.lock_fold().rules().cloned()
    }

    /// Returns once all that was appended is folded and its findings are folded too.
    ///
    /// # Errors
    /// The host failed.
    pub fn settle(&self) -> Result<(), HostError> {
        // The second time for the findings that the first time's rows caused; findings cause none.
        for _ in 0..2 {
            let (reply, answer) = mpsc::channel();
            self.send(ToLog::Barrier(reply))?;
            answer.recv().map_err(|_| self.failure())?;
        }
        Ok(())
    }

    /// Settles, hands on every gathered alert and publishes the state.
    ///
    /// # Errors
    /// The host failed.
    pub fn checkpoint(&self) -> Result<(), HostError> {
        self.settle()?;
        let to_alerts = lock(&self.shared.to_alerts).clone();
        if let Some(to_alerts) = to_alerts {
            let (reply, answer) = mpsc::channel();
            to_alerts
                .send(ToAlerts::Drain(reply))
                .map_err(|_| self.failure())?;
            answer.recv().map_err(|_| self.failure())?;
        }
        self.publish()
    }

    /// Publishes the state as it is now. What takes long holds up the fold, not those who ask.
    fn publish(&self) -> Result<(), HostError> {
        let _turn = lock(&self.shared.turn);
        let mut from = Some(0);
        while let Some(place) = from {
            from = self.lock_fold().state.write_profiles(place)?;
        }
        let begun = {
            let mut fold = self.lock_fold();
            let through = self.alerted_through(&fold);
            fold.begin_checkpoint(through)?
        };
        let written = begun.write();
        let retired = self.lock_fold().state.end_checkpoint(written)?;
        // Their files are removed once the state can be asked again.
        drop(retired);
        Ok(())
    }

    /// Ends: readers stop at a safe point, all that was appended is folded and published, and the
    /// directory is free.
    ///
    /// # Errors
    /// The host failed before or while ending.
    pub fn stop(self) -> Result<(), HostError> {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        drop(lock(&self.shared.until_stop).take());
        let published = self.checkpoint();
        drop(lock(&self.shared.to_log).take());
        drop(lock(&self.shared.to_alerts).take());
        let threads = std::mem::take(&mut *lock(&self.shared.threads));
        for thread in threads {
            // A panic has failed the host already.
            thread.join().ok();
        }
        drop(lock(&self.shared.lock).take());
        published
    }

    fn alerted_through(&self, fold: &Fold) -> u64 {
        if lock(&self.shared.to_alerts).is_none() {
            return fold.as_of().sequence;
        }
        self.shared.alerts.through(fold.as_of().sequence)
    }

    fn append_outstanding(&self) -> Result<(), HostError> {
        let mut batch = EventBatch::default();
        for verdict in self.lock_fold().outstanding() {
            batch
                .push_event(verdict.to_event())
                .map_err(HostError::Encode)?;
        }
        if !batch.is_empty() {
            self.send(ToLog::Append {
                batch,
                recycle: None,
            })?;
        }
        Ok(())
    }

    fn append_event(&self, event: Event<'static>) -> Result<(), HostError> {
        self.append_events(vec![event])
    }

    /// Appends all of them or, if a crash comes, none.
    fn append_events(&self, events: Vec<Event<'static>>) -> Result<(), HostError> {
        let mut batch = EventBatch::default();
        for event in events {
            batch.push_event(event).map_err(HostError::Encode)?;
        }
        self.send(ToLog::Append {
            batch,
            recycle: None,
        })?;
        let (reply, answer) = mpsc::channel();
        self.send(ToLog::Flush(reply))?;
        answer.recv().map_err(|_| self.failure())
    }

    fn send(&self, message: ToLog) -> Result<(), HostError> {
        let to_log = lock(&self.shared.to_log)
            .clone()
            .ok_or_else(|| self.failure())?;
        to_log.send(message).map_err(|_| self.failure())
    }

    fn hand_to_alerts(&self, findings: Vec<alerting::Flagged>) {
        if findings.is_empty() {
            return;
        }
        if let Some(to_alerts) = &*lock(&self.shared.to_alerts) {
            self.shared.alerts.expect(&findings);
            // The alerts' thread gone means that it failed, and it says so itself.
            to_alerts.send(ToAlerts::Findings(findings)).ok();
        }
    }

    /// Hands on which uploads have come to their end since the last time.
    fn hand_ended(&self, fold: &mut Fold) {
        let ended = fold.state.take_ended();
        if ended.is_empty() {
            return;
        }
        if let Some(to_alerts) = &*lock(&self.shared.to_alerts) {
            // As for findings.
            to_alerts.send(ToAlerts::Ended(ended)).ok();
        }
    }

    fn lock_fold(&self) -> FairMutexGuard<'_, Fold> {
        self.shared.fold.lock()
    }

    fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Relaxed)
    }

    /// Takes note of how a thread ended, before it lets go of its channels: whoever waits on them
    /// then learns why.
    fn note(&self, ended: Result<(), HostError>) {
        let Err(error) = ended else { return };
        let mut failure = lock(&self.shared.failure);
        if failure.is_none() {
            *failure = Some(Arc::new(error));
        }
        drop(failure);
        self.shared.failed.notify_all();
        drop(lock(&self.shared.to_log).take());
    }

    fn has_failed(&self) -> bool {
        lock(&self.shared.failure).is_some()
    }

    /// Why the host takes nothing more. Whoever asks has seen a channel close: unless the host is
    /// being stopped, a thread has ended and is about to say why.
    fn failure(&self) -> HostError {
        let unsaid = |failure: &mut Option<_>| failure.is_none() && !self.is_stopping();
        let waited =
            self.shared
                .failed
                .wait_timeout_while(lock(&self.shared.failure), FAILURE_WAIT, unsaid);
        let (failure, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            Some(cause) => HostError::Failed(Arc::clone(cause)),
            None => HostError::Stopping,
        }
    }
}

/// A thread that panics fails the host as one that ends with an error does.
struct PanicGuard<'a> {
    host: &'a Host,
    name: &'static str,
}

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.host.note(Err(HostError::Panicked(self.name)));
        }
    }
}

/// A mutex whose holder panicked is as good as any: the panic has failed the host.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
