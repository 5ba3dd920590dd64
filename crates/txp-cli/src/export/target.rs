//! The file that a table is written to, and how a run that was cut goes on.
//!
//! Pieces are put behind one another into `OUT.partial`. Beside it `OUT.checkpoint` says how many of
//! its bytes count, and which events they hold; it is written after them and replaced at once. The
//! same command takes both up again: what lies behind those bytes is cut off, and the source read on
//! from there, so whenever a run is ended the file comes to the same bytes. At the end the pieces
//! become OUT by one rename, and the checkpoint is gone: there is no OUT that is not whole.
//!
//! A table that is followed has no end. Its pieces are put into OUT itself, and the checkpoint stays.
//!
//! What is no plain file (a pipe, a terminal) is written straight on and cannot be taken up again.

use crate::output;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use txp_pipeline::document::PositionDocument;
use txp_pipeline::history::Marks;

/// The version of the checkpoint's form.
const VERSION: u32 = 1;
/// A checkpoint is written when so many bytes have come: to write it again takes a few milliseconds.
const CHECKPOINT_BYTES: u64 = 16 << 20;
/// The most bytes of a checkpoint: places are some 20 KB, pieces 10 bytes each.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Which events were written: everything before a place of the source, and behind it what is at or
/// before the marks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// A place of the source; `None` for its beginning.
    pub(crate) cursor: Option<String>,
    /// Of each bucket, the last event behind that place that was written or passed over.
    pub(crate) marks: Marks,
    /// Rows that were written.
    pub(crate) written: u64,
    /// Events that no row could be made of.
    pub(crate) unreadable: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkpoint {
    version: u32,
    /// What was asked for.
    of: String,
    cursor: Option<String>,
    marks: Vec<PositionDocument>,
    written: u64,
    unreadable: u64,
    /// The sizes of the pieces, where they are put together at the end.
    pieces: Vec<u64>,
    bytes: u64,
}

/// Makes one file of pieces: given the file that they lie in, how long each is, and the one to write.
pub(crate) type Join = fn(&File, &[u64], &mut File) -> anyhow::Result<()>;

/// Where pieces go.
pub(crate) enum Target {
    /// Standard output, or what is no plain file.
    Stream(Box<dyn Write>),
    /// A file.
    File(Box<Filed>),
}

/// A file that is written piece by piece.
pub(crate) struct Filed {
    out: PathBuf,
    /// What is written to until the end.
    partial: PathBuf,
    checkpoint: PathBuf,
    file: File,
    of: String,
    bytes: u64,
    /// Bytes that the checkpoint counts.
    kept_bytes: u64,
    /// The sizes of the pieces, if they are to be known.
    pieces: Option<Vec<u64>>,
    is_followed: bool,
    /// Whether a checkpoint is written.
    is_kept: bool,
}

