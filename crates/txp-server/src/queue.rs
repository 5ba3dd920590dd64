//! Files that arrived and are read, a few at a time, by threads of their own.
//!
//! The queue itself needs no file: the links know what arrived and has not ended, or the history
//! does where the links were lost, and a start queues it again. A body is deleted once its end is
//! written down, never before.

use crate::answer::chain;
use crate::app::App;
use rustix::process::setpriority_process;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_local::control::Arrival;
use txp_local::host::{HostError, Intake, ReadProgress};
use txp_pipeline::document::{UploadSource, first_errors, upload_document};
use txp_pipeline::stage::ingest::IngestError;

/// How long to wait after a file could not be read for a reason that is not its own, by try.
const RETRY_SECONDS: [u64; 4] = [1, 5, 30, 300];

/// What the threads that read files give way by, to those that answer: on Linux a thread has a nice value
/// of its own (setpriority(2), "C library/kernel differences").
const READING_NICE: i32 = 10;

/// Where a host keeps what dry runs write.
const SCRATCH_DIR: &str = "tmp";

/// What waits, and how far the ones being read are.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    running: HashMap<UploadId, Running>,
    is_stopping: bool,
}

/// A file that is being read.
struct Running {
    uploaded_at: Timestamp,
    progress: ReadProgress,
}

struct Waiting {
    arrival: Arrival,
    tries: usize,
    not_before: Option<Instant>,
}

impl Queue {
    /// Adds a file that arrived.
    pub(crate) fn push(&self, arrival: Arrival) {
        self.lock().waiting.push_back(Waiting {
            arrival,
            tries: 0,
            not_before: None,
        });
        self.changed.notify_one();
    }

    /// How many files wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The files that wait, and when they arrived; dry runs are nobody's lag.
    pub(crate) fn waiting(&self) -> Vec<(UploadId, Timestamp)> {
        let state = self.lock();
        let waiting = state.waiting.iter().filter(|w| !w.arrival.dry_run);
        waiting
            .map(|w| (w.arrival.upload_id, w.arrival.uploaded_at))
            .collect()
    }

    /// How many files are being read.
    pub(crate) fn reading(&self) -> usize {
        self.lock().running.len()
    }

