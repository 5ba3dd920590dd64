//! What reads files into the host, a few rows at a time, and starts again where the state says.

use crate::random::Random;
use crate::workload::Upload;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use txp_domain::event::{Event, UploadEvent, UploadParsed, UploadTally};
use txp_domain::upload::Watermarks;
use txp_local::host::{Host, HostError, Stepped};
use txp_pipeline::batch::{EventBatch, UploadContext};
use txp_pipeline::csv::{FileDigest, RecordReader};
use txp_pipeline::port::AlertSink;
use txp_pipeline::stage::ingest::{ReadingRules, RowIngest};

/// One upload on its way.
pub(super) struct Reader {
    pub(super) upload: usize,
    step: Step,
    /// Told once what was handed over is durable; nothing goes on before.
    durable: Option<Receiver<()>>,
}

enum Step {
    Announce,
    Rows {
        /// The next batch is the last.
        batches: Option<(Vec<EventBatch>, UploadTally)>,
    },
    End(UploadTally),
    Ended,
    Done,
}

impl Reader {
    pub(super) fn new(upload: usize) -> Self {
        Self {
            upload,
            step: Step::Announce,
            durable: None,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    /// Begins again from what the host has. `Err`: it has lost what it had acknowledged.
    pub(super) fn restart(&mut self, host: &Host, upload: &Upload) -> Result<(), String> {
        self.durable = None;
        let known = host.upload(upload.id).map_err(|error| error.to_string())?;
        let is_ended = known.as_ref().is_some_and(|known| known.ending.is_some());
        if self.is_done() && !is_ended {
            return Err(format!("{}: its acknowledged end is lost", upload.id));
        }
        self.step = match known {
            Some(known) if known.ending.is_some() => Step::Done,
            Some(known) if known.received.is_some() => Step::Rows { batches: None },
            _ => Step::Announce,
        };
        Ok(())
    }

    /// Hands a little more over, unless it waits.
    pub(super) fn go_on<S: AlertSink>(
        &mut self,
        random: &mut Random,
        host: &Stepped<S>,
        upload: &Upload,
        (chunk_max, repeats_permille): (usize, u32),
    ) -> Result<(), HostError> {
        match self.durable.as_ref().map(Receiver::try_recv) {
            Some(Err(TryRecvError::Empty)) => return Ok(()),
            _ => self.durable = None,
        }
        match &mut self.step {
            Step::Announce => {
                host.append_event(Event::Upload(Box::new(UploadEvent::Received(
                    upload.received(),
                ))))?;
                self.durable = Some(host.flush()?);
                self.step = Step::Rows { batches: None };
            }
            Step::Rows { batches } => {
                let (waiting, tally) = match batches {
                    Some(batches) => batches,
                    None => {
                        let known = host.host().upload(upload.id)?;
                        let folded = known.and_then(|known| known.watermarks);
                        batches.insert(read(random, upload, folded.as_ref(), chunk_max))
                    }
                };
                if let Some(batch) = waiting.pop() {
                    if random.permille(repeats_permille) {
                        host.append(batch.clone())?;
                    }
                    host.append(batch)?;
                    return Ok(());
                }
                self.step = Step::End(tally.clone());
                self.durable = Some(host.flush()?);
            }
            Step::End(tally) => {
                let parsed = UploadParsed {
                    upload_id: upload.id,
                    uploaded_at: upload.received().uploaded_at,
                    trace: None,
                    tally: tally.clone(),
                };
                host.append_event(Event::Upload(Box::new(UploadEvent::Parsed(parsed))))?;
                self.step = Step::Ended;
                self.durable = Some(host.flush()?);
            }
            Step::Ended => self.step = Step::Done,
            Step::Done => {}
        }
        Ok(())
    }
}

/// The batches of an upload's rows that are not folded yet, the first one last, and what reading
/// the file gave.
pub(super) fn read(
    random: &mut Random,
    upload: &Upload,
    folded: Option<&Watermarks>,
    chunk_max: usize,
) -> (Vec<EventBatch>, UploadTally) {
    let received = upload.received();
    let rules = ReadingRules::of(&received).unwrap();
    let fingerprinter = upload.fingerprinter();
    let context = Arc::new(UploadContext {
        upload_id: upload.id,
        uploaded_at: received.uploaded_at,
        key_id: fingerprinter.key_id().as_str().into(),
    });
    let digest = Some(FileDigest::new());
    let mut reader = RecordReader::open(upload.csv.as_bytes(), &rules.aliases, digest).unwrap();
    let mut rows = RowIngest::new(context, rules.rows, fingerprinter);
    let mut batches = Vec::new();
    let mut batch = EventBatch::default();
    batch.restart(rows.context());
    let mut chunk = random.between(1, chunk_max);
    while let Some(row) = reader.next_row().unwrap() {
        rows.take(&row, &mut batch);
        rows.settle(&mut batch);
        if let Some(folded) = folded {
            batch.drop_last_if_folded(folded);
        }
        if batch.len() >= chunk {
            batches.push(std::mem::take(&mut batch));
            batch.restart(rows.context());
            chunk = random.between(1, chunk_max);
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches.reverse();
    let unknown = reader.header().unknown().to_vec();
    let digest = reader.finish().unwrap();
    (batches, rows.finish(digest.as_ref(), &unknown))
}