impl Target {
    /// Opens standard output, or a file where a run of the same that was cut has left it: `of` says
    /// what is asked for. Gives the place to go on from too.
    pub(crate) fn open(
        out: Option<&Path>,
        of: String,
        is_followed: bool,
        has_pieces: bool,
    ) -> anyhow::Result<(Self, Option<Place>)> {
        let Some(out) = out else {
            return Ok((Self::Stream(Box::new(io::stdout())), None));
        };
        let writing = || format!("writing {}", output::path(out));
        if out
            .metadata()
            .is_ok_and(|there| !there.is_file() && !there.is_dir())
        {
            let pipe = OpenOptions::new()
                .write(true)
                .open(out)
                .with_context(writing)?;
            return Ok((Self::Stream(Box::new(pipe)), None));
        }
        if out.is_dir() {
            bail!("{} is a folder; --out names a file", output::path(out));
        }
        let partial = if is_followed {
            out.to_path_buf()
        } else {
            beside(out, ".partial")
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&partial).with_context(writing)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "{} is being written by another txp; wait for it, or name another file",
                    output::path(&partial)
                );
            }
            // A file system without locks is no reason not to write.
            Err(TryLockError::Error(_)) => {}
        }
        let mut filed = Filed {
            out: out.to_path_buf(),
            partial,
            checkpoint: beside(out, ".checkpoint"),
            file,
            of,
            bytes: 0,
            kept_bytes: 0,
            pieces: has_pieces.then(Vec::new),
            is_followed,
            is_kept: true,
        };
        let place = filed.take_up().with_context(writing)?;
        Ok((Self::File(Box::new(filed)), place))
    }

    /// The same for what is begun anew each time.
    pub(crate) fn anew(out: Option<&Path>, has_pieces: bool) -> anyhow::Result<Self> {
        let (mut target, _) = Self::open(out, String::new(), false, has_pieces)?;
        if let Self::File(filed) = &mut target {
            filed.is_kept = false;
        }
        Ok(target)
    }

    /// Puts a piece behind the others; `place` is asked for if it is time for a checkpoint.
    pub(crate) fn put(
        &mut self,
        piece: &[u8],
        place: impl FnOnce() -> Place,
    ) -> anyhow::Result<()> {
        match self {
            Self::Stream(stream) => {
                let put = stream.write_all(piece).and_then(|()| stream.flush());
                put.context("writing what was read")
            }
            Self::File(filed) => {
                let writing = || format!("writing {}", output::path(&filed.partial));
                filed.file.write_all(piece).with_context(writing)?;
                filed.bytes += piece.len() as u64;
                if let Some(pieces) = &mut filed.pieces
                    && !piece.is_empty()
                {
                    pieces.push(piece.len() as u64);
                }
                let is_due = filed.pieces.is_some()
                    || filed.is_followed
                    || filed.bytes - filed.kept_bytes >= CHECKPOINT_BYTES;
                if filed.is_kept && is_due && filed.bytes > filed.kept_bytes {
                    filed.keep(&place())?;
                }
                Ok(())
            }
        }
    }

    /// Makes the file that was asked for of the pieces: as they stand, or by `join`.
    pub(crate) fn finish(self, join: Option<Join>) -> anyhow::Result<()> {
        let Self::File(filed) = self else {
            return Ok(());
        };
        let writing = || format!("writing {}", output::path(&filed.out));
        filed.file.sync_all().with_context(writing)?;
        if filed.is_followed {
            return Ok(());
        }
        if let (Some(join), Some(pieces)) = (join, &filed.pieces) {
            let joined = beside(&filed.out, ".joined");
            let mut file = File::create(&joined).with_context(writing)?;
            join(&filed.file, pieces, &mut file)?;
            file.sync_all().with_context(writing)?;
            fs::rename(&joined, &filed.out).with_context(writing)?;
            fs::remove_file(&filed.checkpoint)
                .or_else(absent)
                .with_context(writing)?;
            return fs::remove_file(&filed.partial).with_context(writing);
        }
        fs::rename(&filed.partial, &filed.out).with_context(writing)?;
        fs::remove_file(&filed.checkpoint)
            .or_else(absent)
            .with_context(writing)
    }
}

fn absent(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

fn beside(out: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(out);
    name.push(suffix);
    PathBuf::from(name)
}

impl Filed {
    /// Cuts the file to what the checkpoint counts, if it is one of the same; else empties it.
    fn take_up(&mut self) -> anyhow::Result<Option<Place>> {
        let found = self.found();
        let place = found.as_ref().and_then(|checkpoint| {
            Some(Place {
                cursor: checkpoint.cursor.clone(),
                marks: Marks::read(&checkpoint.marks)?,
                written: checkpoint.written,
                unreadable: checkpoint.unreadable,
            })
        });
        if let (Some(checkpoint), Some(place)) = (found, &place) {
            self.bytes = checkpoint.bytes;
            if self.pieces.is_some() {
                self.pieces = Some(checkpoint.pieces);
            }
            output::note(&format!(
                "goes on behind {} that a run before this one wrote to {}",
                output::grouped(place.written),
                output::path(&self.partial)
            ));
        }
        self.kept_bytes = self.bytes;
        self.file.set_len(self.bytes)?;
        self.file.seek(SeekFrom::Start(self.bytes))?;
        Ok(place)
    }

    fn found(&self) -> Option<Checkpoint> {
        let metadata = fs::metadata(&self.checkpoint).ok()?;
        if metadata.len() > FILE_BYTES_MAX {
            return None;
        }
        let bytes = fs::read(&self.checkpoint).ok()?;
        let checkpoint: Checkpoint = serde_json::from_slice(&bytes).ok()?;
        let there = self.file.metadata().ok()?.len();
        let is_whole = there >= checkpoint.bytes;
        (checkpoint.version == VERSION && checkpoint.of == self.of && is_whole)
            .then_some(checkpoint)
    }

    /// Makes durable what was written, then says so.
    fn keep(&mut self, place: &Place) -> anyhow::Result<()> {
        let checkpoint = Checkpoint {
            version: VERSION,
            of: self.of.clone(),
            cursor: place.cursor.clone(),
            marks: place.marks.write(),
            written: place.written,
            unreadable: place.unreadable,
            pieces: self.pieces.clone().unwrap_or_default(),
            bytes: self.bytes,
        };
        let writing = || format!("writing {}", output::path(&self.checkpoint));
        self.file.sync_data().with_context(writing)?;
        let next = beside(&self.checkpoint, ".next");
        let mut file = File::create(&next).with_context(writing)?;
        serde_json::to_writer(&mut file, &checkpoint)?;
        file.sync_data().with_context(writing)?;
        fs::rename(&next, &self.checkpoint).with_context(writing)?;
        self.kept_bytes = self.bytes;
        Ok(())
    }
}
