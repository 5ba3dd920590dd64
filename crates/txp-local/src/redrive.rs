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
pub use rows::{plan_rows, rejected_rows, resume_rows, run_rows};

use crate::host::HostError;
use crate::log::LogError;
use crate::runs::StateError;
use txp_domain::id::UploadId;
use txp_pipeline::redrive::RowsError;

/// Why nothing can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// The directory cannot be read or written.
    #[error(transparent)]
    Host(#[from] HostError),
    /// There is no such upload.
    #[error("there is no upload {0}: `txp uploads` lists them")]
    Unknown(UploadId),
    /// Rows cannot be read again.
    #[error(transparent)]
    Rows(#[from] RowsError),
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
