//! The blocking reader: one buffer of fixed size, rows borrowed from it, and a digest of every byte
//! on the way.
//!
//! Deliberately absent: seeking and opening (the caller brings a source at the right place), and
//! any look at what a cell says.

use super::header::{Aliases, Header, HeaderFaults};
use super::scan::{Checkpoint, Place, Scanner, Step, Unclosed, Window};
use super::{RECORD_BYTES_MAX, Record};
use sha2::{Digest, Sha256};
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

/// The SHA-256 and number of the bytes of a file, as far as it has been read.
#[derive(Clone, Debug, Default)]
pub struct FileDigest {
    hash: Sha256,
    bytes: u64,
}

impl FileDigest {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// How many bytes there were.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The SHA-256 of them.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }
}

/// Reads a file row by row.
#[derive(Debug)]
pub struct RecordReader<R> {
    source: Source<R>,
    scanner: Scanner,
    header: Header,
}

impl<R: Read> RecordReader<R> {
    /// Starts at the beginning of a file and reads its header.
    ///
    /// With a digest (a new one), every byte is added to it.
    pub fn open(
        source: R,
        aliases: &Aliases,
        digest: Option<FileDigest>,
    ) -> Result<Self, ReadError> {
        let mut source = Source::new(source, 0, digest);
        while !source.is_last && !source.is_full() {
            source.fill(0)?;
        }
        let (header, from) = Header::read(source.window().bytes, aliases)?;
        let scanner = Scanner::new(header.delimiter(), from);
        Ok(Self {
            source,
            scanner,
            header,
        })
    }

    /// Goes on at a checkpoint: `source` stands at its offset.
    ///
    /// A digest, if wanted, must have been fed with the bytes before it.
    #[must_use]
    pub fn resume(source: R, header: Header, from: Checkpoint, digest: Option<FileDigest>) -> Self {
        let scanner = Scanner::new(header.delimiter(), from);
        Self {
            source: Source::new(source, from.offset, digest),
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

    /// Reads what is left, rows or not, and gives the digest of the file.
    pub fn finish(mut self) -> Result<Option<FileDigest>, ReadError> {
        while self.source.digest.is_some() && !self.source.is_last {
            let end = self.source.end();
            self.source.fill(end)?;
        }
        Ok(self.source.digest)
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
                Err(source) => return Err(ReadError::Io { offset, source }),
                Ok(count) => break count,
            }
        };
        let fresh = free.get(..count).unwrap_or_default();
        if let Some(digest) = &mut self.digest {
            digest.update(fresh);
        }
        self.filled += fresh.len();
        self.is_last = count == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
