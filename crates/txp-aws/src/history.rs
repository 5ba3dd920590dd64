//! The archive and the stream behind it as one history: the archive first, then what it does not
//! hold yet, handed over by position.
//!
//! No event comes twice: the mark of each bucket, where the archive ended, tells what of the stream
//! was given. None is left out, and that is proven for each shard before its first event is handed on:
//!
//! - its oldest records hold an event that the archive has, so whatever the shard has forgotten was
//!   archived before it (the archiver takes a shard in order); or
//! - the shard has forgotten nothing: the stream is younger than its retention, or the shard's parent
//!   can still be read; or
//! - what it has forgotten arrived before the window.
//!
//! Where none of it holds, events may be in neither, and reading ends with an error instead.
//!
//! The place of a reader is the archive's, with the marks of everything given: going on reads what
//! the archive holds by then, and the stream from its oldest record, passing over what was given. A
//! place in the stream itself would be of no use once that is forgotten.

use crate::kinesis::read::{ReadShards, Retained};
use crate::kinesis::reader::StreamSource;
use std::collections::BTreeSet;
use txp_pipeline::history::archive::{ArchiveObjects, ArchiveSource};
use txp_pipeline::port::{
    Clock, ErrorKind, EventSource, HowFar, PortError, Progress, SourceBatch, Window,
};
use txp_pipeline::retry::RetryPolicy;

/// Clocks differ by less than this.
const SKEW_MILLIS: i64 = 60_000;

/// The source.
pub struct JoinedSource<A, R, C> {
    archive: ArchiveSource<A>,
    stream: Stream<R, C>,
    window: Window,
    /// What is wanted begins within what the stream keeps.
    begins_within: bool,
    /// What the stream gave last, before what was archived is taken out.
    read: SourceBatch,
    /// Shards that have forgotten nothing that is not archived.
    proven: BTreeSet<String>,
    /// A shard for which that cannot be said.
    unproven: Option<String>,
}

/// The stream, before the archive has come to its end and after.
enum Stream<R, C> {
    Waiting(Option<(R, C)>),
    Open(Box<StreamSource<R, C>>),
}

impl<A: ArchiveObjects, R: ReadShards, C: Clock> JoinedSource<A, R, C> {
    /// Opens both at the beginning of a window.
    ///
    /// # Errors
    /// The archive cannot be listed, there is no such stream, or the window's place is not one of an
    /// archive.
    pub async fn open(archive: A, calls: R, clock: C, window: Window) -> Result<Self, PortError> {
        let archive = ArchiveSource::open(archive, window.clone()).await?;
        // The archive may take hours: that a stream is not there is said before.
        let retained = retained(&calls, &clock).await?;
        let forgotten = forgotten_before(&retained, clock.now().unix_millis());
        Ok(Self {
            begins_within: window.from_millis.is_some_and(|from| from > forgotten),
            archive,
            stream: Stream::Waiting(Some((calls, clock))),
            window,
            read: SourceBatch::default(),
            proven: BTreeSet::new(),
            unproven: None,
        })
    }

    async fn begin_stream(&mut self) -> Result<(), PortError> {
        let Stream::Waiting(waiting) = &mut self.stream else {
            return Ok(());
        };
        let Some((calls, clock)) = waiting.take() else {
            return Err(PortError::new(
                ErrorKind::Permanent,
                "the stream could not be opened; open the source again",
            ));
        };
        // Where the window begins earlier, what the stream begins with is to be seen: it is the proof.
        let window = Window {
            from_millis: self.window.from_millis.filter(|_| self.begins_within),
            to_millis: self.window.to_millis,
            after: None,
        };
        let stream = StreamSource::open(calls, clock, window).await?;
        self.stream = Stream::Open(Box::new(stream));
        Ok(())
    }

    /// Reads the stream on, and gives what the archive did not.
    async fn follow(&mut self, batch: &mut SourceBatch) -> Result<Progress, PortError> {
        let Stream::Open(stream) = &mut self.stream else {
            return Ok(Progress::More);
        };
        if let Some(shard) = &self.unproven {
            return Err(gap(stream.calls().stream(), shard));
        }
        let progress = stream.next(&mut self.read).await?;
        if let Some(shard) = stream.last_read()
            && !self.read.is_empty()
            && !self.proven.contains(shard)
        {
            let marks = self.archive.marks();
            let is_archived = self
                .read
                .events()
                .any(|event| !marks.is_new(&event.position));
            let is_whole = is_archived || self.begins_within;
            if !is_whole && !has_forgotten_nothing(stream, shard).await? {
                self.unproven = Some(shard.to_owned());
                return Err(gap(stream.calls().stream(), shard));
            }
            self.proven.insert(shard.to_owned());
        }
        for event in self.read.events() {
            if self.archive.pass(&event.position) && self.window.has(event.arrival_millis) {
                batch.push(event.position, event.arrival_millis, &[event.bytes]);
            }
        }
        Ok(progress)
    }
}

/// How long the stream keeps what it was given.
async fn retained<R: ReadShards, C: Clock>(calls: &R, clock: &C) -> Result<Retained, PortError> {
    let asked = RetryPolicy::PATIENT.run(clock, async |_| calls.retained().await);
    asked.await
}

/// What arrived before this may be forgotten, Unix milliseconds.
fn forgotten_before(retained: &Retained, now_millis: i64) -> i64 {
    now_millis
        .saturating_sub(retained.for_millis)
        .saturating_add(SKEW_MILLIS)
}

/// Whether all that a shard ever held can still be read of it.
async fn has_forgotten_nothing<R: ReadShards, C: Clock>(
    stream: &StreamSource<R, C>,
    shard: &str,
) -> Result<bool, PortError> {
    if stream.has_parent(shard) {
        return Ok(true);
    }
    let retained = retained(stream.calls(), stream.clock()).await?;
    let now_millis = stream.clock().now().unix_millis();
    Ok(retained.since_millis > forgotten_before(&retained, now_millis))
}

fn gap(stream: &str, shard: &str) -> PortError {
    let context = format!(
        "the archive ends before the stream {stream} begins ({shard}): what came between may be in neither. If the archiver works, it has caught up in a minute: try again; else look at it. --from a time within the stream's retention reads what is there"
    );
    PortError::new(ErrorKind::Corrupt, context)
}

impl<A: ArchiveObjects, R: ReadShards, C: Clock> EventSource for JoinedSource<A, R, C> {
    async fn next(&mut self, batch: &mut SourceBatch) -> Result<Progress, PortError> {
        batch.clear();
        if let Stream::Waiting(_) = self.stream {
            return match self.archive.next(batch).await? {
                Progress::Ended => {
                    self.begin_stream().await?;
                    Ok(Progress::More)
                }
                progress => Ok(progress),
            };
        }
        self.follow(batch).await
    }

    fn cursor(&self) -> String {
        self.archive.cursor()
    }

    /// Of the archive; how much a stream holds is not known.
    fn how_far(&self) -> Option<HowFar> {
        match self.stream {
            Stream::Waiting(_) => self.archive.how_far(),
            Stream::Open(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
