//! Who sends: looks what is due, tries, and writes down what came of it.

use super::http::Log;
use super::queue::{Ending, Mark, Queue, Waiting};
use crate::block_on::block_on;
use crate::clock;
use crate::control::Webhooks;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;
use txp_domain::time::Timestamp;
use txp_pipeline::webhook::{Attempt, Endpoint, Post, attempt, retry_seconds};

/// How long to wait before looking again.
const TICK: Duration = Duration::from_secs(1);
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// What came of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Messages taken.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Messages given up.
    pub gave_up: u64,
    /// Messages that wait for a later attempt.
    pub waiting: u64,
}

/// Sends everything that is due now; of an endpoint that fails, no more than one in this round.
///
/// # Errors
/// The endpoints or the queue cannot be read or written.
pub fn send_waiting<P: Post>(
    dir: &Path,
    queue: &mut Queue,
    post: &mut P,
    now: impl Fn() -> Timestamp,
) -> io::Result<Told> {
    let endpoints = Webhooks::to_read(dir).list().map_err(io::Error::other)?;
    queue.refresh()?;
    let mut told = Told::default();
    let mut failed = BTreeMap::new();
    for waiting in queue.waiting(&endpoints) {
        let endpoint = endpoints.iter().find(|e| e.id == waiting.webhook_id);
        let Some(endpoint) = endpoint else { continue };
        if waiting.due_at > now() || failed.contains_key(&endpoint.id) {
            told.waiting += 1;
            continue;
        }
        let mark = try_once(queue, post, endpoint, &waiting, now())?;
        match mark.ending {
            Some(Ending::Delivered) => told.delivered += 1,
            Some(Ending::GaveUp) => told.gave_up += 1,
            None => {
                told.failed += 1;
                told.waiting += 1;
                failed.insert(endpoint.id.clone(), ());
            }
        }
        queue.mark(mark)?;
    }
    queue.compact(&endpoints, now())?;
    Ok(told)
}

fn try_once<P: Post>(
    queue: &Queue,
    post: &mut P,
    endpoint: &Endpoint,
    waiting: &Waiting,
    now: Timestamp,
) -> io::Result<Mark> {
    let message = queue.message(waiting)?;
    let attempts = waiting.attempts + 1;
    let mut mark = Mark {
        id: waiting.id.clone(),
        webhook_id: endpoint.id.clone(),
        at: now,
        attempts,
        ending: None,
        answer: String::new(),
        next_at: None,
    };
    match block_on(attempt(post, endpoint, &message, now)) {
        Attempt::Delivered { status } => {
            mark.ending = Some(Ending::Delivered);
            mark.answer = status.to_string();
        }
        Attempt::Refused { why } => {
            mark.ending = Some(Ending::GaveUp);
            mark.answer = why;
        }
        Attempt::Failed { why } => {
            mark.answer = why;
            match retry_seconds(attempts, jitter()) {
                Some(seconds) => {
                    let wait = i64::try_from(seconds).unwrap_or(i64::MAX);
                    let wait = wait.saturating_mul(NANOS_PER_SECOND);
                    mark.next_at = Some(Timestamp(now.0.saturating_add(wait)));
                }
                None => mark.ending = Some(Ending::GaveUp),
            }
        }
    }
    Ok(mark)
}

fn jitter() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness attempts come a little more together.
    getrandom::fill(&mut bytes).ok();
    u64::from_le_bytes(bytes)
}

/// A thread that sends until it is told to end.
#[derive(Debug)]
pub struct Sender {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Sender {
    /// Starts it.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start<P: Post + Send + 'static>(dir: &Path, post: P, log: Log) -> io::Result<Self> {
        let (stop, told) = mpsc::channel();
        let dir = dir.to_path_buf();
        let body = move || run(&dir, post, &log, &told);
        let named = std::thread::Builder::new().name("webhooks".to_owned());
        let thread = named.spawn(body)?;
        Ok(Self { stop, thread })
    }

    /// Ends it: an attempt that runs is waited for.
    pub fn stop(self) {
        drop(self.stop);
        // A panic of it is no reason to end worse.
        self.thread.join().ok();
    }
}

fn run<P: Post>(dir: &Path, mut post: P, log: &Log, told: &mpsc::Receiver<()>) {
    let mut said = String::new();
    let mut queue = None;
    loop {
        let round = match &mut queue {
            Some(queue) => send_waiting(dir, queue, &mut post, clock::now).map(Some),
            None => Queue::open(dir).map(|opened| {
                queue = Some(opened);
                None
            }),
        };
        match round {
            Ok(Some(told)) if told.gave_up > 0 => log(&format!(
                "webhooks: {} messages were given up: `txp webhooks list` says why",
                told.gave_up
            )),
            Ok(_) => said.clear(),
            Err(error) => {
                // Once, not every second.
                let error = format!("webhooks: {error}");
                if error != said {
                    log(&error);
                    said = error;
                }
            }
        }
        match told.recv_timeout(TICK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
