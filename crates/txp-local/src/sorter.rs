//! Puts more records in order than memory holds: chunks that are sorted and written out, then merged.
//!
//! A record is a hash, a key and a value; the order is that of the state's keyspaces, hash before key.
//! Records of one key come out in the order in which they went in, which a fold needs. Memory is one
//! chunk while it is filled, and a small buffer per chunk while they are merged; where the chunks are
//! many, neighbours are merged into one first.
//!
//! The files are of no worth after the process: they lie in a directory that the caller gives and
//! removes, without checksums and never synced.

mod chunk;
mod file;

use chunk::{Chunk, ChunkCursor};
use file::{FileCursor, FileWriter};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of records gathered before they are sorted.
pub const CHUNK_BYTES: usize = 40 << 20;

/// Files that are merged at once, each with its buffer.
const FAN_IN: usize = 64;

/// Why records cannot be put in order.
#[derive(Debug, thiserror::Error)]
pub enum SortError {
    /// The disk is full.
    #[error(
        "no room left for what is put in order in {}: free space, or set TMPDIR to a directory with room",
        dir.display()
    )]
    Full {
        /// The directory.
        dir: PathBuf,
        /// As the system says it.
        source: io::Error,
    },
    /// The system refused.
    #[error("cannot write or read what is put in order in {}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A key or value over its limit.
    #[error("a record of {bytes} bytes cannot be put in order")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl SortError {
    fn io(dir: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let dir = dir.to_path_buf();
            match source.kind() {
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge => Self::Full { dir, source },
                _ => Self::Io { dir, source },
            }
        }
    }
}

/// A record, lent until the next one is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The hash of the key's first part.
    pub hash: u64,
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

/// Takes records in any order.
#[derive(Debug)]
pub struct Sorter {
    dir: PathBuf,
    name: &'static str,
    chunk: Chunk,
    chunk_bytes: usize,
    files: Vec<PathBuf>,
    made: u64,
}

impl Sorter {
    /// A sorter whose files lie in `dir` and begin with `name`.
    #[must_use]
    pub fn new(dir: &Path, name: &'static str) -> Self {
        Self::with_chunks_of(dir, name, CHUNK_BYTES)
    }

    fn with_chunks_of(dir: &Path, name: &'static str, chunk_bytes: usize) -> Self {
        Self {
            dir: dir.to_path_buf(),
            name,
            chunk: Chunk::default(),
            chunk_bytes,
            files: Vec::new(),
            made: 0,
        }
    }

