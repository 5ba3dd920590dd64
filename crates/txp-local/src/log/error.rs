//! What can go wrong with a log, said so that someone can act on it.

use super::{EVENT_BYTES_MAX, FRAME_BYTES_MAX};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The events that a damaged place held or may have held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceSpan {
    /// The first sequence affected.
    pub first: u64,
    /// The last one, where what follows tells.
    pub last: Option<u64>,
}

impl fmt::Display for SequenceSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) => write!(f, "events {} to {last}", self.first),
            None => write!(f, "events from {} on", self.first),
        }
    }
}

/// Why a place of the log cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// The file ends inside a header or a payload.
    #[error("the file ends inside a frame")]
    Incomplete,
    /// Only zeros where a frame should be.
    #[error("only zeros where a frame should be")]
    Zeros,
    /// The frame's header does not match its checksum.
    #[error("the frame's header does not match its checksum")]
    FrameHeader,
    /// The frame's payload does not match its checksum.
    #[error("the frame's payload does not match its checksum")]
    FramePayload,
    /// A frame whose checksums hold, but whose content makes no sense.
    #[error("the frame's events do not add up to its payload")]
    FrameContent,
    /// A frame whose checksums hold starts at another sequence than the one before it ended.
    #[error("the frame starts at event {found}")]
    SequenceGap {
        /// Where it starts.
        found: u64,
    },
    /// A frame arrived earlier than the frame before it.
    #[error("the frame's arrival time is before that of the frame before it")]
    ArrivalBackwards,
    /// The segment's header is short, or does not match its checksum or its file's name.
    #[error("the segment's header is damaged or belongs to another file")]
    SegmentHeader,
    /// The segment is not as long as its successor says.
    #[error("the segment is not as long as the next one says")]
    SegmentLength,
    /// A segment file is not there.
    #[error("a segment is missing")]
    SegmentMissing,
    /// The log ends before an event that was durable.
    #[error("the log ends before an event that was durable")]
    EndsEarly,
    /// A bad frame before good ones, none of which says that it was ever confirmed.
    #[error(
        "a bad frame lies before good ones of the same unconfirmed group, as power loss leaves it"
    )]
    UnconfirmedGroup,
}

/// A failure of the log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why it was refused.
        source: io::Error,
    },
    /// No room is left.
    #[error(
        "no room left to {action} {}: free space (or raise the quota) and start again; no confirmed event is lost",
        path.display()
    )]
    DiskFull {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// As the system says it.
        source: io::Error,
    },
    /// Stored bytes are not what was written. Never skipped.
    #[error(
        "the log is damaged in {} at byte {offset}, {sequences}: {why}; keep the directory as it is and restore that file from a copy",
        file.display()
    )]
    Corrupt {
        /// The segment.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// Which events are affected.
        sequences: SequenceSpan,
        /// What is wrong.
        why: Damage,
    },
    /// Written by a newer program.
    #[error(
        "{} has format version {found}, this program reads up to {supported}: use a newer txp",
        file.display()
    )]
    NewerVersion {
        /// The segment.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        supported: u32,
    },
    /// An event over the limit; the frame is as it was before.
    #[error("an event of {bytes} bytes is over the limit of {EVENT_BYTES_MAX}")]
    EventTooLong {
        /// Its size.
        bytes: usize,
    },
    /// No room in the frame for the event; the frame is as it was before.
    #[error("the frame would hold {bytes} bytes, the limit is {FRAME_BYTES_MAX}: append it first")]
    FrameFull {
        /// What it would have held.
        bytes: usize,
    },
    /// The frame holds no event, or its encoder removed bytes that were not its own.
    #[error("the frame holds no event or was shortened by an encoder: a fault in the program")]
    UnusableFrame,
    /// An earlier failure stopped this writer.
    #[error(
        "the log writer stopped ({cause}); events after {durable} are not confirmed: remove the cause and open the log again"
    )]
    Poisoned {
        /// The last event that is confirmed.
        durable: u64,
        /// The failure that stopped it.
        cause: String,
    },
}

impl LogError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull {
                action,
                path,
                source,
            },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }

    pub(super) fn corrupt(
        file: &Path,
        offset: u64,
        first: u64,
        last: Option<u64>,
        why: Damage,
    ) -> Self {
        Self::Corrupt {
            file: file.to_path_buf(),
            offset,
            sequences: SequenceSpan { first, last },
            why,
        }
    }
}
