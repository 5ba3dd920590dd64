//! A sorted chunk as a file: written front to back, read front to back through a window.

use super::{MIDDLE_HASH, Record};
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Bytes of one write.
const WRITE_BYTES: usize = 256 << 10;
/// Bytes of one read. The window grows beyond it for a larger record only.
const READ_BYTES: usize = 128 << 10;
/// Hash, key length, value length.
const HEAD_BYTES: usize = 8 + 2 + 4;

/// A file that is whole.
#[derive(Debug)]
pub(super) struct Spilled {
    pub(super) path: PathBuf,
    /// Where the first record of the upper half of the hashes begins.
    pub(super) middle: u64,
    pub(super) bytes: u64,
}

pub(super) struct FileWriter {
    path: PathBuf,
    file: File,
    out: Vec<u8>,
    /// Bytes that are in the file already.
    written: u64,
    middle: Option<u64>,
}

impl FileWriter {
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        let file = File::create_new(&path)?;
        Ok(Self {
            path,
            file,
            out: Vec::with_capacity(WRITE_BYTES * 2),
            written: 0,
            middle: None,
        })
    }

    pub(super) fn push(&mut self, record: Record<'_>) -> io::Result<()> {
        let Record { hash, key, value } = record;
        if hash >= MIDDLE_HASH && self.middle.is_none() {
            self.middle = Some(self.bytes());
        }
        self.out.extend_from_slice(&hash.to_le_bytes());
        // They have come out of a chunk, which has checked their lengths.
        let key_bytes = u16::try_from(key.len()).unwrap_or(u16::MAX);
        let value_bytes = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.out.extend_from_slice(&key_bytes.to_le_bytes());
        self.out.extend_from_slice(&value_bytes.to_le_bytes());
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(value);
        if self.out.len() >= WRITE_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.written + self.out.len() as u64
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_all(&self.out)?;
        self.written = self.bytes();
        self.out.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<Spilled> {
        self.write_out()?;
        Ok(Spilled {
            path: self.path,
            middle: self.middle.unwrap_or(self.written),
            bytes: self.written,
        })
    }
}

#[derive(Debug)]
pub(super) struct FileCursor {
    file: File,
    /// What is to be read into the window yet.
    unread: Range<u64>,
    window: Vec<u8>,
    /// How much of the window is filled.
    filled: usize,
    /// Where the current record starts in the window, and how long it is.
    start: usize,
    length: usize,
    hash: u64,
    key_bytes: usize,
}

impl FileCursor {
    /// The records in a stretch of a file, which begins and ends between two of them.
    pub(super) fn open(path: &Path, bytes: Range<u64>) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            unread: bytes,
            window: Vec::new(),
            filled: 0,
            start: 0,
            length: 0,
            hash: 0,
            key_bytes: 0,
        })
    }

    /// Goes on to the next record; `false` at the end.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        self.start += self.length;
        self.length = 0;
        self.hold(HEAD_BYTES)?;
        let rest = self.window.get(self.start..self.filled).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        let (hash, key_bytes, value_bytes) = head(rest).ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = HEAD_BYTES + key_bytes + value_bytes;
        self.hold(length)?;
        if self.filled - self.start < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.hash, self.key_bytes, self.length) = (hash, key_bytes, length);
        Ok(true)
    }

    pub(super) fn record(&self) -> Record<'_> {
        let bytes = self.window.get(self.start..self.start + self.length);
        let rest = bytes.and_then(|bytes| bytes.get(HEAD_BYTES..));
        let parts = rest.and_then(|rest| rest.split_at_checked(self.key_bytes));
        let (key, value) = parts.unwrap_or_default();
        Record {
            hash: self.hash,
            key,
            value,
        }
    }

    /// Reads on until the window holds so many bytes from `start` on, or the stretch ends.
    fn hold(&mut self, bytes: usize) -> io::Result<()> {
        if self.filled - self.start >= bytes {
            return Ok(());
        }
        self.window.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        let left = usize::try_from(self.unread.end - self.unread.start).unwrap_or(usize::MAX);
        let target = bytes.max(READ_BYTES).min(self.filled.saturating_add(left));
        // Bytes that were written once are not cleared again before they are read over.
        if self.window.len() < target {
            self.window.resize(target, 0);
        }
        while let Some(room) = self.window.get_mut(self.filled..target)
            && !room.is_empty()
        {
            match self.file.read_at(room, self.unread.start) {
                Ok(0) => break,
                Ok(read) => {
                    self.filled += read;
                    self.unread.start += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn head(bytes: &[u8]) -> Option<(u64, usize, usize)> {
    let (hash, rest) = bytes.split_first_chunk::<8>()?;
    let (key_bytes, rest) = rest.split_first_chunk::<2>()?;
    let (value_bytes, _) = rest.split_first_chunk::<4>()?;
    Some((
        u64::from_le_bytes(*hash),
        usize::from(u16::from_le_bytes(*key_bytes)),
        u32::from_le_bytes(*value_bytes) as usize,
    ))
}
