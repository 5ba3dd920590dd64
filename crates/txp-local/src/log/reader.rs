//! Reads frames in order, verified, beside a writer of this or another process.
//!
//! It takes no lock and changes nothing. It sees what is written, which may be a moment ahead of
//! what is confirmed. Where no whole frame lies, it first asks whether anything lies behind: if
//! not, this is the end for now; if so, the writer had finished here, and a second look decides.
//! Before an event that is known to be durable there is no end for now: that is damage.

use super::cursor::{Cursor, Found};
use super::error::{Damage, LogError};
use super::frame::{Events, FrameHeader};
use super::index::{Index, IndexEntry};
use super::segment::{SEGMENT_HEADER_BYTES, list, segment_path};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// One frame, or the part of it that was asked for.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The sequence of its first event.
    pub first: u64,
    /// The sequence of its last event.
    pub last: u64,
    /// When it arrived, Unix ms.
    pub arrival_ms: u64,
    /// Its events, in order.
    pub events: Events<'a>,
}

/// The reading end of a log.
pub struct LogReader {
    dir: PathBuf,
    /// The segment being read; none while the log has none.
    cursor: Option<Cursor>,
    offset: u64,
    next: u64,
    arrival_ms: u64,
    from_sequence: u64,
    from_arrival_ms: u64,
    known_durable: u64,
}

enum Step {
    Frame(u64, FrameHeader),
    NextSegment,
    EndForNow,
}

