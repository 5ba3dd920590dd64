//! Who sends: looks what is due, tries, and writes down what came of it.

use super::queue::Queue;
use crate::block_on::block_on;
use crate::clock;
use crate::control::Webhooks;
use crate::host::Host;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;
use txp_domain::time::Timestamp;
use txp_pipeline::webhook::{Post, Round, Told};

/// How long to wait before looking again.
const TICK: Duration = Duration::from_secs(1);

/// Where a sender says what went wrong.
type Log = Arc<dyn Fn(&str) + Send + Sync>;

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
    let mut round = Round::new(post, jitter);
    for waiting in queue.waiting(&endpoints) {
        let endpoint = endpoints.iter().find(|e| e.id == waiting.webhook_id);
        let Some(endpoint) = endpoint else { continue };
        if waiting.due_at > now() || round.rests_until(endpoint).is_some() {
            round.waits();
            continue;
        }
        let message = queue.message(&waiting)?;
        let mark = block_on(round.try_once(endpoint, &message, waiting.attempts, now()));
        queue.mark(mark)?;
    }
    queue.compact(&endpoints, now())?;
    Ok(round.told())
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
    /// Starts it over the directory of a host, in whose figures it counts.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start<P: Post + Send + 'static>(host: &Host, post: P, log: Log) -> io::Result<Self> {
        let (stop, told) = mpsc::channel();
        let host = host.clone();
        let body = move || host.measure(|| run(host.dir(), post, &log, &told));
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
