//! Reading a file in steps: each goes as far as its time allows, and the next goes on where the last
//! checkpoint is, in another process if need be.
//!
//! A checkpoint is taken down once all before it is acknowledged, so whatever happens, no row is
//! lost; what came after it is read again and gives the same events again, which the fold
//! recognises. Passes, in order:
//!
//! 1. the digest of the whole file, where one was agreed on and nobody else vouches for it;
//! 2. of a strict upload: all rows, no event;
//! 3. all rows, into events;
//! 4. where a fault stopped the rows: the rest, for the digest.
//!
//! Deliberately absent: who may read (the caller holds the claim), and dry runs.

use super::measure;
use super::refusal::{object_gone, sha256_mismatch};
use super::rest::read_rest;
use super::state::{Phase, Place, ReadState};
use super::stretch::{Stretch, check_stretch, read_stretch};
use super::tries::{Tries, is_for_good};
use super::{Ending, IngestError, ReadingRules, RowIngest, Tally, failure_of, strict_refusal};
use crate::batch::{EventBatch, UploadContext};
use crate::csv::{ReadError, RecordReader, resume_offset};
use crate::port::{
    CheckpointStore, Clock, ErrorKind, EventSink, Kept, ObjectStore, PortError, ReportStore,
    Written,
};
use crate::rejects::RejectsWriter;
use crate::telemetry::{Metric, count};
use std::sync::Arc;
use txp_domain::card::Fingerprinter;
use txp_domain::event::{
    Event, FailureReason, UploadEvent, UploadFailed, UploadParsed, UploadReceived, UploadTally,
};
use txp_domain::time::Timestamp;

/// The most steps that one file is read in. At 15 minutes each, that is most of a day.
pub const HOPS_MAX: u32 = 64;

/// Bytes of the file between two checkpoints.
const CHECKPOINT_BYTES: u64 = 16 << 20;

/// Time between two checkpoints, each of which renews the claim on the file.
const CHECKPOINT_MILLIS: i64 = 15_000;

/// What is to be read.
pub struct Job<'a> {
    /// What is known of the upload.
    pub received: &'a UploadReceived,
    /// What its rows are held to.
    pub rules: &'a ReadingRules,
    /// Makes the cards' fingerprints.
    pub fingerprinter: &'a Fingerprinter,
    /// The file must have this SHA-256, and nobody has looked yet.
    pub sha256: Option<&'a str>,
    /// How often it was stopped for want of time, as far as the caller knows.
    pub hop: u32,
    /// How it went before; a file that was tried too often is given up.
    pub tries: Tries,
    /// A batch is appended once it has this many bytes; of two steps, each reads at least one.
    pub batch_bytes: usize,
    /// The history is none that is kept: nothing is counted.
    pub is_preview: bool,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The file is read; this event is in the history and the report is published.
    Ended(Box<UploadEvent>),
    /// Time was up: all is taken down for the next step.
    Stopped {
        /// How often that was so.
        hops: u32,
    },
}

/// One step, with all that it goes by.
pub struct Stepwise<'a, O, S, P, K, C> {
    /// What is to be read.
    pub job: Job<'a>,
    /// Where the file is.
    pub objects: &'a mut O,
    /// Where the events go.
    pub sink: &'a mut S,
    /// Where the report goes.
    pub report: &'a mut P,
    /// Where the checkpoints go.
    pub checkpoints: &'a mut K,
    /// The time.
    pub clock: &'a C,
}

/// What comes after a pass.
enum Next {
    Pass,
    Stop,
    End(Box<Ending>),
}

/// What rows are read by.
type Opened<R> = (RecordReader<R>, RejectsWriter<Vec<u8>>);

/// The last checkpoint.
struct Mark {
    /// No checkpoint says less than an earlier one.
    floor: (u64, u64),
    started_at: (u8, u64),
    kept_at: u64,
    kept_when: Timestamp,
}

