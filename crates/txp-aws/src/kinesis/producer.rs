//! The history as a sink: events in, aggregated records out, in the order of each bucket.
//!
//! Events are gathered per bucket until an aggregated record is full or the sink is flushed; then
//! records go out, many in a call and several calls at a time, but **at most one record of a bucket
//! is on its way**, and the next follows when it is stored. So whatever fails, in part or with its
//! answer lost, the first occurrences of a bucket's events are in order. What was stored and sent
//! again is there twice; consumers drop the repeat by the watermark.
//!
//! Calls are driven by whoever appends or flushes, on their thread: no task of its own, nothing
//! goes on behind the caller's back, and what is dropped is at worst a lost answer.
//!
//! After an error the producer refuses everything: events may be missing in the stream, and later
//! ones must not be written behind the gap. The caller begins again from its watermarks, with a new one.
//!
//! Deliberately absent: a timer that sends half-full records (the caller flushes when it is done),
//! compression, and the shard map (one point per bucket needs none).

mod lanes;
mod pace;
mod settings;

pub use settings::{AGGREGATE_BYTES_DEFAULT, AGGREGATE_BYTES_VARIABLE, BadSetting, Settings};

use super::put::{EntryFailure, PutEntry, PutRecords};
use lanes::Lanes;
use pace::Pace;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use txp_pipeline::batch::EventBatch;
use txp_pipeline::port::{Clock, ErrorKind, EventSink, PortError};
use txp_pipeline::telemetry::{Metric, count};

/// The most records of one PutRecords call (Kinesis' documented limit).
pub const CALL_RECORDS_MAX: usize = 500;
/// The most bytes of one PutRecords call, keys counted (Kinesis' documented limit).
pub const CALL_BYTES_MAX: usize = 5 << 20;

/// The sink. `P` writes, `C` waits.
pub struct Producer<P, C> {
    client: Rc<P>,
    clock: Rc<C>,
    settings: Settings,
    lanes: Lanes,
    pace: Pace,
    calls: Vec<Call>,
    in_flight_bytes: usize,
    failed: Option<ErrorKind>,
}

type Call = Pin<Box<dyn Future<Output = Answered>>>;
type Answers = Result<Vec<Result<(), EntryFailure>>, PortError>;

/// A call that has ended.
struct Answered {
    entries: Vec<PutEntry>,
    bytes: usize,
    /// The pace's epoch when it was started.
    epoch: u64,
    answers: Answers,
}

/// How long to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Until little enough waits.
    RoomIsLeft,
    /// Until all is stored.
    AllIsStored,
}

impl<P: PutRecords + 'static, C: Clock + 'static> Producer<P, C> {
    /// A producer with nothing on its way.
    pub fn new(client: P, clock: C, settings: Settings) -> Self {
        Self {
            client: Rc::new(client),
            clock: Rc::new(clock),
            lanes: Lanes::new(settings.aggregate_bytes),
            pace: Pace::new(settings.calls_in_flight * CALL_BYTES_MAX),
            settings,
            calls: Vec::new(),
            in_flight_bytes: 0,
            failed: None,
        }
    }

    async fn drive(&mut self, until: Until) -> Result<(), PortError> {
        loop {
            let must_wait = match until {
                Until::RoomIsLeft => self.lanes.waiting_bytes() > self.settings.waiting_bytes_max,
                Until::AllIsStored => !self.calls.is_empty() || self.lanes.waiting_bytes() > 0,
            };
            self.start_calls(must_wait);
            let Some(answered) = self.next_answer(must_wait).await else {
                return Ok(());
            };
            if let Err(error) = self.take(answered) {
                return Err(self.fail(error));
            }
        }
    }

    /// Starts what may be started: all that is ready if there is `hurry`, else what fills a call.
    fn start_calls(&mut self, hurry: bool) {
        while self.calls.len() < self.settings.calls_in_flight
            && (hurry || self.lanes.ready_bytes() >= self.settings.call_bytes_min)
        {
            let room = self.pace.room(self.in_flight_bytes).min(CALL_BYTES_MAX);
            let is_alone = self.calls.is_empty();
            let (entries, attempts) = self.lanes.next_call(CALL_RECORDS_MAX, room, is_alone);
            if entries.is_empty() {
                return;
            }
            let bytes = entries.iter().map(PutEntry::request_bytes).sum();
            self.in_flight_bytes += bytes;
            let setbacks = self.pace.setbacks().max(attempts);
            let call = self.call(entries, bytes, self.wait_millis(setbacks));
            self.calls.push(call);
        }
    }

    fn wait_millis(&self, setbacks: u32) -> u64 {
        let bound = self.settings.retry.wait_bound_millis(setbacks + 1);
        match setbacks {
            0 => 0,
            _ => self.clock.jitter() % (bound + 1),
        }
    }

