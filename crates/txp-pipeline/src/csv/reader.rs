//! The reader: one buffer of fixed size, rows borrowed from it, and a digest of every byte on the
//! way.
//!
//! It never waits. A source that has no bytes yet ([`ReadError::Pending`]) is asked again, and
//! nothing is lost or repeated: [`RecordReader::more`] waits in between. A source that blocks never
//! says so.
//!
//! Deliberately absent: seeking and opening (the caller brings a source at the right place), and
//! any look at what a cell says.

mod digest;

pub use digest::{DIGEST_STATE_BYTES, FileDigest};

use super::header::{Aliases, Header, HeaderFaults};
use super::scan::{Checkpoint, Place, Scanner, Step, Unclosed, Window};
use super::{RECORD_BYTES_MAX, Record};
use crate::port::{ObjectSource, PortError};
use std::io::{self, ErrorKind, Read};
use txp_domain::row::RawRow;
use txp_domain::violation::{Code, Note, Violation, Violations};

/// The buffer: the longest record and some, and large enough that reads cost little.
const BUFFER_BYTES: usize = 256 * 1024;

/// Why reading stops before the end of the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed.
    #[error("reading the file failed at byte {offset}")]
    Io {
        /// How many bytes had been read.
        offset: u64,
        /// What the source said.
        #[source]
        source: io::Error,
    },
    /// The next bytes are not here yet; nothing is lost.
    #[error("the next bytes of the file are not here yet")]
    Pending,
    /// The header is refused.
    #[error(transparent)]
    Header(#[from] HeaderFaults),
    /// A quoted field does not end.
    #[error(transparent)]
    Unclosed(#[from] Unclosed),
}

/// What is wrong with a record as a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordFaults {
    /// It has so many fields (found), not as many as the header (expected).
    pub field_count: Option<(usize, usize)>,
    /// It is not UTF-8.
    pub invalid_utf8: bool,
    /// It is too long and was skipped; nothing else is known of it.
    pub too_long: bool,
}

impl RecordFaults {
    /// Whether there is none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.field_count.is_none() && !self.invalid_utf8 && !self.too_long
    }

    /// Adds them to a row's violations.
    pub fn push_to(&self, violations: &mut Violations) {
        if let Some((found, expected)) = self.field_count {
            let note = Note::Counts {
                found: saturate(found),
                limit: saturate(expected),
            };
            violations.push(Violation::of_record(Code::FieldCount, note));
        }
        if self.invalid_utf8 {
            violations.push(Violation::of_record(Code::InvalidUtf8, Note::None));
        }
        if self.too_long {
            violations.push(Violation::of_record(Code::RecordTooLong, Note::None));
        }
    }
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// One record of the file.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    /// Where it stands.
    pub place: Place,
    /// Its fields by column. With faults: as far as they can be told, perhaps not UTF-8.
    pub raw: RawRow<'r>,
    /// What is wrong with it as a record; without one, every field is UTF-8.
    pub faults: RecordFaults,
}

/// Reads a file row by row.
#[derive(Debug)]
pub struct RecordReader<R> {
    source: Source<R>,
    scanner: Scanner,
    header: Header,
}

impl<R: Read> RecordReader<R> {
    /// Starts at the beginning of a file that blocks, and reads its header.
    ///
    /// With a digest (a new one), every byte is added to it.
    pub fn open(
        source: R,
        aliases: &Aliases,
        digest: Option<FileDigest>,
    ) -> Result<Self, ReadError> {
        let mut source = Source::new(source, 0, digest);
        source.fill_start()?;
        Self::of_start(source, aliases)
    }

    fn of_start(source: Source<R>, aliases: &Aliases) -> Result<Self, ReadError> {
        let (header, from) = Header::read(source.window().bytes, aliases)?;
        let scanner = Scanner::new(header.delimiter(), from);
        Ok(Self {
            source,
            scanner,
            header,
        })
    }

    /// Goes on at a checkpoint: `source` stands at [`resume_offset`].
    #[must_use]
    pub fn resume(source: R, header: Header, from: Checkpoint, digest: Option<FileDigest>) -> Self {
        let scanner = Scanner::new(header.delimiter(), from);
        let offset = resume_offset(&from, digest.as_ref());
        Self {
            source: Source::new(source, offset, digest),
            scanner,
            header,
        }
    }

    /// The next row; `None` at the end.
    #[inline]
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, ReadError> {
        loop {
            match self.scanner.step(self.source.window()) {
                Step::Record(_) => break,
                Step::TooLong(place) => return Ok(Some(Row::too_long(place))),
                Step::More => self.source.fill(self.scanner.keep_from())?,
                Step::Unclosed(unclosed) => return Err(unclosed.into()),
                Step::End => return Ok(None),
            }
        }
        let record = self.scanner.record(self.source.window());
        Ok(Some(Row::new(&record, &self.header)))
    }

