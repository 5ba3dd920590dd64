//! The log as a source of the pipeline: frame after frame, its history totally ordered.

use super::LogReader;
use super::error::LogError;
use std::path::Path;
use txp_domain::position::{Position, Sequence};
use txp_pipeline::port::{
    ErrorKind, EventSource, HowFar, PortError, Progress, SourceBatch, Window,
};

/// The source.
pub struct LogSource {
    reader: LogReader,
    window: Window,
    /// The last event given or passed over; 0 for none.
    through: u64,
    known_durable: u64,
}

impl LogSource {
    /// Opens the log in `dir` at the beginning of a window. A log that ends before `known_durable`
    /// is damaged: a checkpoint has folded that event.
    ///
    /// # Errors
    /// The log cannot be read or is damaged, or the window's place is not one of a log.
    pub fn open(dir: &Path, window: Window, known_durable: u64) -> Result<Self, PortError> {
        let after = match &window.after {
            Some(place) => Some(place.parse::<u64>().map_err(|error| {
                let context =
                    "the place to go on from is not one of a data directory; begin again without it";
                PortError::caused(ErrorKind::Permanent, context, error)
            })?),
            None => None,
        };
        let from = window
            .from_millis
            .map(|from| u64::try_from(from).unwrap_or(0));
        let reader = match (after, from) {
            (Some(after), _) => LogReader::from_sequence(dir, after.saturating_add(1)),
            (None, Some(from)) => LogReader::from_arrival(dir, from),
            (None, None) => LogReader::open(dir),
        };
        Ok(Self {
            reader: reader.map_err(port_error)?.known_durable(known_durable),
            through: after.unwrap_or(0),
            known_durable,
            window,
        })
    }
}

impl EventSource for LogSource {
    async fn next(&mut self, batch: &mut SourceBatch) -> Result<Progress, PortError> {
        batch.clear();
        let Some(frame) = self.reader.next_frame().map_err(port_error)? else {
            return Ok(Progress::CaughtUp);
        };
        let arrival_millis = i64::try_from(frame.arrival_ms).unwrap_or(i64::MAX);
        // Arrivals do not go back in a log.
        if self.window.to_millis.is_some_and(|to| arrival_millis >= to) {
            return Ok(Progress::Ended);
        }
        self.through = frame.last;
        if self.window.has(arrival_millis) {
            for event in frame.events {
                let position = Position {
                    bucket: event.bucket,
                    sequence: Sequence::from(event.sequence),
                    subsequence: 0,
                };
                batch.push(position, arrival_millis, &[event.bytes]);
            }
        }
        Ok(Progress::More)
    }

    fn pass_damage(&mut self) -> Result<bool, PortError> {
        self.reader.pass_damage().map_err(port_error)
    }

    fn cursor(&self) -> String {
        self.through.to_string()
    }

    /// Events, of those that a checkpoint knows of.
    fn how_far(&self) -> Option<HowFar> {
        Some(HowFar {
            done: self.through,
            total: self.known_durable.max(self.through),
        })
    }
}

/// The log says itself where and what to do.
fn port_error(error: LogError) -> PortError {
    let context = error.to_string();
    match error {
        LogError::Io { source, .. } => PortError::caused(ErrorKind::Transient, context, source),
        _ => PortError::new(ErrorKind::Corrupt, context),
    }
}
