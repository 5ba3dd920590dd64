//! Keeping the history for good: what a shard delivers, as objects of compressed lines.
//!
//! An object is `date=YYYY-MM-DD/{shard}-{first}-{last}.ndjson.gz`: the UTC day of arrival, and the
//! sequence numbers of the first and the last record in it. Each line is an event as it was recorded,
//! with its position and arrival ([`crate::history`]).
//!
//! The same deliveries make the same names and the same bytes, so a delivery that comes again writes
//! over its own object. One that is cut elsewhere writes other objects with the same lines; readers
//! drop repeats by position.
//!
//! Times of arrival may go back a little. The day of a delivery's records does not: within a
//! delivery, and so within each object, the order is that of the shard.
//!
//! Events of a newer txp are here too, as they were recorded: the stream forgets them, and a state that
//! is folded from the archive later is to have them. What else cannot be read is in quarantine and not
//! here. Deliberately absent: files of a size (one delivery, one object), and partitions by anything
//! but the day.

use super::decode::{self, Readable};
use crate::history::{self, Recorded};
use crate::port::{ArchiveSink, Clock, ErrorKind, PortError, Quarantine};
use crate::retry::RetryPolicy;
use crate::telemetry::{Metric, count};
use flate2::{Compression, GzBuilder};
use std::io::Write;
use txp_domain::event::is_from_the_future;
use txp_domain::position::Sequence;
use txp_domain::redact::holds_card_number;

/// What events in quarantine name as the stage that could not process them.
pub const STAGE: &str = "archive";

/// How objects' names end.
pub const SUFFIX: &str = ".ndjson.gz";

/// What stands before the day.
pub const DATE_PREFIX: &str = "date=";

/// Characters of a day as RFC 3339 writes it.
const DATE_CHARS: usize = 10;

/// The usual trade: a level lower is a tenth larger, a level higher costs twice the time.
const LEVEL: u32 = 6;

/// "Unknown" in gzip's header, whatever the machine: the same lines give the same bytes.
const UNKNOWN_SYSTEM: u8 = 255;

/// Within one delivery: about 4 seconds in all. What lasts longer is the stream's to deliver again.
const RETRY: RetryPolicy = RetryPolicy {
    first_wait_millis: 50,
    max_wait_millis: 2_000,
    attempts_max: 6,
};

/// What archiving a delivery gave.
#[derive(Debug, Default)]
pub struct Archived {
    /// The events in stored objects.
    pub events: u64,
    /// Events put in quarantine.
    pub quarantined: u64,
    /// The first event that is not archived, and why: the delivery is to come again from there on.
    pub failed: Option<(usize, PortError)>,
}

/// Stores what one shard delivered.
pub async fn archive<A, Q, C>(
    sink: &mut A,
    quarantine: &mut Q,
    clock: &C,
    shard: &str,
    batch: &[Recorded<'_>],
) -> Archived
where
    A: ArchiveSink,
    Q: Quarantine,
    C: Clock,
{
    let Readable {
        events,
        quarantined,
        failed,
    } = decode::read_by(batch, STAGE, quarantine, kept).await;
    let mut archived = Archived {
        quarantined,
        failed,
        ..Archived::default()
    };
    let mut object: Option<Object<'_>> = None;
    for (index, ()) in events {
        let Some(recorded) = batch.get(index) else {
            continue;
        };
        let date = date_of(recorded);
        match &mut object {
            Some(open) if date <= open.date => {}
            _ => {
                let full = object.replace(Object::new(date, index, recorded));
                if let Err(failed) = store(sink, clock, shard, full, &mut archived).await {
                    archived.failed = Some(failed);
                    return archived;
                }
            }
        }
        if let Some(open) = &mut object {
            open.push(recorded);
        }
    }
    if let Err(failed) = store(sink, clock, shard, object, &mut archived).await {
        archived.failed = Some(failed);
    }
    archived
}

/// Whether an event is kept. One that only a newer txp reads is not looked into here: if anything in it
/// could be a card number, it is not.
fn kept(recorded: &Recorded<'_>) -> Result<(), String> {
    let reason = match decode::decoded(recorded) {
        Ok(_) => return Ok(()),
        Err(reason) => reason,
    };
    let is_told = recorded.attributes().is_some() && is_from_the_future(recorded.bytes);
    if is_told && !holds_card_number(recorded.bytes) {
        return Ok(());
    }
    Err(reason)
}

async fn store(
    sink: &mut impl ArchiveSink,
    clock: &impl Clock,
    shard: &str,
    object: Option<Object<'_>>,
    archived: &mut Archived,
) -> Result<(), (usize, PortError)> {
    let Some(object) = object.filter(|object| object.events > 0) else {
        return Ok(());
    };
    let (index, name) = (object.index, object.name(shard));
    let bytes = object.gzip().map_err(|error| (index, error))?;
    let stored = RETRY.run(clock, async |_| sink.put(&name, bytes.clone()).await);
    stored.await.map_err(|error| (index, error))?;
    archived.events += object.events;
    count(Metric::EventsArchived, object.events);
    Ok(())
}

/// The UTC day of an event's arrival.
fn date_of(recorded: &Recorded<'_>) -> String {
    let mut date = recorded.arrival().to_string();
    date.truncate(DATE_CHARS);
    date
}

/// An object in the making.
struct Object<'a> {
    date: String,
    /// The index of its first event in the delivery.
    index: usize,
    first: &'a Sequence,
    last: &'a Sequence,
    lines: Vec<u8>,
    events: u64,
}

impl<'a> Object<'a> {
    fn new(date: String, index: usize, first: &'a Recorded<'_>) -> Self {
        Self {
            date,
            index,
            first: &first.position.sequence,
            last: &first.position.sequence,
            lines: Vec::new(),
            events: 0,
        }
    }

    fn push(&mut self, recorded: &'a Recorded<'_>) {
        // What could be read is an object.
        if history::write_line(recorded, &mut self.lines).is_ok() {
            self.last = &recorded.position.sequence;
            self.events += 1;
        }
    }

    fn name(&self, shard: &str) -> String {
        let Self {
            date, first, last, ..
        } = self;
        format!("{DATE_PREFIX}{date}/{shard}-{first}-{last}{SUFFIX}")
    }

    fn gzip(&self) -> Result<Vec<u8>, PortError> {
        let header = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM);
        let mut writer = header.write(Vec::new(), Compression::new(LEVEL));
        let written = writer.write_all(&self.lines);
        written.and_then(|()| writer.finish()).map_err(|error| {
            let context = "lines of the archive cannot be compressed";
            PortError::caused(ErrorKind::Permanent, context, error)
        })
    }
}

#[cfg(test)]
mod tests;
