//! The proleptic Gregorian calendar, in integers.
//!
//! Days are counted in eras of 400 years that begin on 1 March, so that the leap day is the last of
//! its year: the well-known way of Howard Hinnant's `chrono`-compatible date algorithms.

use super::RFC3339_BYTES_MAX;
use crate::text::{eight_digits, two_digits};

pub(super) const SECONDS_PER_DAY: i64 = 86_400;
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;

/// A date and time of day, without zone. `second` is at most 59.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
}

impl Civil {
    /// Whether such a date and time of day exist.
    #[inline]
    pub(super) const fn exists(&self) -> bool {
        self.month >= 1
            && self.month <= 12
            && self.day >= 1
            && (self.day <= 28 || self.day <= days_in_month(self.year, self.month))
            && self.hour <= 23
            && self.minute <= 59
            && self.second <= 59
    }

    /// Seconds since 1970-01-01T00:00:00 of the same zone.
    #[inline]
    pub(super) const fn seconds(&self) -> i64 {
        let year = if self.month <= 2 {
            self.year - 1
        } else {
            self.year
        };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = (self.month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH;
        days * SECONDS_PER_DAY + self.hour * 3600 + self.minute * 60 + self.second
    }
}

/// RFC 3339 in UTC, without allocation.
pub(crate) struct Rfc3339 {
    text: [u8; RFC3339_BYTES_MAX],
    length: usize,
}

impl Rfc3339 {
    /// With as many of 0, 3, 6, 9 fractional digits as are needed. For the seconds of a
    /// [`super::Timestamp`], which lie in the years 1677 to 2262.
    #[inline]
    pub(super) fn of(unix_seconds: i64, nanos: u32) -> Self {
        let days = unix_seconds.div_euclid(SECONDS_PER_DAY) + DAYS_TO_EPOCH;
        // Days since the year 0 and seconds of a day: both fit.
        let (year, month, day) = date_of(days as u32);
        let second_of_day = unix_seconds.rem_euclid(SECONDS_PER_DAY) as u32;
        let [y3, y2] = two_digits(year / 100);
        let [y1, y0] = two_digits(year);
        let [m1, m0] = two_digits(month);
        let [d1, d0] = two_digits(day);
        let [h1, h0] = two_digits(second_of_day / 3600);
        let [n1, n0] = two_digits(second_of_day / 60 % 60);
        let [s1, s0] = two_digits(second_of_day % 60);
        let [f1, f2] = two_digits(nanos / 10_000_000);
        let [f3, f4] = two_digits(nanos / 100_000);
        let [f5, f6] = two_digits(nanos / 1000);
        let [f7, f8] = two_digits(nanos / 10);
        let [_, f9] = two_digits(nanos);
        let mut text = [
            y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0, b'T', h1, h0, b':', n1, n0, b':', s1, s0,
            b'.', f1, f2, f3, f4, f5, f6, f7, f8, f9, b'Z',
        ];
        let zone_at = if nanos == 0 {
            text.len() - 11
        } else if nanos.is_multiple_of(1_000_000) {
            text.len() - 7
        } else if nanos.is_multiple_of(1_000) {
            text.len() - 4
        } else {
            text.len() - 1
        };
        if let Some(zone) = text.get_mut(zone_at) {
            *zone = b'Z';
        }
        Self {
            text,
            length: zone_at + 1,
        }
    }

    #[inline(always)]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

/// `YYYY-MM-`, `DDTHH:MM` and `:SSZ`: RFC 3339 without a fraction, in registers all the way.
#[inline]
pub(super) fn rfc3339_pieces(unix_seconds: i64) -> ([u8; 8], [u8; 8], [u8; 4]) {
    let days = unix_seconds.div_euclid(SECONDS_PER_DAY) + DAYS_TO_EPOCH;
    let (year, month, day) = date_of(days as u32);
    let second_of_day = unix_seconds.rem_euclid(SECONDS_PER_DAY) as u32;
    let (hour, minute, second) = (
        second_of_day / 3600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    );
    let [y3, y2, y1, y0, m1, m0, d1, d0] =
        eight_digits(u64::from(year * 10_000 + month * 100 + day)).to_le_bytes();
    let [_, _, h1, h0, n1, n0, s1, s0] =
        eight_digits(u64::from(hour * 10_000 + minute * 100 + second)).to_le_bytes();
    (
        [y3, y2, y1, y0, b'-', m1, m0, b'-'],
        [d1, d0, b'T', h1, h0, b':', n1, n0],
        [b':', s1, s0, b'Z'],
    )
}

/// Year, month and day of a number of days since 0000-03-01.
#[inline]
const fn date_of(days: u32) -> (u32, u32, u32) {
    const ERA: u32 = DAYS_PER_ERA as u32;
    let day_of_era = days % ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let (month, next_year) = if month_from_march < 10 {
        (month_from_march + 3, 0)
    } else {
        (month_from_march - 9, 1)
    };
    let year = year_of_era + days / ERA * 400 + next_year;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    (year, month, day)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
