//! The fold's thread: folds what is durable, sends findings back to the log, publishes the state
//! now and then.

use super::append::{ToFold, ToLog};
use super::{Host, HostError, lock};
use crate::block_on::block_on;
use crate::clock::now;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use txp_domain::event::Verdict;
use txp_pipeline::batch::{Delivery, EventBatch};
use txp_pipeline::telemetry::{Metric, observe};

/// Events folded in one go, while status requests wait: about a millisecond.
pub(super) const FOLD_EVENTS: usize = 1024;

/// A checkpoint is due once so many bytes of state are pending.
pub(super) const CHECKPOINT_PENDING_BYTES: usize = 40 << 20;

/// A checkpoint is due so long after the last one, if anything was folded since: what a reader
/// beside the writer sees is not older.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// Runs until the log's thread is gone.
pub(super) fn run(host: &Host, from: &Receiver<ToFold>) -> Result<(), HostError> {
    let mut last_checkpoint = Instant::now();
    let mut published = host.as_of().sequence;
    loop {
        match from.recv_timeout(CHECKPOINT_EVERY) {
            Ok(message) => take(host, message)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        let (through, pending_bytes) = {
            let fold = host.lock_fold();
            (fold.as_of().sequence, fold.state.pending_bytes())
        };
        let is_due = last_checkpoint.elapsed() >= CHECKPOINT_EVERY && through > published;
        if is_due || pending_bytes >= CHECKPOINT_PENDING_BYTES {
            host.publish()?;
            published = through;
            last_checkpoint = Instant::now();
        }
    }
}

/// Does what is asked.
pub(super) fn take(host: &Host, message: ToFold) -> Result<(), HostError> {
    match message {
        ToFold::Durable {
            batch,
            recycle,
            first_sequence,
            arrival_millis,
        } => {
            fold_batch(host, &batch, first_sequence, arrival_millis)?;
            host.shared.backlog.pop();
            let lag = now().unix_millis().saturating_sub(arrival_millis).max(0);
            // Milliseconds are exact in a float for longer than anyone waits.
            observe(Metric::FoldLagMilliseconds, lag as f64);
            if let Some(recycle) = recycle {
                // Its reader may have ended.
                recycle.send(batch).ok();
            }
        }
        // Whoever asked may be gone.
        ToFold::Barrier(reply) => {
            reply.send(()).ok();
        }
    }
    Ok(())
}

fn fold_batch(
    host: &Host,
    batch: &EventBatch,
    first_sequence: u64,
    arrival_millis: i64,
) -> Result<(), HostError> {
    let mut events = batch.deliveries(first_sequence, arrival_millis);
    loop {
        let deliveries: Vec<Delivery<'_>> = events.by_ref().take(FOLD_EVENTS).collect();
        if deliveries.is_empty() {
            return Ok(());
        }
        let _turn = lock(&host.shared.turn);
        let mut fold = host.lock_fold();
        let folded = block_on(fold.fold(&deliveries))?;
        // Before anyone else can publish the fold: a checkpoint in between would say that these are
        // recorded as alerts, and a crash then would lose them.
        host.hand_to_alerts(folded.flagged);
        host.hand_ended(&mut fold);
        drop(fold);
        append_findings(host, folded.found)?;
    }
}

fn append_findings(host: &Host, found: Vec<Verdict>) -> Result<(), HostError> {
    if found.is_empty() {
        return Ok(());
    }
    let mut batch = EventBatch::default();
    for verdict in found {
        batch
            .push_event(verdict.to_event())
            .map_err(HostError::Encode)?;
    }
    match host.send(ToLog::Append {
        batch,
        recycle: None,
    }) {
        // They are outstanding in the checkpoint and appended at the next start.
        Err(HostError::Stopping) => Ok(()),
        sent => sent,
    }
}
