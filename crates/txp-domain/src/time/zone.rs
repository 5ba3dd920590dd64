//! The zone of timestamps that name none: a fixed offset, or a name of the IANA database.

use super::TimestampFault;
use super::civil::Civil;
use super::read::read_offset;
use chrono::{DateTime, MappedLocalTime, Offset, TimeZone as _};
use std::fmt;

/// A time zone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeZone(Repr);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Repr {
    /// Seconds east of UTC.
    Fixed(i32),
    Named(chrono_tz::Tz),
}

impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Repr::Fixed(0));

    /// Reads `Z`, an offset such as `+02:00`, or a name such as `Europe/Berlin`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if matches!(text, b"Z" | b"z") {
            return Some(Self::UTC);
        }
        if let Ok(seconds) = read_offset(text) {
            return i32::try_from(seconds).ok().map(|s| Self(Repr::Fixed(s)));
        }
        let name = std::str::from_utf8(text).ok()?;
        name.parse().ok().map(|zone| Self(Repr::Named(zone)))
    }

    /// Unix time of a local date and time that exist in the calendar.
    pub(super) fn unix_seconds(&self, civil: &Civil) -> Result<i64, TimestampFault> {
        let local = civil.seconds();
        let zone = match self.0 {
            Repr::Fixed(seconds) => return Ok(local - i64::from(seconds)),
            Repr::Named(zone) => zone,
        };
        let naive = DateTime::from_timestamp(local, 0)
            .ok_or(TimestampFault::OutOfRange)?
            .naive_utc();
        match zone.offset_from_local_datetime(&naive) {
            MappedLocalTime::Single(offset) => {
                Ok(local - i64::from(offset.fix().local_minus_utc()))
            }
            MappedLocalTime::Ambiguous(..) => Err(TimestampFault::Ambiguous),
            MappedLocalTime::None => Err(TimestampFault::Skipped),
        }
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Fixed(0) => f.write_str("Z"),
            Repr::Fixed(seconds) => {
                let sign = if seconds < 0 { '-' } else { '+' };
                let minutes = seconds.unsigned_abs() / 60;
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Repr::Named(zone) => f.write_str(zone.name()),
        }
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

crate::text::text_form!(
    TimeZone,
    "^(Z|[+-][0-9]{2}:[0-9]{2}|[A-Za-z][A-Za-z0-9_+/-]*)$",
    "a time zone: Z, an offset such as +02:00, or a name such as Europe/Berlin"
);
