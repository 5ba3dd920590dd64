//! The log as a reader of files sees it: batches go out, a few at a time, and come back empty.

use super::append::ToLog;
use super::{Host, HostError};
use std::sync::mpsc::{self, Receiver, Sender};
use txp_pipeline::batch::EventBatch;
use txp_pipeline::port::{ErrorKind, EventSink, PortError};

/// Batches that one reader has on their way.
const BATCHES_IN_FLIGHT: usize = 4;

/// One reader's way to the log.
pub(super) struct LogSink {
    host: Host,
    recycle: Sender<EventBatch>,
    emptied: Receiver<EventBatch>,
    made: usize,
}

impl LogSink {
    pub(super) fn new(host: &Host) -> Self {
        let (recycle, emptied) = mpsc::channel();
        Self {
            host: host.clone(),
            recycle,
            emptied,
            made: 0,
        }
    }

    fn empty_batch(&mut self) -> Result<EventBatch, HostError> {
        if self.made < BATCHES_IN_FLIGHT {
            self.made += 1;
            return Ok(EventBatch::default());
        }
        loop {
            // The sender lives in self, so a failed host is noticed by looking.
            match self
                .emptied
                .recv_timeout(std::time::Duration::from_millis(200))
            {
                Ok(mut batch) => {
                    batch.clear();
                    return Ok(batch);
                }
                Err(_) if self.host.has_failed() => return Err(self.host.failure()),
                Err(_) => {}
            }
        }
    }
}

fn port_error(error: HostError) -> PortError {
    PortError::caused(ErrorKind::Permanent, "the log takes no more events", error)
}

impl EventSink for LogSink {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        if batch.is_empty() {
            // No frame would take it along, so it would not come back.
            return Ok(());
        }
        let empty = self.empty_batch().map_err(port_error)?;
        let full = std::mem::replace(batch, empty);
        let recycle = Some(self.recycle.clone());
        self.host
            .send(ToLog::Append {
                batch: full,
                recycle,
            })
            .map_err(port_error)
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        let (reply, answer) = mpsc::channel();
        self.host.send(ToLog::Flush(reply)).map_err(port_error)?;
        answer.recv().map_err(|_| port_error(self.host.failure()))
    }
}
