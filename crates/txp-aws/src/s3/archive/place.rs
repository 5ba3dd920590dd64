//! How far an archive is read, and that written down.

use super::listing::Object;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_pipeline::document::PositionDocument;
use txp_pipeline::history::position_of;
use txp_pipeline::port::{ErrorKind, PortError};

/// How far it is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    /// The day being read.
    pub(super) day: Option<String>,
    /// The last object read of each shard in that day, by its first and its last record.
    objects: BTreeMap<String, (Sequence, Sequence)>,
    /// The last event of each bucket.
    pub(super) marks: Marks,
}

/// The last event that was met of each bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Marks(BTreeMap<u8, Position>);

impl Marks {
    /// Takes up an event; whether it is a new one.
    pub(super) fn pass(&mut self, position: &Position) -> bool {
        let mark = self.0.get(&position.bucket.0);
        let is_new = mark.is_none_or(|mark| position.is_after(mark));
        if is_new {
            self.0.insert(position.bucket.0, position.clone());
        }
        is_new
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    day: Option<String>,
    objects: BTreeMap<String, (String, String)>,
    marks: Vec<PositionDocument>,
}

impl Place {
    /// Begins a day, or goes on in it.
    pub(super) fn begin(&mut self, day: &str) {
        if self.day.as_deref() != Some(day) {
            self.objects.clear();
            self.day = Some(day.to_owned());
        }
    }

    pub(super) fn has_read(&self, object: &Object) -> bool {
        let read = self.objects.get(&object.shard);
        read.is_some_and(|(first, last)| (&object.first, &object.last) <= (first, last))
    }

    pub(super) fn has_now_read(&mut self, object: Object) {
        self.objects
            .insert(object.shard, (object.first, object.last));
    }

    pub(super) fn write(&self) -> String {
        let objects = self.objects.iter().map(|(shard, (first, last))| {
            let range = (first.to_string(), last.to_string());
            (shard.clone(), range)
        });
        let document = Document {
            day: self.day.clone(),
            objects: objects.collect(),
            marks: self.marks.0.values().map(PositionDocument::from).collect(),
        };
        // Texts and numbers: nothing of it can fail to be JSON.
        serde_json::to_string(&document).unwrap_or_default()
    }

    pub(super) fn read(place: &str) -> Result<Self, PortError> {
        Self::parse(place).ok_or_else(|| {
            let context =
                "the place to go on from is not one of an archive; begin again without it";
            PortError::new(ErrorKind::Permanent, context)
        })
    }

    fn parse(place: &str) -> Option<Self> {
        let document: Document = serde_json::from_str(place).ok()?;
        let mut parsed = Self {
            day: document.day,
            ..Self::default()
        };
        for (shard, (first, last)) in document.objects {
            let range = (Sequence::parse(&first)?, Sequence::parse(&last)?);
            parsed.objects.insert(shard, range);
        }
        for mark in document.marks {
            let position = position_of(&mark)?;
            let Bucket(bucket) = position.bucket;
            parsed.marks.0.insert(bucket, position);
        }
        Some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(sequence: u64, subsequence: u64) -> Position {
        Position {
            bucket: Bucket(7),
            sequence: Sequence::from(sequence),
            subsequence,
        }
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let mut place = Place::default();
        assert_eq!(Place::read(&place.write()).unwrap(), place);
        place.begin("2026-01-31");
        place.has_now_read(Object {
            first: Sequence::from(1),
            last: Sequence::from(9),
            shard: "s-1".to_owned(),
            key: String::new(),
        });
        assert!(place.marks.pass(&position(9, 3)));
        assert_eq!(Place::read(&place.write()).unwrap(), place);
        for text in ["", "{}", r#"{"stream":"s","shards":{}}"#] {
            assert!(Place::read(text).is_err(), "{text}");
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
            let passed = marks.pass(&position(sequence, subsequence));
            assert_eq!(passed, is_new, "{sequence} {subsequence}");
        }
    }
}
