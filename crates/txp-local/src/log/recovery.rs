//! Opening a log to write: check the chain of segments, verify the last one, cut a torn tail.
//!
//! Earlier segments are not read: their successor's header says how long they are, and a reader
//! verifies what it reads.

use super::cursor::{Behind, Cursor, Found};
use super::error::{Damage, LogError};
use super::file::{ensure_directory, sync_directory};
use super::index::Index;
use super::segment::{
    SEGMENT_HEADER_BYTES, SegmentHeader, create, list, open_to_append, remove_temporary,
    segment_path,
};
use super::{LogWriter, SEGMENT_BYTES};
use std::fs::File;
use std::path::{Path, PathBuf};

/// How to open a log.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The last event that is known to have been durable: a checkpoint has folded it.
    pub known_durable: Option<u64>,
    /// Also cut a bad frame with good ones behind it, if none of these says that it was ever
    /// confirmed: power loss during a group commit can leave that, and so can damage to the last
    /// group. Off unless an operator decides.
    pub cut_unconfirmed_group: bool,
    /// Bytes after which a new segment starts.
    pub segment_bytes: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            known_durable: None,
            cut_unconfirmed_group: false,
            segment_bytes: SEGMENT_BYTES,
        }
    }
}

/// A torn tail that was taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// From which segment.
    pub file: PathBuf,
    /// From which byte on.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The first event that is no longer there; its number will be given again.
    pub from_sequence: u64,
    /// What was seen there.
    pub why: Damage,
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The last event, 0 if there is none.
    pub last_sequence: u64,
    /// When it arrived.
    pub last_arrival_ms: u64,
    /// How many segments there are.
    pub segments: usize,
    /// The torn tail, if there was one.
    pub cut: Option<Cut>,
}

/// Where the log ends, and how to go on.
pub(super) struct End {
    pub(super) file: File,
    pub(super) first: u64,
    pub(super) offset: u64,
    pub(super) next: u64,
    pub(super) arrival_ms: u64,
    pub(super) index: Index,
}

impl LogWriter {
    /// Opens the log in `dir`, or starts one, and repairs what a crash left. The caller holds the
    /// lock of the data directory.
    ///
    /// # Errors
    /// Damage other than a torn tail, a newer format, or what the system refuses.
    pub fn open(dir: &Path, options: &OpenOptions) -> Result<(Self, Recovery), LogError> {
        ensure_directory(dir)?;
        remove_temporary(dir)?;
        let segments = list(dir)?;
        let known_durable = options.known_durable.unwrap_or(0);
        let (end, cut) = match segments.last() {
            None => (start(dir, known_durable)?, None),
            Some(last) => {
                check_chain(dir, &segments)?;
                recover_last(dir, *last, options)?
            }
        };
        let recovery = Recovery {
            last_sequence: end.next.saturating_sub(1),
            last_arrival_ms: end.arrival_ms,
            segments: segments.len().max(1),
            cut,
        };
        Ok((Self::at_end(dir, end, options.segment_bytes), recovery))
    }
}

fn start(dir: &Path, known_durable: u64) -> Result<End, LogError> {
    let path = segment_path(dir, 1);
    if known_durable > 0 {
        let why = Damage::SegmentMissing;
        return Err(LogError::corrupt(&path, 0, 1, Some(known_durable), why));
    }
    let header = SegmentHeader {
        first: 1,
        arrival_before_ms: 0,
        previous_first: 0,
        previous_bytes: 0,
    };
    Ok(End {
        file: create(dir, &header)?,
        first: 1,
        offset: SEGMENT_HEADER_BYTES,
        next: 1,
        arrival_ms: 0,
        index: Index::default(),
    })
}

/// Checks every segment's header against the segment before it, and makes missing indexes anew.
fn check_chain(dir: &Path, segments: &[u64]) -> Result<(), LogError> {
    let mut previous: Option<Cursor> = None;
    for first in segments {
        let cursor = Cursor::open(dir, *first)?;
        check_link(dir, previous.as_ref(), &cursor)?;
        if let Some(previous) = previous.replace(cursor) {
            ensure_index(dir, &previous)?;
        }
    }
    Ok(())
}

