//! The archive as a source: day after day, object after object, repeats dropped by position.
//!
//! Objects of one shard may overlap, where a delivery came again and was cut elsewhere; each bucket's
//! mark tells what was given. Arrivals may go back a little over midnight, so an object of the next
//! day that begins before this day's last of its shard is read with this day.
//!
//! One object is in memory at a time: what one delivery held, some megabytes.
//!
//! Deliberately absent: following. Who wants what is not archived yet reads the stream behind it.

use super::Archive;
use super::listing::Object;
use super::place::{Marks, Place};
use flate2::read::MultiGzDecoder;
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use txp_pipeline::history::{self, Line};
use txp_pipeline::port::{ErrorKind, EventSource, PortError, Progress, SourceBatch, Window};

/// The most bytes of an object, compressed: a delivery has 6 MB.
const OBJECT_BYTES_MAX: u64 = 32 << 20;
/// The most bytes of an object's lines: beyond, it is no object of ours but a trap.
const LINES_BYTES_MAX: u64 = 256 << 20;
/// Characters of a day as RFC 3339 writes it.
const DAY_CHARS: usize = 10;
/// Milliseconds of a day.
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// The source.
#[derive(Debug)]
pub struct ArchiveSource {
    archive: Archive,
    window: Window,
    /// The days still to come.
    days: VecDeque<String>,
    /// The objects of this day still to come, in order.
    objects: VecDeque<Object>,
    /// Those of the day after, where they are listed already.
    ahead: Option<Vec<Object>>,
    place: Place,
}

impl ArchiveSource {
    /// Opens an archive at the beginning of a window.
    ///
    /// # Errors
    /// It cannot be listed, or the window's place is not one of an archive.
    pub async fn open(archive: Archive, window: Window) -> Result<Self, PortError> {
        let place: Place = match &window.after {
            Some(place) => Place::read(place)?,
            None => Place::default(),
        };
        // A day's objects hold its own arrivals and, where those went back, some of the day before.
        let from = window.from_millis.map(day_of);
        let days = archive
            .days(place.day.as_deref().or(from.as_deref()))
            .await?;
        let last = window
            .to_millis
            .map(|to| day_of(to.saturating_add(DAY_MILLIS)));
        let days = days
            .into_iter()
            .filter(|day| last.as_ref().is_none_or(|last| day <= last));
        Ok(Self {
            days: days.collect(),
            archive,
            window,
            objects: VecDeque::new(),
            ahead: None,
            place,
        })
    }

    /// Lists the next day, and of the one after it what is to be read with it.
    async fn next_day(&mut self) -> Result<bool, PortError> {
        let Some(day) = self.days.front() else {
            return Ok(false);
        };
        let mut objects = match &self.ahead {
            Some(ahead) => ahead.clone(),
            None => self.archive.objects(day).await?,
        };
        let mut ahead = match self.days.get(1) {
            Some(day) => self.archive.objects(day).await?,
            None => Vec::new(),
        };
        let mut last_of = BTreeMap::new();
        for Object { shard, first, .. } in &objects {
            // They are in order.
            last_of.insert(shard.clone(), first.clone());
        }
        let is_early = |object: &mut Object| {
            let last = last_of.get(&object.shard);
            last.is_some_and(|last| object.first < *last)
        };
        objects.extend(ahead.extract_if(.., is_early));
        objects.sort_unstable();
        self.place.begin(day);
        objects.retain(|object| !self.place.has_read(object));
        self.objects = objects.into();
        self.ahead = Some(ahead);
        self.days.pop_front();
        Ok(true)
    }

    async fn read(&mut self, object: &Object, batch: &mut SourceBatch) -> Result<(), PortError> {
        let bucket = &self.archive.bucket;
        let name = || format!("s3://{}/{}", bucket.name(), object.key);
        let Some(bytes) = bucket.get(&object.key, OBJECT_BYTES_MAX).await? else {
            let context = format!("{} was removed while the archive was read", name());
            return Err(PortError::new(ErrorKind::Permanent, context));
        };
        let mut lines = Vec::new();
        let mut unpacked = MultiGzDecoder::new(&*bytes).take(LINES_BYTES_MAX + 1);
        unpacked.read_to_end(&mut lines).map_err(|error| {
            let context = format!("{} is damaged: it cannot be unpacked", name());
            PortError::caused(ErrorKind::Corrupt, context, error)
        })?;
        if lines.len() as u64 > LINES_BYTES_MAX {
            let context = format!(
                "{} unpacks to more than {LINES_BYTES_MAX} bytes and is not read",
                name()
            );
            return Err(PortError::new(ErrorKind::Corrupt, context));
        }
        let mut marks = self.place.marks.clone();
        for (number, line) in (1_u64..).zip(lines.split_inclusive(|byte| *byte == b'\n')) {
            let Some(line) = history::read_line(line) else {
                batch.clear();
                let context = format!("{} is damaged: line {number} is no event", name());
                return Err(PortError::new(ErrorKind::Corrupt, context));
            };
            give(&line, &mut marks, &self.window, batch);
        }
        self.place.marks = marks;
        Ok(())
    }
}

/// Takes an event into the batch, if it is wanted and was not given before.
fn give(line: &Line<'_>, marks: &mut Marks, window: &Window, batch: &mut SourceBatch) {
    if marks.pass(&line.position) && window.has(line.arrival_millis) {
        let position = line.position.clone();
        batch.push(position, line.arrival_millis, &[line.attributes, b"}"]);
    }
}

/// The UTC day of an arrival.
fn day_of(millis: i64) -> String {
    let mut day = history::arrival(millis).to_string();
    day.truncate(DAY_CHARS);
    day
}

impl EventSource for ArchiveSource {
    async fn next(&mut self, batch: &mut SourceBatch) -> Result<Progress, PortError> {
        batch.clear();
        while self.objects.is_empty() {
            if !self.next_day().await? {
                return Ok(Progress::Ended);
            }
        }
        let Some(object) = self.objects.front().cloned() else {
            return Ok(Progress::More);
        };
        self.read(&object, batch).await?;
        self.objects.pop_front();
        self.place.has_now_read(object);
        Ok(Progress::More)
    }

    fn cursor(&self) -> String {
        self.place.write()
    }
}
