//! Where an event stands in the history.
//!
//! Partition keys are hashed with MD5, as Kinesis does; the top 8 bits are the bucket. There are
//! 256 buckets, each a fixed stretch of the hash space, so no resharding can split one. Order is
//! promised inside a bucket and nowhere else.

mod lanes;

pub use lanes::{BUCKET_LANES, buckets_of};

use md5::{Digest, Md5};
use std::cmp::Ordering;
use std::fmt;

/// How many buckets the hash space is cut into.
pub const BUCKET_COUNT: usize = 256;

/// One of the 256 fixed stretches of the hash space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(pub u8);

impl Bucket {
    /// The bucket of a partition key: the top 8 bits of its MD5.
    #[must_use]
    pub fn of(partition_key: &[u8]) -> Self {
        let digest: [u8; 16] = Md5::digest(partition_key).into();
        let [top, ..] = digest;
        Self(top)
    }

    /// The bucket as an index into an array of [`BUCKET_COUNT`].
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A sequence number: an unsigned integer of up to 129 decimal digits, compared as a number.
///
/// AWS documents a Kinesis sequence number as `0|([1-9]\d{0,128})`; in practice it has 56 digits.
/// The embedded host counts from 1. A number that fits 64 bits is kept without allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sequence(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Small(u64),
    /// Canonical decimal digits of a number beyond 64 bits.
    Large(Box<str>),
}

/// The most decimal digits that a sequence number has.
pub const SEQUENCE_DIGITS_MAX: usize = 129;

impl Sequence {
    /// Reads a sequence number from decimal digits; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = text.trim_start_matches('0');
        if digits.len() > SEQUENCE_DIGITS_MAX {
            return None;
        }
        if digits.is_empty() {
            return Some(Self::from(0));
        }
        Some(match digits.parse() {
            Ok(small) => Self(Repr::Small(small)),
            Err(_) => Self(Repr::Large(digits.into())),
        })
    }

    /// The number, where it fits 64 bits: always on the embedded host.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Repr::Small(small) => Some(small),
            Repr::Large(_) => None,
        }
    }
}

impl From<u64> for Sequence {
    fn from(n: u64) -> Self {
        Self(Repr::Small(n))
    }
}

impl PartialOrd for Sequence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sequence {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Small(a), Repr::Small(b)) => a.cmp(b),
            (Repr::Small(_), Repr::Large(_)) => Ordering::Less,
            (Repr::Large(_), Repr::Small(_)) => Ordering::Greater,
            (Repr::Large(a), Repr::Large(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Small(small) => small.fmt(f),
            Repr::Large(digits) => f.write_str(digits),
        }
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in the history. Compared within one bucket; between buckets nothing is promised.
///
/// On the embedded host the sequence is one counter over the directory, so there the history is
/// totally ordered by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The bucket of the event's partition key.
    pub bucket: Bucket,
    /// The record's sequence number.
    pub sequence: Sequence,
    /// The event's index inside an aggregated record; 0 on the embedded host.
    pub subsequence: u64,
}

impl Position {
    /// Whether this position is after `other`; both are of one bucket (or of one directory).
    #[must_use]
    pub fn is_after(&self, other: &Self) -> bool {
        (&self.sequence, self.subsequence) > (&other.sequence, other.subsequence)
    }
}

#[cfg(test)]
mod tests;
