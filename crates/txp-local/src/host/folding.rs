//! The fold's thread: folds what is durable, sends findings back to the log, publishes the state
//! now and then.

use super::append::{DurableBatch, ToFold, ToLog};
use super::{Host, HostError};
use crate::block_on::block_on;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use txp_domain::event::{AnomalyFlagged, Event};
use txp_pipeline::batch::{Delivery, EventBatch};

/// Events folded in one go, while status requests wait: some ten milliseconds. The more at once, the
/// better neighbours in the state are visited together.
pub(super) const FOLD_EVENTS: usize = 1024;

/// A checkpoint is due once so many bytes of state are pending.
const CHECKPOINT_PENDING_BYTES: usize = 40 << 20;

/// A checkpoint is due so long after the last one, if anything was folded since: what a reader
/// beside the writer sees is not older.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// Batches that are durable and not yet folded, in the order of the log.
#[derive(Default)]
struct Waiting {
    batches: Vec<DurableBatch>,
    events: usize,
}

/// Runs until the log's thread is gone.
pub(super) fn run(host: &Host, from: &Receiver<ToFold>) -> Result<(), HostError> {
    let mut last_checkpoint = Instant::now();
    let mut published = host.as_of().sequence;
    let mut waiting = Waiting::default();
    loop {
        match from.recv_timeout(CHECKPOINT_EVERY) {
            Ok(message) => {
                let mut next = Some(message);
                while let Some(message) = next.take() {
                    match message {
                        ToFold::Durable(batch) => waiting.push(batch),
                        ToFold::Barrier(reply) => {
                            waiting.fold(host)?;
                            // Whoever asked may be gone.
                            reply.send(()).ok();
                        }
                    }
                    if waiting.events < FOLD_EVENTS {
                        next = from.try_recv().ok();
                    }
                }
                waiting.fold(host)?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        let mut fold = host.lock_fold();
        let is_due =
            last_checkpoint.elapsed() >= CHECKPOINT_EVERY && fold.as_of().sequence > published;
        if is_due || fold.state.pending_bytes() >= CHECKPOINT_PENDING_BYTES {
            let through = host.alerted_through(&fold);
            fold.checkpoint(through)?;
            published = fold.as_of().sequence;
            last_checkpoint = Instant::now();
        }
    }
}

impl Waiting {
    fn push(&mut self, batch: DurableBatch) {
        self.events += batch.events.len();
        self.batches.push(batch);
    }

    fn fold(&mut self, host: &Host) -> Result<(), HostError> {
        let mut events = self.batches.iter().flat_map(|batch| {
            batch
                .events
                .deliveries(batch.first_sequence, batch.arrival_millis)
        });
        loop {
            let deliveries: Vec<Delivery<'_>> = events.by_ref().take(FOLD_EVENTS).collect();
            if deliveries.is_empty() {
                break;
            }
            let folded = block_on(host.lock_fold().fold(&deliveries))?;
            host.hand_to_alerts(folded.flagged);
            append_findings(host, folded.found)?;
        }
        drop(events);
        self.events = 0;
        for DurableBatch {
            events, recycle, ..
        } in self.batches.drain(..)
        {
            if let Some(recycle) = recycle {
                // Its reader may have ended.
                recycle.send(events).ok();
            }
        }
        Ok(())
    }
}

fn append_findings(host: &Host, found: Vec<AnomalyFlagged>) -> Result<(), HostError> {
    if found.is_empty() {
        return Ok(());
    }
    let mut batch = EventBatch::default();
    for flagged in found {
        batch
            .push_event(Event::AnomalyFlagged(Box::new(flagged)))
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
