//! The alert table from its end: newest first, in memory that does not grow with it.
//!
//! What became of an alert stands behind it in the table, so a walk backwards has seen it already:
//! all that is remembered is which marks still look for their alert (no more than are recorded
//! together) and which merchants and rules had a digest.

use super::line::{AlertEntry, Delivery, Line, TABLE, verified};
use serde::Deserialize;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use txp_domain::alert::{Decision, Notice};
use txp_pipeline::port::AlertRecord;
use xxhash_rust::xxh3::xxh3_128;

/// The table is read in pieces of so many bytes.
const PIECE_BYTES: usize = 64 << 10;
/// No line is longer, in bytes: a finding has a few hundred of them for each rule that hit.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Every alert of a table as it is when opened, newest first.
#[derive(Debug, Default)]
pub struct Newest {
    file: Option<File>,
    sound_bytes: u64,
    /// Where in the file the buffer begins; what is before it is not read yet.
    unread_bytes: u64,
    /// Whole lines, and what has been read of the one before them.
    buffer: Vec<u8>,
    handed: HashSet<String>,
    digested: HashSet<u128>,
}

impl Newest {
    /// Opens the table in a directory; where there is none, there are no alerts.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn open(dir: &Path) -> io::Result<Self> {
        match File::open(dir.join(TABLE)) {
            Ok(file) => Self::of(file),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Whether there is a table.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.file.is_some()
    }

    /// A table up to its last whole line.
    pub(super) fn of(file: File) -> io::Result<Self> {
        let mut newest = Self {
            unread_bytes: file.metadata()?.len(),
            file: Some(file),
            ..Self::default()
        };
        loop {
            if let Some(end) = newest.buffer.iter().rposition(|byte| *byte == b'\n') {
                newest.buffer.truncate(end + 1);
                break;
            }
            if !newest.read_piece()? {
                newest.buffer.clear();
                break;
            }
        }
        newest.sound_bytes = newest.unread_bytes + newest.buffer.len() as u64;
        Ok(newest)
    }

    /// Bytes of whole lines.
    pub(super) fn sound_bytes(&self) -> u64 {
        self.sound_bytes
    }

    /// How many alerts the table holds, from a walk over all of it.
    ///
    /// # Errors
    /// The table cannot be read or is damaged.
    pub fn total(&self) -> io::Result<u64> {
        #[derive(Deserialize)]
        struct AnyLine<'a> {
            kind: &'a str,
        }
        let Some(file) = &self.file else { return Ok(0) };
        let mut reader = BufReader::with_capacity(PIECE_BYTES, At { file, offset: 0 });
        let (mut line, mut total, mut offset) = (Vec::new(), 0, 0);
        while offset < self.sound_bytes {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            let parsed = verified(&line).and_then(|line| serde_json::from_slice(line).ok());
            let parsed: AnyLine<'_> = parsed.ok_or_else(|| damaged(offset))?;
            total += u64::from(parsed.kind == "recorded");
            offset += read.max(1) as u64;
        }
        Ok(total)
    }

    /// The next older alert.
    ///
    /// # Errors
    /// The table cannot be read or is damaged.
    pub fn next_entry(&mut self) -> io::Result<Option<AlertEntry>> {
        Ok(self.next_with_place()?.map(|(_, entry)| entry))
    }

    /// The next older alert, and at which byte its line begins.
    pub(super) fn next_with_place(&mut self) -> io::Result<Option<(u64, AlertEntry)>> {
        while let Some(start) = self.find_line()? {
            let at = self.unread_bytes + start as u64;
            let line = parse(self.buffer.get(start..).unwrap_or_default(), at)?;
            self.buffer.truncate(start);
            match line {
                Line::Handed { id, .. } => {
                    self.handed.insert(id);
                }
                Line::HandedDigest {
                    merchant_id, rule, ..
                } => {
                    self.digested.insert(digest_key(&merchant_id, &rule));
                }
                recorded @ Line::Recorded { .. } => {
                    let Some(record) = recorded.into_record() else {
                        continue;
                    };
                    let delivery = self.delivery(&record);
                    return Ok(Some((at, AlertEntry { record, delivery })));
                }
            }
        }
        Ok(None)
    }

    /// The alert whose line begins at this byte.
    pub(super) fn record_at(&self, at: u64) -> io::Result<AlertRecord> {
        let mut line = Vec::new();
        if let Some(file) = &self.file {
            let mut reader = BufReader::new(At { file, offset: at });
            reader.read_until(b'\n', &mut line)?;
        }
        parse(&line, at)?.into_record().ok_or_else(|| damaged(at))
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let marks: usize = self.handed.iter().map(String::len).sum();
        self.buffer.capacity() + marks + self.digested.len() * size_of::<u128>()
    }

    fn delivery(&mut self, record: &AlertRecord) -> Delivery {
        if self.handed.remove(record.flagged.id()) {
            return Delivery::Sent;
        }
        if record.decision == Decision::Digest {
            let notice = Notice::of(&record.flagged.finding);
            let key = digest_key(&notice.merchant_id, &notice.rule);
            if self.digested.contains(&key) {
                return Delivery::SentInDigest;
            }
        }
        Delivery::waiting(record.decision)
    }

    /// Where in the buffer the last line begins that was not given yet.
    fn find_line(&mut self) -> io::Result<Option<usize>> {
        loop {
            let body = self.buffer.split_last().map_or(&[][..], |(_, body)| body);
            if let Some(end) = body.iter().rposition(|byte| *byte == b'\n') {
                return Ok(Some(end + 1));
            }
            if !self.read_piece()? {
                return Ok((!self.buffer.is_empty()).then_some(0));
            }
        }
    }

    /// Puts the piece of the file before the buffer in front of it; `false` at the file's start.
    fn read_piece(&mut self) -> io::Result<bool> {
        let bytes = self.unread_bytes.min(PIECE_BYTES as u64);
        let Some(file) = self.file.as_ref().filter(|_| bytes > 0) else {
            return Ok(false);
        };
        if self.buffer.len() > LINE_BYTES_MAX {
            return Err(damaged(self.unread_bytes));
        }
        let mut piece = vec![0; usize::try_from(bytes).unwrap_or(PIECE_BYTES)];
        let from = self.unread_bytes - bytes;
        file.read_exact_at(&mut piece, from)?;
        piece.append(&mut self.buffer);
        self.buffer = piece;
        self.unread_bytes = from;
        Ok(true)
    }
}

/// A file read from a place on, without moving the place that others of its handle are at.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Merchant and rule of a digest: a hash, since there may be very many.
fn digest_key(merchant_id: &str, rule: &str) -> u128 {
    xxh3_128(format!("{merchant_id}\0{rule}").as_bytes())
}

fn parse(line: &[u8], at: u64) -> io::Result<Line> {
    Line::decode(line).ok_or_else(|| damaged(at))
}

pub(super) fn damaged(at: u64) -> io::Error {
    let message = format!(
        "the alert table {TABLE} is damaged at byte {at}: restore it from a copy of the directory, or move it away to start a new one"
    );
    io::Error::new(ErrorKind::InvalidData, message)
}
