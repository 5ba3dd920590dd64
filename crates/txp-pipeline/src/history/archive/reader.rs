//! The archive as a source: day after day, object after object, repeats dropped by position.
//!
//! Objects of one shard may overlap, where a delivery came again and was cut elsewhere; each bucket's
//! mark tells what was given, and what stands before it and was not given is an error, not dropped.
//! Arrivals may go back a little over midnight, so an object of the next day that begins before this
//! day's last is read with this day: of whatever shard, since a bucket goes on in a child shard.
//!
//! One object is in memory at a time: what one delivery held, some megabytes.
//!
//! Deliberately absent: following. Who wants what is not archived yet reads the stream behind it.

use super::place::Place;
use super::{ArchiveObjects, Object};
use crate::history::{self, Marks, Met};
use crate::port::{ErrorKind, EventSource, HowFar, PortError, Progress, SourceBatch, Window};
use flate2::read::MultiGzDecoder;
use std::collections::VecDeque;
use std::io::Read;
use txp_domain::position::Position;

/// The most bytes of an object, compressed: a delivery has 6 MB.
const OBJECT_BYTES_MAX: u64 = 32 << 20;
/// The most bytes of an object's lines: beyond, it is no object of ours but a trap.
const LINES_BYTES_MAX: u64 = 256 << 20;
/// How finely a day is told while it is read.
const DAY_PARTS: u64 = 1_000;
/// Characters of a day as RFC 3339 writes it.
const DAY_CHARS: usize = 10;
/// Milliseconds of a day.
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// The source.
#[derive(Debug)]
pub struct ArchiveSource<A> {
    archive: A,
    window: Window,
    /// How many days there are, this one and those before included.
    days_total: usize,
    /// How many objects this day has.
    objects_total: usize,
    /// The days still to come.
    days: VecDeque<String>,
    /// The objects of this day still to come, in order.
    objects: VecDeque<Object>,
    /// Those of the day after, where they are listed already.
    ahead: Option<Vec<Object>>,
    place: Place,
}

impl<A: ArchiveObjects> ArchiveSource<A> {
    /// Opens an archive at the beginning of a window.
    ///
    /// # Errors
    /// It cannot be listed, or the window's place is not one of an archive.
    pub async fn open(archive: A, window: Window) -> Result<Self, PortError> {
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
        let days: VecDeque<_> = days
            .into_iter()
            .filter(|day| last.as_ref().is_none_or(|last| day <= last))
            .collect();
        Ok(Self {
            days_total: days.len(),
            days,
            objects_total: 0,
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
        // They are in order.
        let last = objects.last().map(|object| object.first.clone());
        let is_early = |object: &mut Object| last.as_ref().is_some_and(|last| object.first < *last);
        objects.extend(ahead.extract_if(.., is_early));
        objects.sort_unstable();
        self.place.begin(day);
        objects.retain(|object| !self.place.has_read(object));
        self.objects_total = objects.len();
        self.objects = objects.into();
        self.ahead = Some(ahead);
        self.days.pop_front();
        Ok(true)
    }

    async fn read(&mut self, object: &Object, batch: &mut SourceBatch) -> Result<(), PortError> {
        let name = || self.archive.name_of(&object.key);
        let Some(bytes) = self.archive.get(&object.key, OBJECT_BYTES_MAX).await? else {
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
        let mut read = Vec::new();
        for (number, line) in (1_u64..).zip(lines.split_inclusive(|byte| *byte == b'\n')) {
            let Some(line) = history::read_line(line) else {
                let context = format!("{} is damaged: line {number} is no event", name());
                return Err(PortError::new(ErrorKind::Corrupt, context));
            };
            read.push(line);
        }
        // Only now: an object that is damaged leaves no trace.
        for (number, line) in (1_u64..).zip(read) {
            match self.place.given.meet(&line.position) {
                Met::New if self.window.has(line.arrival_millis) => {
                    batch.push(line.position, line.arrival_millis, &[line.attributes, b"}"]);
                }
                Met::New | Met::Repeat => {}
                Met::OutOfOrder => {
                    batch.clear();
                    let context = format!(
                        "line {number} of {} stands behind events that come after it, and was not read before: the archive is not as the archiver wrote it",
                        self.archive.name_of(&object.key)
                    );
                    return Err(PortError::new(ErrorKind::Corrupt, context));
                }
            }
        }
        Ok(())
    }

    /// The last event of each bucket.
    #[must_use]
    pub fn marks(&self) -> &Marks {
        self.place.given.marks()
    }

    /// Takes up an event that was read elsewhere, behind the archive; whether it is a new one.
    pub fn pass(&mut self, position: &Position) -> bool {
        self.place.given.pass(position)
    }
}

/// The UTC day of an arrival.
fn day_of(millis: i64) -> String {
    let mut day = history::arrival(millis).to_string();
    day.truncate(DAY_CHARS);
    day
}

impl<A: ArchiveObjects> EventSource for ArchiveSource<A> {
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

    /// Days, since what a day holds is known when it comes; each in parts.
    fn how_far(&self) -> Option<HowFar> {
        let days = self.days_total.saturating_sub(self.days.len());
        let objects = self.objects_total.saturating_sub(self.objects.len());
        let of_day = match self.objects_total {
            0 => DAY_PARTS,
            all => DAY_PARTS.saturating_mul(objects as u64) / all as u64,
        };
        Some(HowFar {
            done: (days.saturating_sub(1) as u64 * DAY_PARTS).saturating_add(of_day),
            total: self.days_total.max(1) as u64 * DAY_PARTS,
        })
    }
}
