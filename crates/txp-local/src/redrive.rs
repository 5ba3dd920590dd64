//! Redrive: what was put aside by mistake, tried again and linked to the first try.
//!
//! Two kinds. Events in quarantine that this program can read: they are in the log, at their place,
//! so the state is folded again from the log and they count where they stand. Rows that were
//! rejected by mistake: the history holds them masked only, so they are read again from the file
//! that they came in, which must have the SHA-256 that was recorded; they are rows of a new upload
//! that names the first one, under their old record numbers.
//!
//! Deliberately absent: a body that was put over HTTP. It is deleted once it is read; whoever has
//! the file gives it, or the merchant sends the mended rows again.

mod quarantine;
mod rows;

pub use quarantine::{
    QuarantineEntry, QuarantinePlan, QuarantineState, plan_quarantine, run_quarantine,
};
pub use rows::{
    Overrides, Rejected, RowsAsked, RowsPlan, plan_rows, rejected_rows, resume_rows, run_rows,
};

use crate::host::HostError;
use crate::log::LogError;
use crate::runs::StateError;
use std::path::PathBuf;
use txp_domain::id::UploadId;

/// Why nothing can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// The directory cannot be read or written.
    #[error(transparent)]
    Host(#[from] HostError),
    /// There is no such upload.
    #[error("there is no upload {0}: `txp uploads` lists them")]
    Unknown(UploadId),
    /// It is still being read.
    #[error("upload {0} is not read to its end yet: wait until it is completed")]
    NotEnded(UploadId),
    /// It is itself a redrive.
    #[error("upload {0} is itself a redrive, of {1}: redrive that one")]
    IsRedrive(UploadId, UploadId),
    /// No row of it is in the history.
    #[error(
        "no row of upload {0} is in the history: it was refused as a whole; send the file again"
    )]
    NoRows(UploadId),
    /// Nobody knows which file it was.
    #[error(
        "upload {0} ended before its file was read to the end, so its SHA-256 is not known: send the file again"
    )]
    NoDigest(UploadId),
    /// Another file was given.
    #[error("{} is not the file of upload {upload}: its SHA-256 is {found}, recorded is {recorded}", path.display())]
    OtherFile {
        /// The file given.
        path: PathBuf,
        /// The upload.
        upload: UploadId,
        /// The file's digest.
        found: String,
        /// The upload's.
        recorded: String,
    },
    /// The file cannot be read.
    #[error("reading {} failed", path.display())]
    File {
        /// The file given.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not one that rows can be read from with these options.
    #[error("{} cannot be read with these options: {why}", path.display())]
    Unreadable {
        /// The file given.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
    /// An earlier redrive of it was cut short, from another file or with other options.
    #[error("a redrive of upload {0} was cut short: the same command with `run` goes on with it")]
    Unfinished(UploadId),
    /// More would be done than allowed.
    #[error(
        "{found} events would be folded at their places, more than --max {max}: nothing was changed; raise --max"
    )]
    TooMany {
        /// How many.
        found: usize,
        /// How many may be.
        max: usize,
    },
}

impl From<LogError> for RedriveError {
    fn from(error: LogError) -> Self {
        Self::Host(error.into())
    }
}

impl From<StateError> for RedriveError {
    fn from(error: StateError) -> Self {
        Self::Host(error.into())
    }
}

#[cfg(test)]
mod tests;
