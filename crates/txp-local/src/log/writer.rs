//! Appends frames and makes them durable. One writer at a time; it owns the end of the log.

use super::error::LogError;
use super::file::AppendFile;
use super::frame::{FRAME_HEADER_BYTES, FrameBuilder, FrameHeader};
use super::index::Index;
use super::recovery::End;
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, create, segment_path};
use std::error::Error;
use std::path::{Path, PathBuf};

/// Blocks are reserved ahead in steps that grow with the segment: a small log stays small.
const RESERVE_BYTES_MIN: u64 = 1 << 20;
const RESERVE_BYTES_MAX: u64 = 16 << 20;

/// Where an appended frame came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The sequence of its first event.
    pub first: u64,
    /// The sequence of its last event.
    pub last: u64,
    /// Its arrival: the time given, or that of the frame before it if that is later.
    pub arrival_ms: u64,
}

/// The writing end of a log. Dropping it syncs nothing.
pub struct LogWriter {
    dir: PathBuf,
    path: PathBuf,
    pub(super) file: Box<dyn AppendFile>,
    segment_bytes: u64,
    segment_first: u64,
    offset: u64,
    /// Up to where blocks are reserved.
    reserved: u64,
    next: u64,
    arrival_ms: u64,
    durable: u64,
    durable_offset: u64,
    index: Index,
    /// The failure that stopped this writer.
    poisoned: Option<String>,
}

impl LogWriter {
    pub(super) fn at_end(dir: &Path, end: End, segment_bytes: u64) -> Self {
        Self {
            dir: dir.to_path_buf(),
            path: segment_path(dir, end.first),
            file: Box::new(end.file),
            segment_bytes,
            segment_first: end.first,
            offset: end.offset,
            reserved: end.offset,
            next: end.next,
            arrival_ms: end.arrival_ms,
            durable: end.next.saturating_sub(1),
            durable_offset: end.offset,
            index: end.index,
            poisoned: None,
        }
    }

    /// The last event appended, 0 if there is none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// The last event that is durable, 0 if there is none.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Appends a frame. It is durable after [`sync`](Self::sync), and not before; several appends
    /// may share one sync. The frame keeps its events until the caller clears it.
    ///
    /// # Errors
    /// The frame is unusable (nothing changes), or writing failed: then the writer is stopped.
    pub fn append(&mut self, now_ms: u64, frame: &mut FrameBuilder) -> Result<Appended, LogError> {
        self.check_running()?;
        let bytes = (FRAME_HEADER_BYTES + frame.payload_bytes()) as u64;
        let started = self.offset > SEGMENT_HEADER_BYTES;
        if started && self.offset.saturating_add(bytes) > self.segment_bytes && !frame.is_empty() {
            self.roll()?;
        }
        let arrival_ms = now_ms.max(self.arrival_ms);
        let (first, offset) = (self.next, self.offset);
        let (sealed, next) = frame.seal(first, arrival_ms, self.durable)?;
        self.reserve(bytes);
        if let Err(source) = self.file.write_at(sealed, offset) {
            return Err(self.stop(LogError::io("append to", &self.path, source)));
        }
        if let Some(header) = FrameHeader::decode(sealed) {
            self.index.note(&header, offset);
        }
        self.offset = offset.saturating_add(bytes);
        self.next = next;
        self.arrival_ms = arrival_ms;
        Ok(Appended {
            first,
            last: self.last(),
            arrival_ms,
        })
    }

    /// Makes everything appended durable and says up to which event.
    ///
    /// # Errors
    /// The system refused: the writer is stopped, what was appended since the last sync is not
    /// confirmed.
    pub fn sync(&mut self) -> Result<u64, LogError> {
        self.check_running()?;
        if self.durable_offset != self.offset {
            if let Err(source) = self.file.sync() {
                return Err(self.stop(LogError::io("sync", &self.path, source)));
            }
            self.durable_offset = self.offset;
            self.durable = self.last();
        }
        Ok(self.durable)
    }

    /// Ends this segment, whole and durable, and starts the next.
    fn roll(&mut self) -> Result<(), LogError> {
        self.sync()?;
        let finished = self.finish_segment();
        let header = SegmentHeader {
            first: self.next,
            arrival_before_ms: self.arrival_ms,
            previous_first: self.segment_first,
            previous_bytes: self.offset,
        };
        match finished.and_then(|()| create(&self.dir, &header)) {
            Ok(file) => self.file = Box::new(file),
            Err(error) => return Err(self.stop(error)),
        }
        self.path = segment_path(&self.dir, self.next);
        self.segment_first = self.next;
        self.offset = SEGMENT_HEADER_BYTES;
        self.durable_offset = self.offset;
        self.reserved = self.offset;
        self.index = Index::default();
        Ok(())
    }

    fn finish_segment(&self) -> Result<(), LogError> {
        // Gives back the blocks reserved beyond the end.
        let trimmed = self.file.truncate(self.offset);
        trimmed.map_err(|source| LogError::io("trim", &self.path, source))?;
        self.index.store(&self.dir, self.segment_first, self.offset)
    }

    /// Reserves blocks ahead. Only speed hangs on it: where it fails, the write will tell.
    fn reserve(&mut self, bytes: u64) {
        let end = self.offset.saturating_add(bytes);
        if end <= self.reserved {
            return;
        }
        let room = self.segment_bytes.saturating_sub(self.offset);
        let step = self.offset.clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX);
        let step = step.min(room).max(bytes);
        self.reserved = match self.file.reserve(self.offset, step) {
            Ok(()) => self.offset.saturating_add(step),
            Err(e) if e.kind() == std::io::ErrorKind::Unsupported => u64::MAX,
            Err(_) => end,
        };
    }

    fn check_running(&self) -> Result<(), LogError> {
        match &self.poisoned {
            None => Ok(()),
            Some(cause) => Err(LogError::Poisoned {
                durable: self.durable,
                cause: cause.clone(),
            }),
        }
    }

    /// Stops the writer for good. What is not confirmed is cut off right away if that works: after
    /// a failed sync the system may show bytes that are not on the disk, and the next open would
    /// believe them. If it does not work, the next open judges the tail.
    fn stop(&mut self, error: LogError) -> LogError {
        let mut cause = error.to_string();
        if let Some(source) = error.source() {
            cause = format!("{cause}: {source}");
        }
        if self.file.truncate(self.durable_offset).is_err() {
            cause.push_str("; the unconfirmed tail is cut at the next open");
        }
        self.poisoned = Some(cause);
        error
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if self.poisoned.is_none() {
            // Gives back reserved blocks; if it fails they stay reserved and harm nothing.
            self.file.truncate(self.offset).ok();
        }
    }
}
