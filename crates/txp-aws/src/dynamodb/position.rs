//! A position as one attribute: `bucket:sequence:subsequence`.

use txp_domain::position::{Bucket, Position, Sequence};

pub(super) fn write(position: &Position) -> String {
    let Position {
        bucket,
        sequence,
        subsequence,
    } = position;
    format!("{}:{sequence}:{subsequence}", bucket.0)
}

pub(super) fn read(text: &str) -> Option<Position> {
    let mut parts = text.split(':');
    let position = Position {
        bucket: Bucket(parts.next()?.parse().ok()?),
        sequence: Sequence::parse(parts.next()?)?,
        subsequence: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(position)
}
