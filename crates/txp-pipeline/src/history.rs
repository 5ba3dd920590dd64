//! Events as the history holds them: their own bytes, where they stand, when they arrived.
//!
//! Also the line that one is exported and archived as: the event as it was recorded, with `position`
//! and `arrival` put behind its attributes. [`write_line`] and [`read_line`] are each other's
//! inverse, so an archive gives back the bytes that were recorded.
//!
//! Deliberately absent: what an event means. Bytes that are no event have a place in the history
//! as well; only a line cannot be made of what is no JSON object.

pub mod archive;
mod marks;

pub use marks::{Marks, Met, Repeats};

use crate::document::PositionDocument;
use memchr::{memchr, memmem};
use std::io::Write as _;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::time::Timestamp;

/// One event of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<'a> {
    /// Where it stands.
    pub position: Position,
    /// When it was appended, Unix milliseconds.
    pub arrival_millis: i64,
    /// Its bytes, as they were recorded.
    pub bytes: &'a [u8],
}

impl Recorded<'_> {
    /// When it was appended.
    #[must_use]
    pub fn arrival(&self) -> Timestamp {
        arrival(self.arrival_millis)
    }

    /// Its bytes without the closing brace and white space around; `None` if they do not begin and
    /// end as an object does.
    #[must_use]
    pub fn attributes(&self) -> Option<&[u8]> {
        let attributes = self.bytes.trim_ascii().strip_suffix(b"}")?;
        attributes.starts_with(b"{").then_some(attributes)
    }
}

/// The moment of an arrival; one before 1970 counts as then.
#[must_use]
pub fn arrival(millis: i64) -> Timestamp {
    let millis = u64::try_from(millis).unwrap_or(0);
    Timestamp::from_unix_millis(millis).unwrap_or_default()
}

/// The position that a document writes; `None` if its sequence is no number.
#[must_use]
pub fn position_of(document: &PositionDocument) -> Option<Position> {
    Some(Position {
        bucket: Bucket(document.bucket),
        sequence: Sequence::parse(&document.sequence)?,
        subsequence: document.subsequence,
    })
}

/// An event that no line can be made of: its bytes are no JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event is no JSON object")]
pub struct NoObject;

/// Appends an event's line, its end included.
///
/// # Errors
/// Its bytes do not begin and end as an object does; nothing is appended.
pub fn write_line(event: &Recorded<'_>, line: &mut Vec<u8>) -> Result<(), NoObject> {
    let attributes = event.attributes().ok_or(NoObject)?;
    let start = line.len();
    line.extend_from_slice(attributes);
    // Between its parts JSON may hold line breaks; inside of texts it cannot.
    for byte in line.get_mut(start..).unwrap_or_default() {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    // An object without attributes takes no comma.
    if attributes.len() > 1 {
        line.push(b',');
    }
    let Position {
        bucket,
        sequence,
        subsequence,
    } = &event.position;
    // Writing to memory does not fail.
    writeln!(
        line,
        r#""position":{{"bucket":{},"sequence":"{sequence}","subsequence":{subsequence}}},"arrival":"{}"}}"#,
        bucket.0,
        event.arrival(),
    )
    .map_err(|_| NoObject)
}

/// What a line holds. The event's bytes are [`Self::attributes`] and a closing brace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Where the event stands.
    pub position: Position,
    /// When it was appended, Unix milliseconds.
    pub arrival_millis: i64,
    /// Its bytes without the last one, a closing brace.
    pub attributes: &'a [u8],
}

/// Reads a line that [`write_line`] has written, with or without its end.
#[must_use]
pub fn read_line(line: &[u8]) -> Option<Line<'_>> {
    const PLACE: &[u8] = b"\"position\":{";
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    // The last one: an event may have such an attribute of its own.
    let at = memmem::rfind(line, PLACE)?;
    let (attributes, place) = line.split_at_checked(at)?;
    let (_, place) = place.split_at_checked(PLACE.len() - 1)?;
    let (place, rest) = place.split_at_checked(memchr(b'}', place)? + 1)?;
    let arrival = rest
        .strip_prefix(b",\"arrival\":\"")?
        .strip_suffix(b"\"}")?;
    let place: PositionDocument = serde_json::from_slice(place).ok()?;
    let attributes = match attributes {
        b"{" => attributes,
        _ => attributes.strip_suffix(b",")?,
    };
    Some(Line {
        position: position_of(&place)?,
        arrival_millis: Timestamp::parse(arrival)?.unix_millis(),
        attributes,
    })
}

#[cfg(test)]
mod tests;