    fn call(&self, entries: Vec<PutEntry>, bytes: usize, wait_millis: u64) -> Call {
        let (client, clock) = (Rc::clone(&self.client), Rc::clone(&self.clock));
        let epoch = self.pace.epoch();
        Box::pin(async move {
            if wait_millis > 0 {
                clock.sleep(wait_millis).await;
            }
            let answers = client.put_records(&entries).await;
            Answered {
                entries,
                bytes,
                epoch,
                answers,
            }
        })
    }

    /// A call that has ended; without `wait` only if one has. `None` if there is none.
    async fn next_answer(&mut self, wait: bool) -> Option<Answered> {
        poll_fn(|context| {
            for (index, call) in self.calls.iter_mut().enumerate() {
                if let Poll::Ready(answered) = call.as_mut().poll(context) {
                    drop(self.calls.swap_remove(index));
                    return Poll::Ready(Some(answered));
                }
            }
            if wait && !self.calls.is_empty() {
                return Poll::Pending;
            }
            Poll::Ready(None)
        })
        .await
    }

    fn take(&mut self, answered: Answered) -> Result<(), PortError> {
        let Answered {
            entries,
            epoch,
            answers,
            bytes,
        } = answered;
        let in_flight_bytes = self.in_flight_bytes;
        self.in_flight_bytes -= bytes;
        let (mut stored, mut throttled) = (false, false);
        let (mut throttles, mut retries) = (0, 0);
        for (entry, answer) in entries.iter().zip(per_entry(entries.len(), answers)?) {
            match answer {
                Ok(()) => {
                    stored = true;
                    self.lanes.stored(entry.bucket);
                }
                Err(failure) if failure.kind == ErrorKind::Throttled => {
                    throttled = true;
                    throttles += 1;
                    retries += 1;
                    self.lanes.failed(entry.bucket, false);
                }
                Err(failure) if failure.kind == ErrorKind::Transient => {
                    let attempts = self.lanes.failed(entry.bucket, true);
                    retries += 1;
                    if attempts >= self.settings.retry.attempts_max {
                        return Err(refused(&failure, attempts));
                    }
                }
                Err(failure) => return Err(refused(&failure, 1)),
            }
        }
        count(Metric::EmitThrottles, throttles);
        count(Metric::EmitRetries, retries);
        if throttled {
            self.pace.throttled(epoch, stored, in_flight_bytes);
            if self.pace.setbacks() >= self.settings.retry.attempts_max {
                let context = "the stream stored nothing in many tries, each throttled; give it more shards, then try again";
                return Err(PortError::new(ErrorKind::Throttled, context));
            }
        } else if stored {
            self.pace.went_well(bytes);
        }
        self.lanes.put_back(entries);
        Ok(())
    }

    /// Drops all that is on its way and refuses what comes.
    fn fail(&mut self, error: PortError) -> PortError {
        self.failed = Some(error.kind);
        self.calls.clear();
        error
    }

    fn check(&self) -> Result<(), PortError> {
        self.failed.map_or(Ok(()), |kind| {
            let context = "this producer has failed before and takes nothing more; begin again from the watermarks with a new one";
            Err(PortError::new(kind, context))
        })
    }

    fn gather(&mut self, batch: &EventBatch) -> Result<(), PortError> {
        for entry in batch.entries() {
            let key = batch.partition_key(entry);
            self.lanes.gather(entry.bucket, &key, batch.json(entry))?;
        }
        Ok(())
    }
}

impl<P: PutRecords + 'static, C: Clock + 'static> EventSink for Producer<P, C> {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        self.check()?;
        let gathered = self.gather(batch);
        batch.clear();
        gathered.map_err(|error| self.fail(error))?;
        self.drive(Until::RoomIsLeft).await
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        self.check()?;
        self.lanes.close_all();
        self.drive(Until::AllIsStored).await?;
        if self.lanes.is_empty() {
            return Ok(());
        }
        let context = "records wait and none is on its way: a mistake of the producer; begin again from the watermarks";
        Err(self.fail(PortError::new(ErrorKind::Transient, context)))
    }
}

/// One answer for each entry, whatever came. What cannot be tried again is the error.
fn per_entry(entries: usize, answers: Answers) -> Result<Vec<Result<(), EntryFailure>>, PortError> {
    let failure = match answers {
        Ok(answers) if answers.len() == entries => return Ok(answers),
        Ok(answers) => EntryFailure {
            kind: ErrorKind::Transient,
            code: format!("{} answers for {entries} records", answers.len()),
        },
        Err(error) if error.is_retryable() => EntryFailure {
            kind: error.kind,
            code: error.to_string(),
        },
        Err(error) => return Err(error),
    };
    Ok(vec![Err(failure); entries])
}

fn refused(failure: &EntryFailure, attempts: u32) -> PortError {
    let context = format!(
        "the stream did not take a record, attempt {attempts}: {}; see whether the stream is there and active, then try again",
        failure.code
    );
    PortError::new(failure.kind, context)
}

#[cfg(test)]
mod tests;
