//! The log writer's thread: batches from many, one frame and one sync at a time, then on to the
//! fold. Nothing is acknowledged or folded before it is durable.

use super::HostError;
use super::standing::Backlog;
use crate::log::{FrameBuilder, LogWriter};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use txp_domain::time::Timestamp;
use txp_pipeline::batch::EventBatch;
use txp_pipeline::telemetry::{Metric, count};

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
    Durable {
        batch: EventBatch,
        recycle: Option<Sender<EventBatch>>,
        first_sequence: u64,
        arrival_millis: i64,
    },
    /// Say when all that came before is folded.
    Barrier(Sender<()>),
}

/// Runs until every sender is gone.
pub(crate) fn run(
    mut writer: Writer,
    now: impl Fn() -> Timestamp,
    from: &Receiver<ToLog>,
    to: &SyncSender<ToFold>,
) -> Result<(), HostError> {
    while let Ok(message) = from.recv() {
        writer.take(message, from, to, &now)?;
    }
    Ok(())
}

type Owned = (EventBatch, Option<Sender<EventBatch>>);

/// The log, and what is on its way into the next frame.
pub(crate) struct Writer {
    log: LogWriter,
    is_durable: bool,
    backlog: Arc<Backlog>,
    frame: FrameBuilder,
    group: Vec<Owned>,
}

impl Writer {
    pub(crate) fn new(log: LogWriter, is_durable: bool, backlog: Arc<Backlog>) -> Self {
        Self {
            log,
            is_durable,
            backlog,
            frame: FrameBuilder::new(),
            group: Vec::new(),
        }
    }

    /// Does what is asked, together with what waits behind it as far as a frame has room.
    pub(crate) fn take(
        &mut self,
        message: ToLog,
        from: &Receiver<ToLog>,
        to: &SyncSender<ToFold>,
        now: &impl Fn() -> Timestamp,
    ) -> Result<(), HostError> {
        let mut next = Some(message);
        while let Some(message) = next.take() {
            match message {
                ToLog::Append { batch, recycle } => {
                    for entry in batch.entries() {
                        self.frame.push(entry.bucket, batch.json(entry))?;
                    }
                    self.group.push((batch, recycle));
                }
                ToLog::Flush(reply) => {
                    self.append(to, now)?;
                    // Whoever asked may be gone.
                    reply.send(()).ok();
                }
                ToLog::Barrier(reply) => {
                    self.append(to, now)?;
                    to.send(ToFold::Barrier(reply)).ok();
                }
            }
            if !self.frame.is_full() {
                next = from.try_recv().ok();
            }
        }
        self.append(to, now)
    }

    fn append(
        &mut self,
        to: &SyncSender<ToFold>,
        now: &impl Fn() -> Timestamp,
    ) -> Result<(), HostError> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let now_ms = u64::try_from(now().unix_millis()).unwrap_or(0);
        let appended = self.log.append(now_ms, &mut self.frame)?;
        if self.is_durable {
            self.log.sync()?;
        }
        self.frame.clear();
        let mut first_sequence = appended.first;
        let arrival_millis = i64::try_from(appended.arrival_ms).unwrap_or(i64::MAX);
        for (batch, recycle) in self.group.drain(..) {
            let events = batch.len() as u64;
            count(Metric::EventsEmitted, events);
            self.backlog.push(arrival_millis);
            // The fold gone means that it failed, and it says so itself.
            to.send(ToFold::Durable {
                batch,
                recycle,
                first_sequence,
                arrival_millis,
            })
            .ok();
            first_sequence += events;
        }
        Ok(())
    }
}
