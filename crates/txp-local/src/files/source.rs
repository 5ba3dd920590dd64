//! Files of events as a source.
//!
//! Several files are merged by position, so it does not matter how a history was cut into files, or
//! whether their parts overlap: repeats are dropped. A file that is not in order is refused, since
//! what cannot be put in order in bounded memory could only be dropped.
//!
//! The place of a reader is the last event of each bucket: it holds whatever the files are called.
//! Going on from one reads the files from their start and passes over what was given.
//!
//! Deliberately absent: following. A file has an end.

use super::folder::failed;
use super::lines::Lines;
use serde::{Deserialize, Serialize};
use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use txp_domain::position::Position;
use txp_pipeline::document::PositionDocument;
use txp_pipeline::history::{Marks, Met, Repeats};
use txp_pipeline::port::{
    ErrorKind, EventSource, HowFar, PortError, Progress, SourceBatch, Window,
};

/// The most files of a folder: all of them are open at once.
pub const FILES_MAX: usize = 512;
/// Bytes of events after which a batch is handed on.
const BATCH_BYTES: usize = 1 << 20;
/// Events after which it is handed on, whether they are wanted or not.
const BATCH_EVENTS: usize = 16_384;
/// How the names of files end that are read in a folder.
const SUFFIXES: [&str; 6] = [
    ".ndjson",
    ".ndjson.gz",
    ".ndjson.zst",
    ".jsonl",
    ".jsonl.gz",
    ".jsonl.zst",
];

/// The source.
pub struct FileSource {
    window: Window,
    /// Those that have an event left.
    files: Vec<Lines>,
    /// The one that is read, and how far: up to where the next one begins.
    current: usize,
    limit: Option<Position>,
    given: Repeats,
    bytes_total: u64,
    /// Bytes of files that were read to their end.
    bytes_done: u64,
    /// Why it cannot be read on, if it cannot.
    failed: Option<(ErrorKind, String)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    given: Vec<PositionDocument>,
}

impl FileSource {
    /// Opens a file, or the files of a folder, at the beginning of a window.
    ///
    /// # Errors
    /// There is none, one cannot be read or is not what `txp events` writes, or the window's place is
    /// not one of files.
    pub fn open(path: &Path, window: Window) -> Result<Self, PortError> {
        let given = match &window.after {
            Some(place) => Repeats::behind(read_place(place)?),
            None => Repeats::default(),
        };
        let (mut files, mut bytes_total) = (Vec::new(), 0_u64);
        for path in paths(path)? {
            let bytes = fs::metadata(&path).map_err(|error| failed(&path, error))?;
            bytes_total = bytes_total.saturating_add(bytes.len());
            files.extend(Lines::open(&path)?);
        }
        let mut source = Self {
            window,
            files,
            current: 0,
            limit: None,
            given,
            bytes_total,
            bytes_done: 0,
            failed: None,
        };
        source.choose();
        Ok(source)
    }

    /// Goes over to the file whose next event stands first.
    fn choose(&mut self) {
        let order = |file: &Lines| {
            let position = file.position();
            (position.sequence.clone(), position.subsequence)
        };
        let mut by_position: Vec<_> = (0..).zip(self.files.iter().map(order)).collect();
        by_position.sort_by(|(_, a), (_, b)| a.cmp(b));
        let mut in_order = by_position.into_iter().map(|(index, _)| index);
        self.current = in_order.next().unwrap_or(0);
        let second = in_order.next().and_then(|index| self.files.get(index));
        self.limit = second.map(|file| file.position().clone());
    }

    /// Takes the next event; whether there was one.
    fn one(&mut self, batch: &mut SourceBatch) -> Result<bool, PortError> {
        let Some(file) = self.files.get_mut(self.current) else {
            return Ok(false);
        };
        match self.given.meet(file.position()) {
            Met::New if self.window.has(file.arrival_millis()) => file.give(batch),
            Met::New | Met::Repeat => {}
            Met::OutOfOrder => {
                return Err(file.fault(
                    "stands behind events that come after it: the file is not in the order that `txp events` writes; export it again, or give its parts as files of their own in a folder",
                ));
            }
        }
        if !file.advance()? {
            let read = file.read.get();
            self.bytes_done = self.bytes_done.saturating_add(read);
            self.files.swap_remove(self.current);
            self.choose();
        } else if let Some(limit) = &self.limit
            && file.position().is_after(limit)
        {
            self.choose();
        }
        Ok(true)
    }
}

/// The files that a path stands for.
fn paths(path: &Path) -> Result<Vec<PathBuf>, PortError> {
    let metadata = fs::metadata(path).map_err(|error| failed(path, error))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = fs::read_dir(path).map_err(|error| failed(path, error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| failed(path, error))?.file_name();
        let is_ours = |name: &str| SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        if name.to_str().is_some_and(is_ours) {
            paths.push(path.join(name));
        }
    }
    paths.sort_unstable();
    let context = match paths.len() {
        0 => format!(
            "{} holds no day of an archive (date=YYYY-MM-DD) and no file of events (.ndjson, .ndjson.gz, .ndjson.zst)",
            path.display()
        ),
        1..=FILES_MAX => return Ok(paths),
        many => format!(
            "{} holds {many} files of events, more than {FILES_MAX}; put them together: they may be packed ones, one behind the other",
            path.display()
        ),
    };
    Err(PortError::new(ErrorKind::Permanent, context))
}

fn read_place(place: &str) -> Result<Marks, PortError> {
    let document: Option<Place> = serde_json::from_str(place).ok();
    let marks = document.and_then(|document| Marks::read(&document.given));
    marks.ok_or_else(|| {
        let context = "the place to go on from is not one of files; begin again without it";
        PortError::new(ErrorKind::Permanent, context)
    })
}

/// An error and its causes.
fn chain(error: &PortError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

impl EventSource for FileSource {
    async fn next(&mut self, batch: &mut SourceBatch) -> Result<Progress, PortError> {
        batch.clear();
        if let Some((kind, why)) = &self.failed {
            return Err(PortError::new(*kind, why.clone()));
        }
        for _ in 0..BATCH_EVENTS {
            match self.one(batch) {
                Ok(true) if batch.bytes() < BATCH_BYTES => {}
                Ok(false) if batch.is_empty() => return Ok(Progress::Ended),
                Ok(_) => break,
                Err(error) => {
                    self.failed = Some((error.kind, chain(&error)));
                    if batch.is_empty() {
                        return Err(error);
                    }
                    // What was taken before is handed on first.
                    break;
                }
            }
        }
        Ok(Progress::More)
    }

    fn cursor(&self) -> String {
        let given = self.given.marks().write();
        // Texts and numbers: nothing of it can fail to be JSON.
        serde_json::to_string(&Place { given }).unwrap_or_default()
    }

    /// Bytes of the files, packed as they are.
    fn how_far(&self) -> Option<HowFar> {
        let open: u64 = self.files.iter().map(|file| file.read.get()).sum();
        let done = self.bytes_done.saturating_add(open);
        Some(HowFar {
            done,
            total: self.bytes_total.max(done),
        })
    }
}
