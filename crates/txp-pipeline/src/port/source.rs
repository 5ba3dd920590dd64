//! The history, for reading: one cursor over whatever holds it.
//!
//! What every source promises: the events of a bucket come in the order of their positions, each
//! once, and as the bytes that were recorded; between buckets nothing is promised. A place can be
//! written down after any batch, and a source that is opened there goes on with the next event.

use super::PortError;
use crate::history::Recorded;
use txp_domain::position::Position;

/// Which part of a history is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Only what arrived at or after this, Unix milliseconds.
    pub from_millis: Option<i64>,
    /// Only what arrived before this, Unix milliseconds.
    pub to_millis: Option<i64>,
    /// Only what comes behind this place: a [`EventSource::cursor`] of the same history and window.
    pub after: Option<String>,
}

impl Window {
    /// Whether an arrival is within it.
    #[must_use]
    pub fn has(&self, arrival_millis: i64) -> bool {
        self.from_millis.is_none_or(|from| arrival_millis >= from)
            && self.to_millis.is_none_or(|to| arrival_millis < to)
    }
}

/// What there is behind a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// More, perhaps: ask again. The batch may be empty all the same.
    More,
    /// Nothing for now. Who wants to follow asks again, after a while.
    CaughtUp,
    /// Nothing, ever.
    Ended,
}

/// The ordered history, for reading.
pub trait EventSource {
    /// Reads on: what comes next takes the place of what is in `batch`. After an error a source
    /// stands where it stood, with an empty batch: asking again loses nothing and repeats nothing.
    fn next(
        &mut self,
        batch: &mut SourceBatch,
    ) -> impl Future<Output = Result<Progress, PortError>>;

    /// After an error that says that what is stored is damaged: goes on behind the damaged place. For
    /// who looks for all of the damage and leaves nothing out silently. Whether there is anything
    /// behind it, and the source can.
    ///
    /// # Errors
    /// What comes behind cannot be found.
    fn pass_damage(&mut self) -> Result<bool, PortError> {
        Ok(false)
    }

    /// The place behind everything that was given so far, for [`Window::after`]. Of the source's own
    /// form; may be some 20 KB long.
    fn cursor(&self) -> String;

    /// How much of what there is was read, where that is known.
    fn how_far(&self) -> Option<HowFar> {
        None
    }
}

/// How far a source was read, in parts of whatever kind it counts: bytes, events, days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HowFar {
    /// Read or passed over.
    pub done: u64,
    /// Of so many, as far as is known; grows with a history that is written.
    pub total: u64,
}

/// Events on their way from a source, in one buffer that is used again.
#[derive(Clone, Debug, Default)]
pub struct SourceBatch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    position: Position,
    arrival_millis: i64,
    end: usize,
}

impl SourceBatch {
    /// Empties the batch, keeping its room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// Takes in an event, in pieces that belong together.
    pub fn push(&mut self, position: Position, arrival_millis: i64, pieces: &[&[u8]]) {
        for piece in pieces {
            self.bytes.extend_from_slice(piece);
        }
        self.entries.push(Entry {
            position,
            arrival_millis,
            end: self.bytes.len(),
        });
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes its events have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = Recorded<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let bytes = self.bytes.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            Recorded {
                position: entry.position.clone(),
                arrival_millis: entry.arrival_millis,
                bytes,
            }
        })
    }
}