    /// What the header says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where another reader could go on: behind the last row that was handed out.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.scanner.checkpoint()
    }

    /// The digest of what was read so far, which is more than the rows that were handed out.
    #[must_use]
    pub fn digest(&self) -> Option<&FileDigest> {
        self.source.digest.as_ref()
    }

    /// The source and the digest of all that was read from it: the source goes on behind that.
    #[must_use]
    pub fn into_rest(self) -> (R, Option<FileDigest>) {
        (self.source.inner, self.source.digest)
    }

    /// Reads what is left, rows or not, and gives the digest of the file.
    pub fn finish(mut self) -> Result<Option<FileDigest>, ReadError> {
        while self.source.digest.is_some() && !self.source.is_last {
            let end = self.source.end();
            self.source.fill(end)?;
        }
        Ok(self.source.digest)
    }
}

impl<R: ObjectSource> RecordReader<R> {
    /// As [`Self::open`], of a source that may have to be waited for.
    ///
    /// # Errors
    /// The source failed; inside: the file is refused.
    pub async fn open_object(
        source: R,
        aliases: &Aliases,
        digest: Option<FileDigest>,
    ) -> Result<Result<Self, ReadError>, PortError> {
        let mut source = Source::new(source, 0, digest);
        loop {
            match source.fill_start() {
                Ok(()) => return Ok(Self::of_start(source, aliases)),
                Err(ReadError::Pending) => source.inner.more().await?,
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Waits for the source's next bytes.
    ///
    /// # Errors
    /// The source failed.
    pub async fn more(&mut self) -> Result<(), PortError> {
        self.source.inner.more().await
    }
}

impl<'r> Row<'r> {
    fn too_long(place: Place) -> Self {
        let faults = RecordFaults {
            too_long: true,
            ..RecordFaults::default()
        };
        Self {
            place,
            raw: RawRow::default(),
            faults,
        }
    }

    #[inline]
    fn new(record: &Record<'r>, header: &Header) -> Self {
        let (found, expected) = (record.field_count(), header.width());
        let is_utf8 = record.is_ascii || simdutf8::basic::from_utf8(record.bytes()).is_ok();
        let faults = RecordFaults {
            field_count: (found != expected).then_some((found, expected)),
            invalid_utf8: !is_utf8,
            too_long: false,
        };
        Self {
            place: record.place,
            raw: header.raw_row(record),
            faults,
        }
    }
}

/// Where a source must stand for a reader that goes on at a checkpoint: at its record, or earlier
/// where the digest lacks bytes.
#[must_use]
pub fn resume_offset(from: &Checkpoint, digest: Option<&FileDigest>) -> u64 {
    digest.map_or(from.offset, |digest| digest.bytes().min(from.offset))
}

/// A source and the stretch of it that is in the buffer.
#[derive(Debug)]
struct Source<R> {
    inner: R,
    buffer: Box<[u8]>,
    /// The used part of the buffer, and the offset in the file of its first byte.
    start: usize,
    filled: usize,
    offset: u64,
    is_last: bool,
    digest: Option<FileDigest>,
}

impl<R: Read> Source<R> {
    fn new(inner: R, offset: u64, digest: Option<FileDigest>) -> Self {
        const { assert!(BUFFER_BYTES as u64 > 2 * RECORD_BYTES_MAX) };
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self {
            inner,
            buffer,
            start: 0,
            filled: 0,
            offset,
            is_last: false,
            digest,
        }
    }

    #[inline]
    fn window(&self) -> Window<'_> {
        let bytes = self.buffer.get(self.start..self.filled).unwrap_or_default();
        Window {
            bytes,
            offset: self.offset,
            is_last: self.is_last,
        }
    }

    fn is_full(&self) -> bool {
        self.start == 0 && self.filled == self.buffer.len()
    }

    /// Reads until the buffer is full or the file ends.
    fn fill_start(&mut self) -> Result<(), ReadError> {
        while !self.is_last && !self.is_full() {
            self.fill(0)?;
        }
        Ok(())
    }

    /// The offset behind the last byte that has been read.
    fn end(&self) -> u64 {
        self.offset + (self.filled - self.start) as u64
    }

    /// Drops what is before `keep_from` and reads once more.
    #[cold]
    fn fill(&mut self, keep_from: u64) -> Result<(), ReadError> {
        let done = keep_from
            .saturating_sub(self.offset)
            .min((self.filled - self.start) as u64);
        self.start += done as usize;
        self.offset += done;
        // Kept is at most a record: with half of the buffer free, moving it is rare.
        if self.buffer.len() - self.filled < BUFFER_BYTES / 2 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
        }
        let offset = self.end();
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let count = loop {
            match self.inner.read(free) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ReadError::Pending);
                }
                Err(source) => return Err(ReadError::Io { offset, source }),
                Ok(count) => break count,
            }
        };
        let fresh = free.get(..count).unwrap_or_default();
        if let Some(digest) = &mut self.digest {
            digest.update_at(offset, fresh);
        }
        self.filled += fresh.len();
        self.is_last = count == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
