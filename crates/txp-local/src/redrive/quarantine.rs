//! Events in quarantine that this program can read: folded where they stand, under their own ids.
//!
//! An event in the middle of the history cannot be folded behind what came after it: watermarks have
//! passed it, and it may decide what later events are. So the state is folded again from the log, as
//! after damage; the log is the truth and is not changed. Alerts of findings that are known are not
//! sent again; findings that only now come up are appended and alerted like any.
//!
//! It is all or nothing: a cap is a question whether so many are meant, not a part of them.

use super::RedriveError;
use crate::clock::now;
use crate::host::{
    Host, HostError, HostOptions, LOG_DIR, Quarantined, STATE_DIR, mark_redriven,
    read_all_quarantined,
};
use crate::lock::DirLock;
use crate::log::LogReader;
use std::path::Path;
use txp_domain::event::decode;
use txp_domain::time::Timestamp;

/// Where the state lies while it is folded again.
const STATE_BEFORE: &str = "state.before-redrive";

/// Where an event in quarantine stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuarantineState {
    /// This program cannot read it either.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// This program can read it: a redrive folds it.
    Readable {
        /// Its id.
        id: String,
        /// Its type.
        kind: &'static str,
    },
    /// It was redriven.
    Redriven {
        /// When.
        at: Timestamp,
    },
}

/// One event that was put into quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// As it was put there.
    pub event: Quarantined,
    /// Where it stands now.
    pub state: QuarantineState,
}

/// What a redrive would do.
#[derive(Clone, Debug, Default)]
pub struct QuarantinePlan {
    /// Every event that was ever put into quarantine.
    pub entries: Vec<QuarantineEntry>,
}

impl QuarantinePlan {
    /// The places of those that a redrive folds.
    #[must_use]
    pub fn readable(&self) -> Vec<u64> {
        let is_readable =
            |entry: &&QuarantineEntry| matches!(entry.state, QuarantineState::Readable { .. });
        let entries = self.entries.iter().filter(is_readable);
        entries.map(|entry| entry.event.sequence).collect()
    }
}

/// Looks at each event in quarantine: can it be read now? Beside a writer or without one.
///
/// # Errors
/// The directory cannot be read.
pub fn plan_quarantine(dir: &Path) -> Result<QuarantinePlan, RedriveError> {
    let all = read_all_quarantined(dir).map_err(HostError::io("reading the quarantine in", dir))?;
    let mut plan = QuarantinePlan::default();
    for (event, redriven_at) in all {
        let state = match redriven_at {
            Some(at) => QuarantineState::Redriven { at },
            None => look(&dir.join(LOG_DIR), event.sequence)?,
        };
        plan.entries.push(QuarantineEntry { event, state });
    }
    Ok(plan)
}

fn look(log: &Path, sequence: u64) -> Result<QuarantineState, RedriveError> {
    let mut reader = LogReader::from_sequence(log, sequence)?.known_durable(sequence);
    let frame = reader.next_frame()?;
    let event = frame.and_then(|mut frame| frame.events.next());
    let Some(event) = event.filter(|event| event.sequence == sequence) else {
        let reason = "it is not in the log".to_owned();
        return Ok(QuarantineState::Unreadable { reason });
    };
    Ok(match decode(event.bytes) {
        Ok(decoded) => {
            let event = decoded.event();
            QuarantineState::Readable {
                id: event.id(),
                kind: event.event_type().name(),
            }
        }
        Err(error) => QuarantineState::Unreadable {
            reason: error.to_string(),
        },
    })
}

/// Folds the state again from the log, if some event in quarantine can be read now. Gives those
/// that count since.
///
/// # Errors
/// More than `max` would be folded, another process writes, or the host failed: then the next
/// command that writes folds again, and the next redrive marks.
pub fn run_quarantine(
    dir: &Path,
    options: HostOptions,
    max: usize,
) -> Result<Vec<u64>, RedriveError> {
    let readable = plan_quarantine(dir)?.readable();
    if readable.is_empty() {
        return Ok(readable);
    }
    if readable.len() > max {
        let found = readable.len();
        return Err(RedriveError::TooMany { found, max });
    }
    let (state, before) = (dir.join(STATE_DIR), dir.join(STATE_BEFORE));
    {
        let lock = DirLock::acquire(dir, options.command, &now().to_string());
        let _lock = lock.map_err(HostError::from)?;
        if before.exists() {
            std::fs::remove_dir_all(&before)
                .map_err(HostError::io("removing an older state", &before))?;
        }
        if state.exists() {
            std::fs::rename(&state, &before)
                .map_err(HostError::io("moving the state to", &before))?;
        }
    }
    // Whoever opens the directory folds it: this process, or another that is quicker.
    let host = Host::open(dir, options)?;
    host.checkpoint()?;
    host.stop()?;
    mark_redriven(dir, &readable, now())
        .map_err(HostError::io("marking what was redriven in", dir))?;
    if before.exists() {
        std::fs::remove_dir_all(&before)
            .map_err(HostError::io("removing the state of before", &before))?;
    }
    Ok(readable)
}