impl<O, S, P, K, C> Stepwise<'_, O, S, P, K, C>
where
    O: ObjectStore,
    S: EventSink,
    P: ReportStore,
    K: CheckpointStore,
    C: Clock,
{
    /// Reads on from what was kept, or from the start.
    ///
    /// # Errors
    /// A port failed, or another reads the file by now. A later step goes on from the last
    /// checkpoint.
    pub async fn run(mut self, kept: Option<&Kept>) -> Result<Outcome, IngestError> {
        let done = self.step(kept).await;
        if let (Err(IngestError::Sink(error)), Some(kept)) = (&done, kept)
            && error.kind == ErrorKind::Corrupt
        {
            // What the checkpoint leads to is damaged: the next step begins at the start.
            let state = Vec::new();
            let _written = self
                .checkpoints
                .keep(&Kept {
                    state,
                    ..kept.clone()
                })
                .await?;
        }
        done
    }

    async fn step(&mut self, kept: Option<&Kept>) -> Result<Outcome, IngestError> {
        if let Some(reason) = self.job.tries.give_up() {
            return self.give_up(kept, reason).await;
        }
        let mut state = self.restore(kept).await?;
        state.hops = state.hops.max(self.job.hop);
        let mut mark = Mark {
            floor: kept.map_or((0, 0), |kept| (kept.record, kept.byte_offset)),
            started_at: state.progress(),
            kept_at: state.progress().1,
            kept_when: self.clock.now(),
        };
        self.announce(&mut state).await?;
        let ending = loop {
            let next = match &state.phase {
                Phase::Hashing | Phase::Rest { .. } => self.bytes(&mut state, &mut mark).await,
                Phase::Checking | Phase::Reading => self.rows(&mut state, &mut mark).await,
            };
            match next {
                Ok(Next::Pass) => {}
                Ok(Next::End(ending)) => break *ending,
                Err(IngestError::Source(error)) if error.kind == ErrorKind::Missing => {
                    break Ending::Failed(object_gone(), cut_short(&state));
                }
                Err(error) => return Err(error),
                Ok(Next::Stop) => {
                    let is_stuck = state.progress() <= mark.started_at;
                    state.hops += 1;
                    if let Some(reason) = no_progress(is_stuck, state.hops) {
                        break Ending::Failed(reason, cut_short(&state));
                    }
                    self.keep(&mut state, &mut mark).await?;
                    return Ok(Outcome::Stopped { hops: state.hops });
                }
            }
        };
        let event = self.end(&state, ending).await?;
        Ok(Outcome::Ended(Box::new(event)))
    }

    async fn announce(&mut self, state: &mut ReadState) -> Result<(), IngestError> {
        if state.is_announced {
            return Ok(());
        }
        let received = UploadEvent::Received(self.job.received.clone());
        append_event(self.sink, received).await?;
        self.count_events(1);
        if !self.job.is_preview {
            count(Metric::UploadsReceived, 1);
        }
        state.is_announced = true;
        Ok(())
    }

    /// Ends the upload where the last checkpoint is, and reads nothing: whatever stood in the way may
    /// still do so.
    async fn give_up(
        &mut self,
        kept: Option<&Kept>,
        reason: FailureReason,
    ) -> Result<Outcome, IngestError> {
        let state = kept.and_then(|kept| ReadState::decode(&kept.state));
        let mut state = state.unwrap_or_else(|| ReadState::start(self.first_rows()));
        self.announce(&mut state).await?;
        match self.settle_report_so_far(&state).await {
            // The file may be given up for just this: then it has no report.
            Err(error) if is_for_good(error.kind) => {}
            settled => settled?,
        }
        let ending = Ending::Failed(reason, cut_short(&state));
        let event = self.conclude(ending).await?;
        Ok(Outcome::Ended(Box::new(event)))
    }

    async fn settle_report_so_far(&mut self, state: &ReadState) -> Result<(), PortError> {
        self.report.resume(state.report.as_deref()).await?;
        self.settle_report(state).await
    }

    /// The state that was kept, or a new one where there is none that can be used.
    async fn restore(&mut self, kept: Option<&Kept>) -> Result<ReadState, IngestError> {
        if let Some(state) = kept.and_then(|kept| ReadState::decode(&kept.state)) {
            match self.report.resume(state.report.as_deref()).await {
                Ok(()) => return Ok(state),
                Err(error) if error.kind == ErrorKind::Corrupt => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.report.resume(None).await?;
        let phase = match self.job.sha256 {
            Some(_) => Phase::Hashing,
            None => self.first_rows(),
        };
        Ok(ReadState::start(phase))
    }

    fn first_rows(&self) -> Phase {
        if self.job.received.options.strict {
            Phase::Checking
        } else {
            Phase::Reading
        }
    }

    /// Flushes, then takes down where the reading stands.
    async fn keep(&mut self, state: &mut ReadState, mark: &mut Mark) -> Result<(), IngestError> {
        self.sink.flush().await?;
        state.report = Some(self.report.save().await?);
        mark.floor = mark.floor.max(state.acknowledged());
        let (record, byte_offset) = mark.floor;
        let kept = Kept {
            byte_offset,
            record,
            state: state.encode(),
        };
        if self.checkpoints.keep(&kept).await? == Written::Conflict {
            return Err(IngestError::Superseded);
        }
        mark.kept_at = state.progress().1;
        mark.kept_when = self.clock.now();
        Ok(())
    }

    /// Whether the last checkpoint is far or long enough behind.
    fn is_due(&self, mark: &Mark, at: u64) -> bool {
        let millis = self.clock.now().unix_millis() - mark.kept_when.unix_millis();
        at.saturating_sub(mark.kept_at) >= CHECKPOINT_BYTES || millis >= CHECKPOINT_MILLIS
    }

    /// A pass over bytes that are not looked at.
    async fn bytes(&mut self, state: &mut ReadState, mark: &mut Mark) -> Result<Next, IngestError> {
        let open = self.objects.open(state.digest.bytes()).await;
        let mut source = open.map_err(IngestError::Source)?;
        loop {
            let part = read_rest(&mut source, &mut state.digest, super::BATCH_BYTES as u64).await;
            let part = part.map_err(IngestError::Source)?;
            let is_all = part.map_err(|error| {
                let context = "reading the file failed";
                IngestError::Source(PortError::caused(ErrorKind::Transient, context, error))
            })?;
            if is_all {
                return Ok(self.after_bytes(state));
            }
            if self.checkpoints.is_time_up() {
                return Ok(Next::Stop);
            }
            if self.is_due(mark, state.digest.bytes()) {
                self.keep(state, mark).await?;
            }
        }
    }

    fn after_bytes(&self, state: &mut ReadState) -> Next {
        let tally = tally_of(state);
        if let Phase::Rest { reason, has_rows } = &state.phase {
            let tally = if *has_rows {
                tally
            } else {
                tally.without_rows()
            };
            return Next::End(Box::new(Ending::Failed(reason.clone(), tally)));
        }
        let found = tally.sha256.as_deref().unwrap_or_default();
        let is_agreed = |agreed: &str| agreed.eq_ignore_ascii_case(found);
        if !self.job.sha256.is_none_or(is_agreed) {
            return Next::End(Box::new(Ending::Failed(
                sha256_mismatch(),
                tally.without_rows(),
            )));
        }
        state.next_pass(self.first_rows());
        Next::Pass
    }

    /// A pass over rows.
    async fn rows(&mut self, state: &mut ReadState, mark: &mut Mark) -> Result<Next, IngestError> {
        let mut rows = self.row_ingest(state);
        let (mut reader, mut rejects) = match self.open_rows(state).await? {
            Ok(opened) => opened,
            Err(refused) => {
                let tally = rows.finish(None, &[]);
                return Ok(Next::End(Box::new(Ending::Failed(
                    failure_of(&refused),
                    tally,
                ))));
            }
        };
        let is_check = state.phase == Phase::Checking;
        let has_report = is_check || !self.job.received.options.strict;
        let mut batch = EventBatch::default();
        batch.restart(rows.context());
        let bytes = self.job.batch_bytes;
        // Who comes with no time reads a batch all the same, or would never get on.
        let has_time = !self.checkpoints.is_time_up();
        loop {
            let is_time_up = || has_time && self.checkpoints.is_time_up();
            let (reader, rows) = (&mut reader, &mut rows);
            let stretch = if is_check {
                let (batch, rejects) = (&mut batch, &mut rejects);
                check_stretch(reader, rows, batch, rejects, bytes, is_time_up).await?
            } else {
                let (batch, rejects) = (&mut batch, &mut rejects);
                let read = read_stretch(reader, rows, batch, rejects, None, bytes, is_time_up);
                let stretch = read.await?;
                self.count_events(batch.len());
                self.sink.append(batch).await?;
                batch.restart(rows.context());
                stretch
            };
            if has_report {
                self.report.take(rejects.out()).await?;
                self.count_rows(&state.tally, rows.tally());
            }
            rejects.out().clear();
            let at = reader.checkpoint();
            state.read_to(reader, rows.tally());
            match stretch {
                Stretch::Full if self.checkpoints.is_time_up() => return Ok(Next::Stop),
                Stretch::Full if self.is_due(mark, at.offset) => self.keep(state, mark).await?,
                Stretch::Full => {}
                Stretch::End => return self.after_rows(state).await,
                Stretch::Fault(reason) => {
                    let has_rows = !is_check;
                    state.phase = Phase::Rest { reason, has_rows };
                    mark.kept_at = state.digest.bytes();
                    return Ok(Next::Pass);
                }
            }
        }
    }

    /// A reader at the row where the state stands, and the report behind the rows before it.
    async fn open_rows(
        &mut self,
        state: &ReadState,
    ) -> Result<Result<Opened<O::Source>, ReadError>, IngestError> {
        let digest = Some(state.digest.clone());
        let Some(Place { header, at }) = &state.place else {
            let source = self.objects.open(0).await.map_err(IngestError::Source)?;
            let open = RecordReader::open_object(source, &self.job.rules.aliases, digest).await;
            let reader = match open.map_err(IngestError::Source)? {
                Ok(reader) => reader,
                Err(refused) => return Ok(Err(refused)),
            };
            let rejects = RejectsWriter::new(Vec::new(), reader.header());
            return Ok(Ok((reader, rejects.map_err(IngestError::Rejects)?)));
        };
        let offset = resume_offset(at, digest.as_ref());
        let source = self.objects.open(offset).await;
        let source = source.map_err(IngestError::Source)?;
        let rejects = RejectsWriter::resume(Vec::new(), header);
        let reader = RecordReader::resume(source, header.clone(), *at, digest);
        Ok(Ok((reader, rejects)))
    }

    async fn after_rows(&mut self, state: &mut ReadState) -> Result<Next, IngestError> {
        self.sink.flush().await?;
        let tally = tally_of(state);
        if state.phase == Phase::Reading {
            return Ok(Next::End(Box::new(Ending::Parsed(tally))));
        }
        if tally.rejected > 0 {
            let reason = strict_refusal(tally.rejected, tally.records);
            return Ok(Next::End(Box::new(Ending::Failed(
                reason,
                tally.without_rows(),
            ))));
        }
        self.report.discard().await?;
        state.next_pass(Phase::Reading);
        Ok(Next::Pass)
    }

    fn row_ingest(&self, state: &ReadState) -> RowIngest {
        let received = self.job.received;
        let fingerprinter = self.job.fingerprinter.clone();
        let context = UploadContext {
            upload_id: received.upload_id,
            uploaded_at: received.uploaded_at,
            key_id: fingerprinter.key_id().as_str().into(),
        };
        let rules = self.job.rules.rows.clone();
        let only = received.options.redrive.as_ref();
        RowIngest::new(Arc::new(context), rules, fingerprinter)
            .only(only.map(|redrive| redrive.records.clone()))
            .counting_from(state.tally.clone())
    }

    /// Publishes the report, then ends the upload.
    async fn end(&mut self, state: &ReadState, ending: Ending) -> Result<UploadEvent, IngestError> {
        self.settle_report(state).await?;
        self.conclude(ending).await
    }

    async fn settle_report(&mut self, state: &ReadState) -> Result<(), PortError> {
        if state.tally.rejected_records() > 0 {
            self.report.publish().await
        } else {
            self.report.discard().await
        }
    }

    async fn conclude(&mut self, ending: Ending) -> Result<UploadEvent, IngestError> {
        let event = ended(self.job.received, ending);
        append_event(self.sink, event.clone()).await?;
        self.count_events(1);
        if !self.job.is_preview {
            measure::ended(self.job.received, &event);
        }
        Ok(event)
    }

    fn count_events(&self, events: usize) {
        if !self.job.is_preview {
            count(Metric::EventsEmitted, events as u64);
        }
    }

    fn count_rows(&self, before: &Tally, after: &Tally) {
        if !self.job.is_preview {
            let valid = after.valid_records() - before.valid_records();
            count(Metric::RowsRead, after.records() - before.records());
            count(Metric::RowsValid, valid);
        }
    }
}

/// Appends an upload's own event and waits until it is durable.
///
/// # Errors
/// The history does not take it.
pub async fn append_event<S: EventSink>(sink: &mut S, event: UploadEvent) -> Result<(), PortError> {
    let mut batch = EventBatch::default();
    let event = Event::Upload(Box::new(event));
    batch.push_event(event).map_err(|error| {
        let context = "an upload's event cannot be written as JSON";
        PortError::caused(ErrorKind::Permanent, context, error)
    })?;
    sink.append(&mut batch).await?;
    sink.flush().await
}

/// The event by which an upload ends.
#[must_use]
pub fn ended(received: &UploadReceived, ending: Ending) -> UploadEvent {
    let (upload_id, uploaded_at) = (received.upload_id, received.uploaded_at);
    let trace = received.trace.clone();
    match ending {
        Ending::Parsed(tally) => UploadEvent::Parsed(UploadParsed {
            upload_id,
            uploaded_at,
            trace,
            tally,
        }),
        Ending::Failed(reason, tally) => UploadEvent::Failed(UploadFailed {
            upload_id,
            uploaded_at,
            trace,
            reason,
            tally,
        }),
    }
}

/// What was counted, with the digest of what was read.
fn tally_of(state: &ReadState) -> UploadTally {
    let header = state.place.as_ref().map(|place| &place.header);
    let unknown = header.map_or(&[][..], |header| header.unknown());
    state.tally.finish(Some(&state.digest), unknown)
}

/// What the rows before a checkpoint come to, for an upload that ends without being read on.
#[must_use]
pub fn tally_so_far(kept: Option<&Kept>) -> UploadTally {
    let state = kept.and_then(|kept| ReadState::decode(&kept.state));
    state.map_or_else(UploadTally::default, |state| cut_short(&state))
}

/// What was counted before the reading was given up: of an earlier pass, no row is in the history.
fn cut_short(state: &ReadState) -> UploadTally {
    let tally = state.tally.finish(None, &[]);
    match state.phase {
        Phase::Reading | Phase::Rest { has_rows: true, .. } => tally,
        _ => tally.without_rows(),
    }
}

fn no_progress(is_stuck: bool, hops: u32) -> Option<FailureReason> {
    let message = if is_stuck {
        "a whole step of reading did not get any further in the file".to_owned()
    } else if hops > HOPS_MAX {
        format!("the file was not read within {HOPS_MAX} steps")
    } else {
        return None;
    };
    Some(FailureReason {
        code: "no_progress".to_owned(),
        message,
        hint: "send the file again in smaller parts; if that fails too, tell the operator"
            .to_owned(),
        line: None,
    })
}

#[cfg(test)]
mod tests;
