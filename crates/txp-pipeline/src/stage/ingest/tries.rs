//! How often a file is tried before it is given up. Not for ever: whoever sent it waits for an answer.
//!
//! A reader that dies says nothing, and one that fails says so; both are counted, each by itself. Not
//! counted is what passes by itself, and a denial: that is the operator's to mend, for all files, and
//! nothing about this one.

use super::refusal::{readers_lost, reading_failed};
use crate::port::ErrorKind;
use txp_domain::event::FailureReason;

/// Tries in a row that may be lost without a word before a file is given up: at a lease and a minute
/// each, that is a quarter of an hour.
pub const TRIES_LOST_MAX: u32 = 5;

/// Tries in a row that may fail for good before a file is given up: at a minute each, that is a quarter
/// of an hour too, in which an operator's mistake can be mended.
pub const TRIES_FAILED_MAX: u32 = 15;

/// How the tries before this one went, since the reading last got on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Those in a row that ended without a checkpoint or a word.
    pub lost: u32,
    /// Those that failed in a way that [`is_for_good`].
    pub failed: u32,
}

impl Tries {
    /// Why the file is to be given up, if it is.
    #[must_use]
    pub fn give_up(self) -> Option<FailureReason> {
        if self.lost >= TRIES_LOST_MAX {
            return Some(readers_lost(self.lost));
        }
        (self.failed >= TRIES_FAILED_MAX).then(|| reading_failed(self.failed))
    }
}

/// Whether trying the same again can be expected to fail again.
#[must_use]
pub const fn is_for_good(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Throttled | ErrorKind::Transient | ErrorKind::Denied => false,
        ErrorKind::Corrupt | ErrorKind::Full | ErrorKind::Missing | ErrorKind::Permanent => true,
    }
}