impl LogReader {
    /// Reads from the first event on. Where there is no directory yet, there are no events yet.
    ///
    /// # Errors
    /// The directory cannot be read, or its first segment is not there or damaged.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        Self::from_sequence(dir, 1)
    }

    /// Reads from an event on; one that is not there yet is waited for.
    ///
    /// # Errors
    /// As [`open`](Self::open), or a segment on the way is damaged.
    pub fn from_sequence(dir: &Path, sequence: u64) -> Result<Self, LogError> {
        let mut reader = Self::unplaced(dir);
        reader.from_sequence = sequence;
        let segments = reader.segments()?;
        let after = segments.partition_point(|first| *first <= sequence);
        let Some(first) = segments.get(after.saturating_sub(1)) else {
            return Ok(reader);
        };
        let find = |index: &Index| index.before_sequence(sequence);
        reader.place(Cursor::open(dir, *first)?, segments.last(), find)?;
        Ok(reader)
    }

    /// Reads from the first frame on that arrived at or after a time.
    ///
    /// # Errors
    /// As [`from_sequence`](Self::from_sequence).
    pub fn from_arrival(dir: &Path, arrival_ms: u64) -> Result<Self, LogError> {
        let mut reader = Self::unplaced(dir);
        reader.from_arrival_ms = arrival_ms;
        let segments = reader.segments()?;
        let mut candidates = segments.iter().rev().peekable();
        while let Some(first) = candidates.next() {
            let cursor = Cursor::open(dir, *first)?;
            // Everything before this segment is too early, or this is the first one.
            if cursor.header.arrival_before_ms < arrival_ms || candidates.peek().is_none() {
                let find = |index: &Index| index.before_arrival(arrival_ms);
                reader.place(cursor, segments.last(), find)?;
                break;
            }
        }
        Ok(reader)
    }

    /// Takes a log that ends before this event for damaged: a checkpoint has folded it.
    #[must_use]
    pub fn known_durable(mut self, sequence: u64) -> Self {
        self.known_durable = sequence;
        self
    }

    /// Checks that the log holds an event, whole. Frames before it are passed over by their headers.
    ///
    /// # Errors
    /// It does not, or the system refused.
    pub fn check_holds(dir: &Path, sequence: u64) -> Result<(), LogError> {
        let mut reader = Self::from_sequence(dir, sequence)?.known_durable(sequence);
        reader.hop()?;
        reader.next_frame()?;
        Ok(())
    }

    /// How many events arrived at or after one time and before another, without reading them through.
    ///
    /// # Errors
    /// As [`from_arrival`](Self::from_arrival).
    pub fn count(dir: &Path, from_ms: Option<u64>, to_ms: Option<u64>) -> Result<u64, LogError> {
        // Before the first event of that time, or before the end where there is none.
        let before = |arrival_ms: u64| -> Result<u64, LogError> {
            let mut reader = Self::from_arrival(dir, arrival_ms)?;
            Ok(match reader.next_frame()? {
                Some(frame) => frame.first.saturating_sub(1),
                None => reader.read_through(),
            })
        };
        let first = from_ms.map_or(Ok(0), before)?;
        let last = before(to_ms.unwrap_or(u64::MAX))?;
        Ok(last.saturating_sub(first))
    }

    /// The last event of all that was read or passed over, 0 for none.
    #[must_use]
    pub fn read_through(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// The next frame, or `None` at the end for now: a later call goes on.
    ///
    /// # Errors
    /// Damage, named with file, place and events; or the system refused.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, LogError> {
        let (offset, header) = loop {
            match self.step()? {
                Step::EndForNow => return Ok(None),
                Step::NextSegment => {}
                Step::Frame(offset, header) => {
                    let wanted = header.next() > self.from_sequence
                        && header.arrival_ms >= self.from_arrival_ms;
                    if wanted {
                        break (offset, header);
                    }
                }
            }
        };
        let Some(cursor) = self.cursor.as_mut() else {
            return Ok(None);
        };
        let payload = cursor.payload(offset, &header)?;
        let mut events = Events::new(payload, header.first, header.arrival_ms);
        let first = header.first.max(self.from_sequence);
        for _ in header.first..first {
            events.next();
        }
        Ok(Some(Frame {
            first,
            last: header.next().saturating_sub(1),
            arrival_ms: header.arrival_ms,
            events,
        }))
    }

    /// After an error that named damage: goes on behind it, at the next frame whose header is sound,
    /// in this segment or the next one. For who looks for all of the damage and believes nothing;
    /// whether there is such a place.
    ///
    /// # Errors
    /// The system refused, or the next segment's header is damaged too.
    pub fn pass_damage(&mut self) -> Result<bool, LogError> {
        let (offset, next) = (self.offset, self.next);
        let Some(cursor) = self.cursor.as_mut() else {
            return Ok(false);
        };
        let behind = match cursor.header_at(offset)? {
            // What should be before it is not there; or its payload is bad, and the one behind it may
            // be sound.
            Some(header) if header.first > next => Some((offset, header.first)),
            Some(header) if header.first == next => {
                let whole = offset.saturating_add(header.frame_bytes());
                self.arrival_ms = self.arrival_ms.max(header.arrival_ms);
                Some((whole, header.next()))
            }
            _ => {
                let found = cursor.frame_behind(offset, next)?;
                found.map(|(at, header)| (at, header.first))
            }
        };
        let here = cursor.header.first;
        let end = cursor.file_bytes()?;
        if let Some((offset, next)) = behind.filter(|(offset, _)| *offset < end) {
            (self.offset, self.next) = (offset, next);
            return Ok(true);
        }
        let Some(first) = list(&self.dir)?.into_iter().find(|first| *first > here) else {
            return Ok(false);
        };
        let cursor = Cursor::open(&self.dir, first)?;
        self.arrival_ms = cursor.header.arrival_before_ms;
        (self.offset, self.next) = (SEGMENT_HEADER_BYTES, first);
        self.cursor = Some(cursor);
        Ok(true)
    }

    /// Bytes behind the last whole frame, once [`next_frame`](Self::next_frame) has come to the
    /// end: an append that goes on, or one that was cut short.
    ///
    /// # Errors
    /// The system refused.
    pub fn unread_bytes(&self) -> Result<u64, LogError> {
        match &self.cursor {
            Some(cursor) => Ok(cursor.file_bytes()?.saturating_sub(self.offset)),
            None => Ok(0),
        }
    }

    fn unplaced(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            cursor: None,
            offset: SEGMENT_HEADER_BYTES,
            next: 1,
            arrival_ms: 0,
            from_sequence: 0,
            from_arrival_ms: 0,
            known_durable: 0,
        }
    }

    fn segments(&self) -> Result<Vec<u64>, LogError> {
        let segments = match list(&self.dir) {
            Err(LogError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Vec::new(),
            listed => listed?,
        };
        match segments.first() {
            Some(first) if *first != 1 => Err(self.missing(1, *first)),
            _ => Ok(segments),
        }
    }

    fn missing(&self, first: u64, found: u64) -> LogError {
        let path = segment_path(&self.dir, first);
        let last = Some(found.saturating_sub(1));
        LogError::corrupt(&path, 0, first, last, Damage::SegmentMissing)
    }

    /// Starts in a segment, at the frame that its index names.
    fn place(
        &mut self,
        cursor: Cursor,
        last_segment: Option<&u64>,
        find: impl Fn(&Index) -> Option<IndexEntry>,
    ) -> Result<(), LogError> {
        let first = cursor.header.first;
        self.next = first;
        self.arrival_ms = cursor.header.arrival_before_ms;
        let stored = match last_segment {
            Some(last) if *last != first => Index::load(&self.dir, first, cursor.file_bytes()?),
            _ => None,
        };
        let index = match stored {
            Some(index) => index,
            None => Index::scan(&cursor.file, &cursor.path, first)?,
        };
        if let Some(entry) = find(&index) {
            self.offset = entry.offset;
            self.next = entry.first;
            self.arrival_ms = entry.arrival_ms;
        }
        self.cursor = Some(cursor);
        Ok(())
    }

    /// Goes on to the frame of the event that is wanted, as far as headers are sound.
    fn hop(&mut self) -> Result<(), LogError> {
        while let Some(cursor) = self.cursor.as_mut()
            && let Some(header) = cursor.header_at(self.offset)?
            && header.first == self.next
            && header.next() <= self.from_sequence
        {
            self.accept(header);
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Step, LogError> {
        let known = Some(self.known_durable).filter(|known| *known >= self.next);
        let Some(cursor) = self.cursor.as_mut() else {
            let Some(first) = self.segments()?.first().copied() else {
                return match known {
                    Some(known) => Err(self.missing(self.next, known + 1)),
                    None => Ok(Step::EndForNow),
                };
            };
            self.cursor = Some(Cursor::open(&self.dir, first)?);
            return Ok(Step::NextSegment);
        };
        let (offset, next) = (self.offset, self.next);
        let (bad, behind) = match cursor.frame_at(offset, next, self.arrival_ms)? {
            Found::Frame(header) => return Ok(self.accept(header)),
            Found::Bad(why) => (Some(why), cursor.frames_behind(offset, next)?),
            Found::End => (None, None),
        };
        let here = cursor.header.first;
        let later = list(&self.dir)?.into_iter().find(|first| *first > here);
        cursor.forget();
        let Some(found) = behind.map(|behind| behind.first).or(later) else {
            return match known {
                Some(_) => {
                    let why = bad.unwrap_or(Damage::EndsEarly);
                    Err(LogError::corrupt(&cursor.path, offset, next, known, why))
                }
                None => Ok(Step::EndForNow),
            };
        };
        match (cursor.frame_at(offset, next, self.arrival_ms)?, later) {
            (Found::Frame(header), _) => Ok(self.accept(header)),
            (Found::Bad(why), _) => {
                let last = Some(found.saturating_sub(1).max(next));
                Err(LogError::corrupt(&cursor.path, offset, next, last, why))
            }
            (Found::End, Some(first)) => self.enter(first),
            (Found::End, None) => Ok(Step::EndForNow),
        }
    }

    fn accept(&mut self, header: FrameHeader) -> Step {
        let offset = self.offset;
        self.offset = offset.saturating_add(header.frame_bytes());
        self.next = header.next();
        self.arrival_ms = header.arrival_ms;
        Step::Frame(offset, header)
    }

    /// Goes on to the next segment, which must follow on what was read.
    fn enter(&mut self, first: u64) -> Result<Step, LogError> {
        let Some(previous) = self.cursor.as_ref() else {
            return Ok(Step::EndForNow);
        };
        let cursor = Cursor::open(&self.dir, first)?;
        let header = &cursor.header;
        if header.previous_first != previous.header.first {
            return Err(self.missing(self.next, first));
        }
        if header.previous_bytes != self.offset || first != self.next {
            let last = Some(first.saturating_sub(1).max(self.next));
            let (path, why) = (&previous.path, Damage::SegmentLength);
            return Err(LogError::corrupt(path, self.offset, self.next, last, why));
        }
        self.cursor = Some(cursor);
        self.offset = SEGMENT_HEADER_BYTES;
        Ok(Step::NextSegment)
    }
}
