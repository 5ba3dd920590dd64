//! Moments in UTC. The domain has no clock: a moment comes from a file or from the caller.
//!
//! A merchant's timestamp is RFC 3339, Unix time, or a local time with the zone that the upload
//! names. It is read here without allocation and held to chrono by a differential test; chrono
//! itself serves for the zones of the IANA database only.

mod civil;
mod read;
mod zone;

pub use zone::TimeZone;

use civil::{Rfc3339, SECONDS_PER_DAY};
use std::fmt;

pub(crate) const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// How far after its upload's arrival a transaction may lie (design, the file): 24 hours.
pub const FUTURE_MAX_NANOS: i64 = SECONDS_PER_DAY * NANOS_PER_SECOND;

/// The most bytes of [`Timestamp::write_rfc3339`].
pub const RFC3339_BYTES_MAX: usize = "2262-04-11T23:47:16.854775807Z".len();

/// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted (years 1970 to 2262).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Why a text is not a moment that a transaction can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampFault {
    /// In no form that is read.
    #[error("neither RFC 3339 nor Unix time of 10 or 13 digits")]
    Format,
    /// A local time, and no zone to read it in.
    #[error("no time zone; add Z or an offset")]
    ZoneMissing,
    /// A month, day, hour, minute, second or offset that does not exist.
    #[error("a date, time or offset that does not exist")]
    OutOfRange,
    /// Second 60 elsewhere than at 23:59:60 UTC.
    #[error("second 60 is allowed only at 23:59:60 UTC")]
    LeapSecond,
    /// More than 9 fractional digits.
    #[error("more than 9 fractional digits")]
    Precision,
    /// A local time that clocks were put forward over.
    #[error("a local time that does not exist in its zone; add an offset")]
    Skipped,
    /// A local time that occurs twice.
    #[error("a local time that occurs twice in its zone; add an offset")]
    Ambiguous,
    /// Before 1970.
    #[error("before 1970")]
    TooEarly,
    /// Too far after the upload, or beyond the year 2262.
    #[error("more than 24 hours after the upload")]
    TooLate,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The moment of a Unix time in milliseconds, if it is within 1970 to 2262.
    #[must_use]
    pub fn from_unix_millis(millis: u64) -> Option<Self> {
        let millis = i64::try_from(millis).ok()?;
        millis.checked_mul(NANOS_PER_MILLI).map(Self)
    }

    /// The moment of a Unix time in seconds, if it is within 1970 to 2262.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Option<Self> {
        let seconds = i64::try_from(seconds).ok()?;
        seconds.checked_mul(NANOS_PER_SECOND).map(Self)
    }

    /// Unix time in milliseconds, rounded down.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.0.div_euclid(NANOS_PER_MILLI)
    }

    /// Unix time in seconds, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    /// Reads a merchant's timestamp.
    #[inline]
    pub fn read(text: &[u8], default_zone: Option<&TimeZone>) -> Result<Self, TimestampFault> {
        read::read(text, default_zone)
    }

    /// Holds a merchant's timestamp to the arrival of its upload.
    pub fn check_arrival(self, uploaded_at: Self) -> Result<Self, TimestampFault> {
        if self.0 > uploaded_at.0.saturating_add(FUTURE_MAX_NANOS) {
            return Err(TimestampFault::TooLate);
        }
        Ok(self)
    }

    /// Reads RFC 3339, with a zone.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if !text.contains(&b'-') {
            return None;
        }
        read::read(text, None).ok()
    }

    /// Writes RFC 3339 in UTC, with 0, 3, 6 or 9 fractional digits: the fewest that lose nothing.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.rfc3339().as_bytes());
    }

    /// RFC 3339 in three pieces, where there is no fraction of a second.
    #[inline]
    pub(crate) fn rfc3339_whole_second(self) -> Option<([u8; 8], [u8; 8], [u8; 4])> {
        let seconds = self.unix_seconds();
        (self.0 == seconds * NANOS_PER_SECOND).then(|| civil::rfc3339_pieces(seconds))
    }

    #[inline]
    pub(crate) fn rfc3339(self) -> Rfc3339 {
        // Less than a second: it fits.
        let nanos = self.0.rem_euclid(NANOS_PER_SECOND) as u32;
        Rfc3339::of(self.unix_seconds(), nanos)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.rfc3339().as_bytes()).unwrap_or_default())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

crate::text::text_form!(
    Timestamp,
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.([0-9]{3}|[0-9]{6}|[0-9]{9}))?Z$",
    "a time in RFC 3339"
);

#[cfg(test)]
mod tests;
