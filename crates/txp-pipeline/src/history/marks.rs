//! The last event met of each bucket, and by that which events come again.
//!
//! An event behind its bucket's mark is new. One that is not was given before, if what holds the
//! history is in order; if it is not in order, an event would be lost without a word. So what was
//! given lately is remembered, and an event that stands before its mark and is not among it is out
//! of order, which is an error to whoever reads.
//!
//! Memory is bounded: a mark for each of 256 buckets, and [`RECENT_MAX`] numbers twice.

use super::position_of;
use crate::document::PositionDocument;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use txp_domain::position::{Bucket, Position};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many events that were given lately are remembered at least; twice as many at most. Objects of
/// an archive that hold the same events lie much closer: a delivery has 10,000 records.
const RECENT_MAX: usize = 1 << 19;

/// The last event of each bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<u8, Position>);

impl Marks {
    /// Whether an event is behind its bucket's mark.
    #[must_use]
    pub fn is_new(&self, position: &Position) -> bool {
        let mark = self.0.get(&position.bucket.0);
        mark.is_none_or(|mark| position.is_after(mark))
    }

    /// Takes up an event; whether it is a new one.
    pub fn pass(&mut self, position: &Position) -> bool {
        let is_new = self.is_new(position);
        if is_new {
            self.0.insert(position.bucket.0, position.clone());
        }
        is_new
    }

    /// The marks as they are written down.
    #[must_use]
    pub fn write(&self) -> Vec<PositionDocument> {
        self.0.values().map(PositionDocument::from).collect()
    }

    /// Marks that were written down; `None` if one is no position.
    #[must_use]
    pub fn read(documents: &[PositionDocument]) -> Option<Self> {
        let mut marks = Self::default();
        for document in documents {
            let position = position_of(document)?;
            let Bucket(bucket) = position.bucket;
            marks.0.insert(bucket, position);
        }
        Some(marks)
    }
}

/// What an event is to a reader that has read others before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Met {
    /// It comes for the first time.
    New,
    /// It was given before.
    Repeat,
    /// It stands before an event that was given, and was not given itself.
    OutOfOrder,
}

/// Tells new events from those that come again, and both from disorder.
#[derive(Clone, Debug, Default)]
pub struct Repeats {
    /// What was given before this reader began.
    resumed: Marks,
    marks: Marks,
    /// Two generations: the older is let go of when the newer is full.
    recent: Numbers,
    before: Numbers,
}

type Numbers = HashSet<u64, BuildHasherDefault<AsItIs>>;

impl Repeats {
    /// Goes on behind what was given before.
    #[must_use]
    pub fn behind(marks: Marks) -> Self {
        Self {
            resumed: marks.clone(),
            marks,
            ..Self::default()
        }
    }

    /// Takes up an event.
    pub fn meet(&mut self, position: &Position) -> Met {
        let number = number_of(position);
        if self.marks.pass(position) {
            if self.recent.len() >= RECENT_MAX {
                self.before = std::mem::take(&mut self.recent);
            }
            self.recent.insert(number);
            return Met::New;
        }
        let was_given = !self.resumed.is_new(position)
            || self.recent.contains(&number)
            || self.before.contains(&number);
        if was_given {
            Met::Repeat
        } else {
            Met::OutOfOrder
        }
    }

    /// Takes up an event of a history that goes on where another ends, and may overlap with it by any
    /// length; whether it is a new one.
    pub fn pass(&mut self, position: &Position) -> bool {
        self.marks.pass(position)
    }

    /// How far was read.
    #[must_use]
    pub fn marks(&self) -> &Marks {
        &self.marks
    }
}

/// A number that stands for a position.
fn number_of(position: &Position) -> u64 {
    let seed = position.subsequence ^ (u64::from(position.bucket.0) << 56);
    match position.sequence.as_u64() {
        Some(sequence) => xxh3_64_with_seed(&sequence.to_le_bytes(), seed),
        None => xxh3_64_with_seed(position.sequence.to_string().as_bytes(), seed),
    }
}

/// The numbers are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use txp_domain::position::Sequence;

    fn at(bucket: u8, sequence: u64, subsequence: u64) -> Position {
        Position {
            bucket: Bucket(bucket),
            sequence: Sequence::from(sequence),
            subsequence,
        }
    }

    #[test]
    fn a_mark_is_passed_once() {
        let mut marks = Marks::default();
        for (sequence, subsequence, is_new) in [
            (5, 1, true),
            (5, 1, false),
            (5, 0, false),
            (4, 9, false),
            (5, 2, true),
            (6, 0, true),
        ] {
            let passed = marks.pass(&at(7, sequence, subsequence));
            assert_eq!(passed, is_new, "{sequence} {subsequence}");
        }
        assert_eq!(Marks::read(&marks.write()), Some(marks));
    }

    #[test]
    fn what_was_given_is_a_repeat_and_what_was_passed_over_is_out_of_order() {
        let mut repeats = Repeats::default();
        for (position, met) in [
            (at(7, 5, 0), Met::New),
            (at(7, 9, 0), Met::New),
            (at(7, 5, 0), Met::Repeat),
            (at(7, 9, 0), Met::Repeat),
            (at(7, 6, 0), Met::OutOfOrder),
            (at(7, 5, 1), Met::OutOfOrder),
            (at(8, 6, 0), Met::New),
        ] {
            assert_eq!(repeats.meet(&position), met, "{position:?}");
        }
        let mut resumed = Repeats::behind(repeats.marks().clone());
        assert_eq!(resumed.meet(&at(7, 6, 0)), Met::Repeat, "nobody knows");
        assert_eq!(resumed.meet(&at(7, 12, 0)), Met::New);
        assert_eq!(resumed.meet(&at(7, 11, 0)), Met::OutOfOrder);
    }

    #[test]
    fn memory_is_bounded() {
        let mut repeats = Repeats::default();
        let events = 3 * RECENT_MAX as u64;
        for sequence in 1..=events {
            assert_eq!(repeats.meet(&at(1, sequence, 0)), Met::New);
        }
        assert!(repeats.recent.len() + repeats.before.len() <= 2 * RECENT_MAX);
        let lately = events - RECENT_MAX as u64 + 1;
        assert_eq!(repeats.meet(&at(1, lately, 0)), Met::Repeat);
    }
}
