//! What reads files into the log: the real ingest stage, and a sink that tears.

use super::bug::PlantedBug;
use super::run::at_once;
use super::world::World;
use crate::random::Random;
use crate::workload::{Upload, Workload};
use std::sync::Arc;
use txp_domain::event::{Event, UploadEvent, UploadParsed, UploadTally};
use txp_domain::position::Bucket;
use txp_domain::time::Timestamp;
use txp_domain::upload::Watermarks;
use txp_pipeline::batch::{EventBatch, UploadContext};
use txp_pipeline::csv::{FileDigest, RecordReader};
use txp_pipeline::port::{EventSink, PortError};
use txp_pipeline::rejects::RejectsWriter;
use txp_pipeline::stage::ingest::{Ending, ReadingRules, RowIngest, ingest};

/// The most events appended at a time.
const CHUNK_MAX: usize = 12;

/// One upload on its way.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) upload: usize,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Received,
    Rows {
        events: Option<(Events, UploadTally)>,
        at: usize,
    },
    Ending(UploadTally),
    Done,
}

type Events = Vec<(Bucket, Vec<u8>)>;

const START: Step = Step::Rows {
    events: None,
    at: 0,
};

impl Producer {
    pub(super) fn new(upload: usize) -> Self {
        let step = Step::Received;
        Self { upload, step }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    /// Begins again from what is stored, as after a crash or a lost answer.
    pub(super) fn restart(&mut self, world: &mut World) {
        if !self.is_done() {
            self.step = if world.random.permille(500) {
                START
            } else {
                Step::Received
            };
        }
        if world.log.is_empty() {
            self.step = Step::Received;
        }
    }

    /// Appends a little more.
    pub(super) fn go_on(&mut self, world: &mut World, upload: &Upload) {
        match &mut self.step {
            Step::Done => {}
            Step::Received => {
                let received = UploadEvent::Received(upload.received());
                if world.append(encoded(received)).is_ok() {
                    world.sync();
                    self.step = START;
                }
            }
            Step::Ending(tally) => {
                let parsed = UploadEvent::Parsed(UploadParsed {
                    upload_id: upload.id,
                    uploaded_at: upload.received().uploaded_at,
                    trace: None,
                    tally: tally.clone(),
                });
                match world.append(encoded(parsed)) {
                    Ok(()) => {
                        world.sync();
                        self.step = Step::Done;
                    }
                    Err(_) => self.restart(world),
                }
            }
            Step::Rows { .. } => self.rows(world, upload),
        }
    }

    fn rows(&mut self, world: &mut World, upload: &Upload) {
        let Step::Rows { events, at } = &mut self.step else {
            return;
        };
        let stored = world.store.uploads.get(&upload.id);
        if stored.is_some_and(|stored| stored.ending.is_some()) {
            // Its last event is in the log: only the answer was lost.
            world.sync();
            self.step = Step::Done;
            return;
        }
        let (rows, tally) =
            events.get_or_insert_with(|| read(upload, world.store.folded(upload.id)));
        let end = rows.len().min(*at + world.random.between(1, CHUNK_MAX));
        let before = world.log.len();
        let appended = world.append(rows[*at..end].iter().cloned());
        match appended {
            Ok(()) if end < rows.len() => {
                *at = end;
                if world.random.permille(500) {
                    world.sync();
                }
            }
            Ok(()) => {
                world.sync();
                self.step = Step::Ending(tally.clone());
            }
            Err(_) if world.has(PlantedBug::ReappendSkips) => {
                *at = rows.len().min(*at + (world.log.len() - before) + 1);
            }
            Err(_) => self.restart(world),
        }
    }
}

fn encoded(event: UploadEvent) -> Events {
    let mut batch = EventBatch::default();
    batch.push_event(Event::Upload(Box::new(event))).unwrap();
    events_of(&batch)
}

/// The events of a batch, each by itself.
pub(super) fn events_of(batch: &EventBatch) -> Events {
    let entries = batch.entries().iter();
    entries
        .map(|entry| (entry.bucket, batch.json(entry).to_vec()))
        .collect()
}

struct Caught(Vec<EventBatch>);

impl EventSink for Caught {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        self.0.push(std::mem::take(batch));
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

/// The events of an upload's rows that are not folded yet, and what reading the file gave.
pub(super) fn read(upload: &Upload, folded: Option<&Watermarks>) -> (Events, UploadTally) {
    let received = upload.received();
    let reading = ReadingRules::of(&received).unwrap();
    let fingerprinter = upload.fingerprinter();
    let context = Arc::new(UploadContext {
        upload_id: upload.id,
        uploaded_at: received.uploaded_at,
        key_id: fingerprinter.key_id().as_str().into(),
    });
    let reader = RecordReader::open(
        upload.csv.as_bytes(),
        &reading.aliases,
        Some(FileDigest::new()),
    )
    .unwrap();
    let mut rejects = RejectsWriter::new(std::io::sink(), reader.header()).unwrap();
    let mut rows = RowIngest::new(context, reading.rows, fingerprinter);
    let mut caught = Caught(Vec::new());
    let mut progress = |_: u64, _: u64| true;
    let reading = ingest(
        reader,
        &mut rows,
        &mut caught,
        &mut rejects,
        folded,
        &mut progress,
    );
    let Ok(Ending::Parsed(tally)) = at_once(reading) else {
        panic!("the file is read to its end");
    };
    (caught.0.iter().flat_map(events_of).collect(), tally)
}

/// A history of uploads, with parts of each repeated as a writer repeats them that starts again.
pub(super) fn history(workload: &Workload, random: &mut Random) -> Events {
    let mut history = Events::new();
    for upload in &workload.uploads {
        history.extend(encoded(UploadEvent::Received(upload.received())));
        let (rows, tally) = read(upload, None);
        let torn_at = random.below(rows.len() + 1);
        let again_from = random.below(torn_at + 1);
        history.extend(rows.iter().take(torn_at).cloned());
        history.extend(rows.iter().skip(again_from).cloned());
        history.extend(encoded(UploadEvent::Parsed(UploadParsed {
            upload_id: upload.id,
            uploaded_at: upload.received().uploaded_at,
            trace: None,
            tally,
        })));
    }
    history
}

/// When an event was appended, by its place in the log.
pub(super) fn arrival_millis(index: usize) -> i64 {
    Timestamp::from_unix_seconds(1_780_000_000)
        .unwrap()
        .unix_millis()
        + index as i64
}
