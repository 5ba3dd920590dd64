//! Puts more records in order than memory holds: chunks that are sorted and written out, then merged.
//!
//! A record is a hash, a key and a value; the order is that of the state's keyspaces, hash before key.
//! Records of one key come out in the order in which they went in, which a fold needs. Memory is one
//! chunk while it is filled, and a small buffer per chunk while they are merged; where the chunks are
//! many, neighbours are merged into one first.
//!
//! What was sorted can be had as two halves of the hashes, to be walked on two threads: each file knows
//! where its upper half begins.
//!
//! The files are of no worth after the process: they lie in a directory that the caller gives and
//! removes, without checksums and never synced.

mod chunk;
mod file;

use chunk::{Chunk, ChunkCursor};
use file::{FileCursor, FileWriter, Spilled};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of records gathered before they are sorted.
pub const CHUNK_BYTES: usize = 40 << 20;

/// Files that are merged at once, each with its buffer.
const FAN_IN: usize = 64;

/// The first hash of the upper half. Hashes are spread evenly, so the halves are as large.
pub(crate) const MIDDLE_HASH: u64 = 1 << 63;

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
    files: Vec<Spilled>,
    made: u64,
}

/// Which hashes are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    All,
    Lower,
    Upper,
}

impl Sorter {
    /// A sorter whose files lie in `dir` and begin with `name`.
    #[must_use]
    pub fn new(dir: &Path, name: &'static str) -> Self {
        Self::with_chunks_of(dir, name, CHUNK_BYTES)
    }

    pub(crate) fn with_chunks_of(dir: &Path, name: &'static str, chunk_bytes: usize) -> Self {
        Self {
            dir: dir.to_path_buf(),
            name,
            chunk: Chunk::default(),
            chunk_bytes,
            files: Vec::new(),
            made: 0,
        }
    }

    /// Where its files lie.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
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
    pub fn finish(self) -> Result<Sorted, SortError> {
        self.ended()?.part(Part::All)
    }

    /// All records, in order, as two halves: the hashes below [`MIDDLE_HASH`], and the rest.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub(crate) fn finish_halves(self) -> Result<[Sorted; 2], SortError> {
        let ended = self.ended()?;
        Ok([ended.part(Part::Lower)?, ended.part(Part::Upper)?])
    }

    /// All records of this one and of another, in order; of one key, those of this one come first.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub(crate) fn finish_with(self, other: Self) -> Result<Sorted, SortError> {
        let (mut all, more) = (self.ended()?.part(Part::All)?, other.ended()?);
        all.append(more.part(Part::All)?);
        Ok(all)
    }

    /// Few enough files, and the last chunk sorted.
    fn ended(mut self) -> Result<Ended, SortError> {
        while self.files.len() > FAN_IN {
            for group in std::mem::take(&mut self.files).chunks(FAN_IN) {
                self.merge_neighbours(group)?;
            }
        }
        self.chunk.sort();
        Ok(Ended {
            dir: self.dir,
            files: self.files,
            chunk: Arc::new(self.chunk),
        })
    }

    /// One file of several that follow each other: what came first stays first.
    fn merge_neighbours(&mut self, files: &[Spilled]) -> Result<(), SortError> {
        let mut out = self.file()?;
        let mut merged = Sorted::of_files(&self.dir, files, Part::All)?;
        while let Some(record) = merged.next()? {
            out.push(record).map_err(SortError::io(&self.dir))?;
        }
        for file in files {
            std::fs::remove_file(&file.path).map_err(SortError::io(&self.dir))?;
        }
        self.files
            .push(out.finish().map_err(SortError::io(&self.dir))?);
        Ok(())
    }
}

/// What was sorted, to be opened in parts.
struct Ended {
    dir: PathBuf,
    files: Vec<Spilled>,
    chunk: Arc<Chunk>,
}

impl Ended {
    fn part(&self, part: Part) -> Result<Sorted, SortError> {
        let mut sorted = Sorted::of_files(&self.dir, &self.files, part)?;
        let middle = self.chunk.first_at(MIDDLE_HASH);
        let (start, end) = match part {
            Part::All => (0, self.chunk.len()),
            Part::Lower => (0, middle),
            Part::Upper => (middle, self.chunk.len()),
        };
        sorted.push(Source::Chunk(SharedChunk {
            chunk: Arc::clone(&self.chunk),
            // Before its first record.
            at: start.wrapping_sub(1),
            end,
        }));
        Ok(sorted)
    }
}

/// Records in order.
#[derive(Debug)]
pub struct Sorted {
    dir: PathBuf,
    /// The hash that each source stands on. Few enough, and side by side, that a walk beats a heap.
    hashes: Vec<u64>,
    sources: Vec<Source>,
    /// The source whose record was lent last.
    lent: usize,
    is_started: bool,
}

#[derive(Debug)]
enum Source {
    File(FileCursor),
    Chunk(SharedChunk),
}

/// The last chunk, which needs no file.
#[derive(Debug)]
struct SharedChunk {
    chunk: Arc<Chunk>,
    at: usize,
    end: usize,
}

impl Source {
    fn advance(&mut self) -> io::Result<bool> {
        match self {
            Self::File(file) => file.advance(),
            Self::Chunk(shared) => {
                shared.at = shared.at.wrapping_add(1);
                Ok(shared.at < shared.end)
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
            Self::Chunk(shared) => shared.chunk.get(shared.at).unwrap_or(NONE),
        }
    }
}

impl Sorted {
    fn of_files(dir: &Path, files: &[Spilled], part: Part) -> Result<Self, SortError> {
        let mut sorted = Self {
            dir: dir.to_path_buf(),
            hashes: Vec::with_capacity(files.len() + 1),
            sources: Vec::with_capacity(files.len() + 1),
            lent: usize::MAX,
            is_started: false,
        };
        for file in files {
            let bytes = match part {
                Part::All => 0..file.bytes,
                Part::Lower => 0..file.middle,
                Part::Upper => file.middle..file.bytes,
            };
            let cursor = FileCursor::open(&file.path, bytes).map_err(SortError::io(dir))?;
            sorted.push(Source::File(cursor));
        }
        Ok(sorted)
    }

    /// Takes a source that comes behind the others and has not been stepped.
    fn push(&mut self, source: Source) {
        self.hashes.push(0);
        self.sources.push(source);
    }

    fn append(&mut self, mut behind: Self) {
        self.hashes.append(&mut behind.hashes);
        self.sources.append(&mut behind.sources);
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
        let Some(hash) = self.hashes.iter().copied().min() else {
            return Ok(None);
        };
        // Of several with one key the first: its records went in before.
        let standing = self.hashes.iter().zip(&self.sources).enumerate();
        let least = standing
            .filter(|(_, (standing, _))| **standing == hash)
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
        self.sources.get(self.lent).map(Source::record)
    }

    /// Steps one source, and removes it at its end.
    fn advance(&mut self, index: usize) -> Result<(), SortError> {
        let (Some(hash), Some(source)) = (self.hashes.get_mut(index), self.sources.get_mut(index))
        else {
            return Ok(());
        };
        if source.advance().map_err(SortError::io(&self.dir))? {
            *hash = source.record().hash;
        } else {
            self.hashes.remove(index);
            self.sources.remove(index);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
