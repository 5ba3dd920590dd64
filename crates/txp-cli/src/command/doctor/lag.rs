//! How far the state is behind the log, and at which event.

use serde::Serialize;
use std::fmt;
use std::path::Path;
use txp_domain::event::decode;
use txp_local::log::{LogError, LogReader};

/// An event that everything behind it waits for.
#[derive(Debug, Serialize)]
pub(super) struct Blocking {
    sequence: String,
    bucket: u8,
    /// Its id, where it can be read.
    id: Option<String>,
}

impl fmt::Display for Blocking {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "event {}", self.sequence)?;
        match &self.id {
            Some(id) => write!(out, ", {id}"),
            None => write!(out, ", which cannot be read"),
        }
    }
}

/// The first event behind the last one folded, and how many seconds ago it was appended.
pub(super) fn first_behind(
    log: &Path,
    folded_through: u64,
) -> Result<Option<(u64, Blocking)>, LogError> {
    let mut reader = LogReader::from_sequence(log, folded_through + 1)?;
    while let Some(frame) = reader.next_frame()? {
        let appended_at = i64::try_from(frame.arrival_ms).unwrap_or(i64::MAX);
        let waits = txp_local::now().unix_millis().saturating_sub(appended_at);
        let mut events = frame.events;
        if let Some(event) = events.find(|event| event.sequence > folded_through) {
            let decoded = decode(event.bytes).ok();
            let blocking = Blocking {
                sequence: event.sequence.to_string(),
                bucket: event.bucket.0,
                id: decoded.map(|decoded| decoded.event().id().to_string()),
            };
            return Ok(Some((u64::try_from(waits / 1000).unwrap_or(0), blocking)));
        }
    }
    Ok(None)
}