fn check_link(dir: &Path, previous: Option<&Cursor>, next: &Cursor) -> Result<(), LogError> {
    let header = &next.header;
    let last = Some(header.first.saturating_sub(1));
    let (found_first, found_bytes) = match previous {
        Some(previous) => (previous.header.first, previous.file_bytes()?),
        None => (0, 0),
    };
    if header.previous_first != found_first || (found_first == 0 && header.first != 1) {
        let missing = header.previous_first.max(1);
        let path = segment_path(dir, missing);
        let why = Damage::SegmentMissing;
        return Err(LogError::corrupt(&path, 0, missing, last, why));
    }
    if header.previous_bytes != found_bytes {
        let path = segment_path(dir, found_first);
        let offset = found_bytes.min(header.previous_bytes);
        let why = Damage::SegmentLength;
        return Err(LogError::corrupt(&path, offset, found_first, last, why));
    }
    Ok(())
}

fn ensure_index(dir: &Path, segment: &Cursor) -> Result<(), LogError> {
    let (first, bytes) = (segment.header.first, segment.file_bytes()?);
    if Index::load(dir, first, bytes).is_some() {
        return Ok(());
    }
    Index::scan(&segment.file, &segment.path, first)?.store(dir, first, bytes)
}

/// Verifies the last segment and cuts its torn tail.
fn recover_last(
    dir: &Path,
    first: u64,
    options: &OpenOptions,
) -> Result<(End, Option<Cut>), LogError> {
    let mut cursor = Cursor::open(dir, first)?;
    let known_durable = options.known_durable.unwrap_or(0);
    let mut index = Index::default();
    let (mut offset, mut next) = (SEGMENT_HEADER_BYTES, first);
    let mut arrival_ms = cursor.header.arrival_before_ms;
    let bad = loop {
        match cursor.frame_at(offset, next, arrival_ms)? {
            Found::Frame(header) => {
                index.note(&header, offset);
                offset += header.frame_bytes();
                next = header.next();
                arrival_ms = header.arrival_ms;
            }
            Found::End => break None,
            Found::Bad(why) => break Some(why),
        }
    };
    let file = open_to_append(&cursor.path)?;
    let cut = match bad {
        Some(why) => {
            let behind = cursor.frames_behind(offset, next)?;
            judge(&cursor.path, (offset, next), why, behind, options)?;
            Some(Cut {
                file: cursor.path.clone(),
                offset,
                bytes: cursor.file_bytes()?.saturating_sub(offset),
                from_sequence: next,
                why,
            })
        }
        None => None,
    };
    if next <= known_durable {
        let (last, why) = (Some(known_durable), Damage::EndsEarly);
        return Err(LogError::corrupt(&cursor.path, offset, next, last, why));
    }
    if cut.is_some() {
        let failed = |source| LogError::io("cut the torn tail of", &cursor.path, source);
        file.set_len(offset).map_err(failed)?;
    }
    // What was read may be in memory only (the process was killed): durable before it counts.
    let failed = |source| LogError::io("sync", &cursor.path, source);
    file.sync_all().map_err(failed)?;
    sync_directory(dir)?;
    let end = End {
        file,
        first,
        offset,
        next,
        arrival_ms,
        index,
    };
    Ok((end, cut))
}

/// Whether a bad place is a torn tail (`Ok`) or damage.
fn judge(
    path: &Path,
    (offset, expected): (u64, u64),
    why: Damage,
    behind: Option<Behind>,
    options: &OpenOptions,
) -> Result<(), LogError> {
    let known_durable = options.known_durable.unwrap_or(0);
    let known = (expected <= known_durable).then_some(known_durable);
    let Some(behind) = behind else {
        return match known {
            Some(_) => Err(LogError::corrupt(path, offset, expected, known, why)),
            None => Ok(()),
        };
    };
    let last = Some(behind.first.saturating_sub(1).max(expected));
    if known.is_some() || behind.durable >= expected {
        return Err(LogError::corrupt(path, offset, expected, last, why));
    }
    if options.cut_unconfirmed_group {
        return Ok(());
    }
    let why = Damage::UnconfirmedGroup;
    Err(LogError::corrupt(path, offset, expected, last, why))
}