    /// When the file arrived that is there for longest.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        let state = self.lock();
        let waiting = state.waiting.iter().map(|w| w.arrival.uploaded_at);
        let running = state.running.values().map(|r| r.uploaded_at);
        waiting.chain(running).min()
    }

    /// How far a file is read, in hundredths of its bytes.
    pub(crate) fn percent(&self, upload_id: UploadId) -> Option<u8> {
        let progress = self.lock().running.get(&upload_id)?.progress;
        let hundredths = progress.bytes.saturating_mul(100);
        // 100 is kept for completed.
        u8::try_from(hundredths.checked_div(progress.bytes_total)?.min(99)).ok()
    }

    /// Lets the threads end once they have put down what they hold.
    pub(crate) fn stop(&self) {
        self.lock().is_stopping = true;
        self.changed.notify_all();
    }

    fn next(&self) -> Option<Waiting> {
        let mut state = self.lock();
        loop {
            if state.is_stopping {
                return None;
            }
            let now = Instant::now();
            let is_due = |waiting: &Waiting| waiting.not_before.is_none_or(|at| at <= now);
            if let Some(at) = state.waiting.iter().position(is_due) {
                let next = state.waiting.remove(at)?;
                let started = Running {
                    uploaded_at: next.arrival.uploaded_at,
                    progress: ReadProgress::default(),
                };
                state.running.insert(next.arrival.upload_id, started);
                return Some(next);
            }
            let soonest = state.waiting.iter().filter_map(|w| w.not_before).min();
            let pause = soonest.map_or(Duration::from_secs(3600), |at| at - now);
            state = match self.changed.wait_timeout(state, pause) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn put_back(&self, mut waiting: Waiting) {
        let seconds = RETRY_SECONDS.get(waiting.tries).or(RETRY_SECONDS.last());
        let pause = Duration::from_secs(seconds.copied().unwrap_or_default());
        waiting.not_before = Some(Instant::now() + pause);
        waiting.tries += 1;
        self.lock().waiting.push_back(waiting);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Queues what a former run left, deletes bodies that no one waits for, and starts the readers.
pub(crate) fn start(app: &Arc<App>) -> std::io::Result<Vec<JoinHandle<()>>> {
    let mut waiting = app.links.waiting();
    let unfinished = app.host.unfinished_received();
    for upload_id in app.spool.whole()? {
        if waiting.iter().any(|arrival| arrival.upload_id == upload_id) {
            continue;
        }
        match unfinished.iter().find(|r| r.upload_id == upload_id) {
            // It was acknowledged; what the links knew of it is lost, the history has all of it.
            Some(received) => waiting.push(Arrival::new(received.clone(), false)),
            None if app.links.is_empty() && !has_ended(app, upload_id)? => app.log(&format!(
                "uploads/{upload_id}.csv stays: no link is known at all, as if their file was \
                 lost, so it may be a file that was acknowledged; delete it if it was not"
            )),
            // A body that is not known to have arrived was never acknowledged.
            None => app.spool.delete(upload_id)?,
        }
    }
    for arrival in waiting {
        if arrival.dry_run {
            let left = app
                .host
                .dir()
                .join(SCRATCH_DIR)
                .join(arrival.upload_id.as_str());
            // Mostly there is none.
            std::fs::remove_dir_all(left).ok();
        }
        app.queue.push(arrival);
    }
    (0..app.options.ingests_max)
        .map(|_| {
            let app = Arc::clone(app);
            let named = std::thread::Builder::new().name("ingest".to_owned());
            named.spawn(move || read_all(&app))
        })
        .collect()
}

/// Whether the history knows an upload, to its end.
fn has_ended(app: &App, upload_id: UploadId) -> std::io::Result<bool> {
    let upload = app.host.upload(upload_id).map_err(std::io::Error::other)?;
    Ok(upload.is_some_and(|upload| upload.ending.is_some()))
}

fn read_all(app: &App) {
    if let Err(error) = setpriority_process(None, READING_NICE) {
        app.log(&format!(
            "files are read at the priority of all else: {error}"
        ));
    }
    while let Some(waiting) = app.queue.next() {
        let upload_id = waiting.arrival.upload_id;
        let read = read(app, &waiting.arrival);
        app.queue.lock().running.remove(&upload_id);
        match read {
            Ok(()) => {}
            Err(ReadFailure::Stopped) => {
                app.queue.stop();
                return;
            }
            // A host that failed reads nothing more: the next start does, the body waits for it.
            Err(ReadFailure::Failed(_)) if app.host.failed().is_some() => {
                app.queue.stop();
                return;
            }
            Err(ReadFailure::Failed(cause)) => {
                app.log(&format!("upload {upload_id} is tried again: {cause}"));
                app.queue.put_back(waiting);
            }
        }
    }
}

enum ReadFailure {
    Stopped,
    Failed(String),
}

impl From<HostError> for ReadFailure {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Stopping | HostError::Ingest(IngestError::Stopped) => Self::Stopped,
            error => Self::Failed(chain(&error)),
        }
    }
}

/// Reads one file to its end, writes the end down, and deletes the body.
fn read(app: &App, arrival: &Arrival) -> Result<(), ReadFailure> {
    let upload_id = arrival.upload_id;
    let failed = |error: &(dyn std::error::Error + 'static)| ReadFailure::Failed(chain(error));
    let intake = Intake {
        received: arrival.received(),
        path: app.spool.path(upload_id),
        dry_run: arrival.dry_run,
    };
    let report = app.host.ingest(&intake, &mut |progress| {
        if let Some(running) = app.queue.lock().running.get_mut(&upload_id) {
            running.progress = progress;
        }
    })?;
    let kept = match arrival.dry_run {
        false => None,
        true => {
            let errors = match &report.rejects {
                Some(path) => std::fs::File::open(path)
                    .and_then(|file| first_errors(std::io::BufReader::new(file)))
                    .map_err(|error| failed(&error))?,
                None => Vec::new(),
            };
            let source = UploadSource {
                is_dry_run: true,
                findings: report.dry_run_findings,
                percent_read: None,
                errors,
                rejects_url: report.rejects.map(|_| crate::read::rejects_url(upload_id)),
            };
            let document = upload_document(&report.upload, source);
            Some(serde_json::to_value(document).map_err(|error| failed(&error))?)
        }
    };
    let ended = app.links.end(upload_id, app.now(), kept);
    ended.map_err(|error| failed(&error))?;
    app.spool.delete(upload_id).map_err(|error| failed(&error))
}