    /// Takes a record; `value` appends its value to what it is given.
    ///
    /// # Errors
    /// It is too large, or a chunk cannot be written.
    pub fn push(
        &mut self,
        hash: u64,
        key: &[u8],
        value: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), SortError> {
        let bytes = self.chunk.push(hash, key, value)?;
        if bytes >= self.chunk_bytes {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), SortError> {
        let mut out = self.file()?;
        self.chunk.sort();
        let mut cursor = ChunkCursor::new(&self.chunk);
        while let Some(record) = cursor.next() {
            out.push(record).map_err(SortError::io(&self.dir))?;
        }
        self.files
            .push(out.finish().map_err(SortError::io(&self.dir))?);
        self.chunk.clear();
        Ok(())
    }

    fn file(&mut self) -> Result<FileWriter, SortError> {
        self.made += 1;
        let path = self.dir.join(format!("{}.{}", self.name, self.made));
        FileWriter::create(path).map_err(SortError::io(&self.dir))
    }

    /// All records, in order.
    ///
    /// # Errors
    /// Files cannot be written or read.
    pub fn finish(mut self) -> Result<Sorted, SortError> {
        while self.files.len() > FAN_IN {
            for group in std::mem::take(&mut self.files).chunks(FAN_IN) {
                self.merge_neighbours(group)?;
            }
        }
        self.chunk.sort();
        let files = std::mem::take(&mut self.files);
        let chunk = std::mem::take(&mut self.chunk);
        Sorted::open(&self.dir, &files, chunk)
    }

    /// One file of several that follow each other: what came first stays first.
    fn merge_neighbours(&mut self, files: &[PathBuf]) -> Result<(), SortError> {
        let mut out = self.file()?;
        let mut merged = Sorted::open(&self.dir, files, Chunk::default())?;
        while let Some(record) = merged.next()? {
            out.push(record).map_err(SortError::io(&self.dir))?;
        }
        for path in files {
            std::fs::remove_file(path).map_err(SortError::io(&self.dir))?;
        }
        self.files
            .push(out.finish().map_err(SortError::io(&self.dir))?);
        Ok(())
    }
}

/// Records in order.
#[derive(Debug)]
pub struct Sorted {
    dir: PathBuf,
    /// Each with the hash that it stands on. Few enough that a walk beats a heap.
    sources: Vec<(u64, Source)>,
    /// The source whose record was lent last.
    lent: usize,
    is_started: bool,
}

#[derive(Debug)]
enum Source {
    File(FileCursor),
    Chunk(OwnedChunk),
}

/// The last chunk, which needs no file.
#[derive(Debug)]
struct OwnedChunk {
    chunk: Chunk,
    at: usize,
}

impl Source {
    fn advance(&mut self) -> io::Result<bool> {
        match self {
            Self::File(file) => file.advance(),
            Self::Chunk(owned) => {
                owned.at = owned.at.wrapping_add(1);
                Ok(owned.chunk.get(owned.at).is_some())
            }
        }
    }

    fn record(&self) -> Record<'_> {
        const NONE: Record<'static> = Record {
            hash: u64::MAX,
            key: &[],
            value: &[],
        };
        match self {
            Self::File(file) => file.record(),
            Self::Chunk(owned) => owned.chunk.get(owned.at).unwrap_or(NONE),
        }
    }
}

impl Sorted {
    fn open(dir: &Path, files: &[PathBuf], chunk: Chunk) -> Result<Self, SortError> {
        let mut sources = Vec::with_capacity(files.len() + 1);
        for path in files {
            let file = FileCursor::open(path).map_err(SortError::io(dir))?;
            sources.push((0, Source::File(file)));
        }
        // Before its first record, which stands at 0.
        let at = usize::MAX;
        sources.push((0, Source::Chunk(OwnedChunk { chunk, at })));
        Ok(Self {
            dir: dir.to_path_buf(),
            sources,
            lent: usize::MAX,
            is_started: false,
        })
    }

    /// The next record.
    ///
    /// # Errors
    /// A file cannot be read.
    #[expect(
        clippy::should_implement_trait,
        reason = "records are lent: they stand in the buffers of their files"
    )]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, SortError> {
        if self.is_started {
            self.advance(self.lent)?;
        } else {
            self.is_started = true;
            for index in (0..self.sources.len()).rev() {
                self.advance(index)?;
            }
        }
        let Some(hash) = self.sources.iter().map(|(hash, _)| *hash).min() else {
            return Ok(None);
        };
        // Of several with one key the first: its records went in before.
        let standing = self.sources.iter().enumerate();
        let least = standing
            .filter(|(_, source)| source.0 == hash)
            .reduce(|least, other| {
                if other.1.1.record().key < least.1.1.record().key {
                    other
                } else {
                    least
                }
            });
        self.lent = least.map_or(usize::MAX, |(index, _)| index);
        Ok(self.current())
    }

    /// The record that was lent last.
    #[must_use]
    pub fn current(&self) -> Option<Record<'_>> {
        self.sources
            .get(self.lent)
            .map(|(_, source)| source.record())
    }

    /// Steps one source, and removes it at its end.
    fn advance(&mut self, index: usize) -> Result<(), SortError> {
        let Some((hash, source)) = self.sources.get_mut(index) else {
            return Ok(());
        };
        if source.advance().map_err(SortError::io(&self.dir))? {
            *hash = source.record().hash;
        } else {
            self.sources.remove(index);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
