//! A sorted chunk as a file: written front to back, read front to back through a window.

use super::Record;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of one write.
const WRITE_BYTES: usize = 256 << 10;
/// Bytes of one read. The window grows beyond it for a larger record only.
const READ_BYTES: usize = 128 << 10;
/// Hash, key length, value length.
const HEAD_BYTES: usize = 8 + 2 + 4;

pub(super) struct FileWriter {
    path: PathBuf,
    file: File,
    out: Vec<u8>,
}

impl FileWriter {
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        let file = File::create_new(&path)?;
        Ok(Self {
            path,
            file,
            out: Vec::with_capacity(WRITE_BYTES * 2),
        })
    }

    pub(super) fn push(&mut self, record: Record<'_>) -> io::Result<()> {
        let Record { hash, key, value } = record;
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

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<PathBuf> {
        self.write_out()?;
        Ok(self.path)
    }
}

#[derive(Debug)]
pub(super) struct FileCursor {
    file: File,
    window: Vec<u8>,
    /// Where the current record starts in the window, and how long it is.
    start: usize,
    length: usize,
    hash: u64,
    key_bytes: usize,
}

impl FileCursor {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            window: Vec::new(),
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
        let rest = self.window.get(self.start..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        let (hash, key_bytes, value_bytes) = head(rest).ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = HEAD_BYTES + key_bytes + value_bytes;
        self.hold(length)?;
        if self.window.len() - self.start < length {
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

    /// Reads on until the window holds so many bytes from `start` on, or the file ends.
    fn hold(&mut self, bytes: usize) -> io::Result<()> {
        if self.window.len() - self.start >= bytes {
            return Ok(());
        }
        self.window.drain(..self.start);
        self.start = 0;
        let mut filled = self.window.len();
        self.window.resize(bytes.max(READ_BYTES), 0);
        while let Some(room) = self.window.get_mut(filled..).filter(|r| !r.is_empty()) {
            match self.file.read(room) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.window.truncate(filled);
                    return Err(error);
                }
            }
        }
        self.window.truncate(filled);
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
