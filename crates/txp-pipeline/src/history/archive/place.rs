//! How far an archive is read, and that written down.

use super::Object;
use crate::document::PositionDocument;
use crate::history::{Marks, Repeats};
use crate::port::{ErrorKind, PortError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use txp_domain::position::Sequence;

/// How far it is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The day being read.
    pub(super) day: Option<String>,
    /// The last object read of each shard in that day, by its first and its last record.
    objects: BTreeMap<String, (Sequence, Sequence)>,
    /// The events that were given.
    pub(super) given: Repeats,
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
            marks: self.given.marks().write(),
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
            objects: BTreeMap::new(),
            given: Repeats::behind(Marks::read(&document.marks)?),
        };
        for (shard, (first, last)) in document.objects {
            let range = (Sequence::parse(&first)?, Sequence::parse(&last)?);
            parsed.objects.insert(shard, range);
        }
        Some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Met;
    use txp_domain::position::{Bucket, Position};

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let same = |place: &Place| Place::read(&place.write()).unwrap().write() == place.write();
        let mut place = Place::default();
        assert!(same(&place));
        place.begin("2026-01-31");
        let object = Object {
            first: Sequence::from(1),
            last: Sequence::from(9),
            shard: "s-1".to_owned(),
            key: String::new(),
        };
        place.has_now_read(object.clone());
        let position = Position {
            bucket: Bucket(7),
            sequence: Sequence::from(9),
            subsequence: 3,
        };
        assert_eq!(place.given.meet(&position), Met::New);
        assert!(same(&place));
        let mut read = Place::read(&place.write()).unwrap();
        assert!(read.has_read(&object));
        assert_eq!(read.given.meet(&position), Met::Repeat);
        for text in ["", "{}", r#"{"stream":"s","shards":{}}"#] {
            assert!(Place::read(text).is_err(), "{text}");
        }
    }
}
