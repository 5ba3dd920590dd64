//! The log writer's thread: batches from many, one frame and one sync at a time, then on to the
//! fold. Nothing is acknowledged or folded before it is durable.

use super::HostError;
use crate::log::{FrameBuilder, LogWriter};
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use txp_domain::time::Timestamp;
use txp_pipeline::batch::EventBatch;

/// What is asked of the log writer, in order.
pub(crate) enum ToLog {
    /// Append a batch; it goes back to its owner once folded.
    Append {
        batch: EventBatch,
        recycle: Option<Sender<EventBatch>>,
    },
    /// Say when all that came before is durable.
    Flush(Sender<()>),
    /// Say when all that came before is folded.
    Barrier(Sender<()>),
}

/// What is handed to the fold, in the order of the log.
pub(crate) enum ToFold {
    /// A batch that is durable.
    Durable(DurableBatch),
    /// Say when all that came before is folded.
    Barrier(Sender<()>),
}

/// A batch and where it stands in the log.
pub(crate) struct DurableBatch {
    pub(crate) events: EventBatch,
    pub(crate) recycle: Option<Sender<EventBatch>>,
    pub(crate) first_sequence: u64,
    pub(crate) arrival_millis: i64,
}

/// Runs until every sender is gone.
pub(crate) fn run(
    mut log: LogWriter,
    is_durable: bool,
    now: impl Fn() -> Timestamp,
    from: &Receiver<ToLog>,
    to: &SyncSender<ToFold>,
) -> Result<(), HostError> {
    let mut frame = FrameBuilder::new();
    let mut group = Vec::new();
    while let Ok(message) = from.recv() {
        let mut next = Some(message);
        while let Some(message) = next.take() {
            match message {
                ToLog::Append { batch, recycle } => {
                    for entry in batch.entries() {
                        frame.push(entry.bucket, batch.json(entry))?;
                    }
                    group.push((batch, recycle));
                }
                ToLog::Flush(reply) => {
                    append(&mut log, &mut frame, &mut group, is_durable, &now, to)?;
                    // Whoever asked may be gone.
                    reply.send(()).ok();
                }
                ToLog::Barrier(reply) => {
                    append(&mut log, &mut frame, &mut group, is_durable, &now, to)?;
                    to.send(ToFold::Barrier(reply)).ok();
                }
            }
            if !frame.is_full() {
                next = from.try_recv().ok();
            }
        }
        append(&mut log, &mut frame, &mut group, is_durable, &now, to)?;
    }
    Ok(())
}

type Owned = (EventBatch, Option<Sender<EventBatch>>);

fn append(
    log: &mut LogWriter,
    frame: &mut FrameBuilder,
    group: &mut Vec<Owned>,
    is_durable: bool,
    now: &impl Fn() -> Timestamp,
    to: &SyncSender<ToFold>,
) -> Result<(), HostError> {
    if frame.is_empty() {
        return Ok(());
    }
    let now_ms = u64::try_from(now().unix_millis()).unwrap_or(0);
    let appended = log.append(now_ms, frame)?;
    if is_durable {
        log.sync()?;
    }
    frame.clear();
    let mut first_sequence = appended.first;
    let arrival_millis = i64::try_from(appended.arrival_ms).unwrap_or(i64::MAX);
    for (events, recycle) in group.drain(..) {
        let next_sequence = first_sequence + events.len() as u64;
        let batch = DurableBatch {
            events,
            recycle,
            first_sequence,
            arrival_millis,
        };
        // The fold gone means that it failed, and it says so itself.
        to.send(ToFold::Durable(batch)).ok();
        first_sequence = next_sequence;
    }
    Ok(())
}
