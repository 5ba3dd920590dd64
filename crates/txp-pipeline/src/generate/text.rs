//! Values as text: amounts, moments, identifiers. Straight into a buffer, without allocation.
//!
//! No identifier holds 12 digits: none can be taken for a card number by accident.

use super::random::mix;

const SECONDS_PER_DAY: i64 = 86_400;

/// Letters of the tag that keeps the identifiers of two seeds apart.
const TAG_LETTERS: usize = 5;

/// Appends a number with at least `width` digits.
pub(super) fn put_number(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut left = value;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        if left == 0 && used >= width {
            break;
        }
        *slot = b'0' + (left % 10) as u8;
        left /= 10;
        used += 1;
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Appends an amount of minor units with a currency's minor digits.
pub(super) fn put_amount(out: &mut Vec<u8>, minor: u64, minor_digits: usize) {
    let scale = (0..minor_digits).fold(1, |scale: u64, _| scale * 10);
    put_number(out, minor / scale, 1);
    if minor_digits > 0 {
        out.push(b'.');
        put_number(out, minor % scale, minor_digits);
    }
}

/// Writes moments; remembers the day, which seldom changes.
#[derive(Debug)]
pub(super) struct Clock {
    day: i64,
    date: [u8; 10],
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            day: 0,
            date: *b"1970-01-01",
        }
    }

    /// The date of a moment, `YYYY-MM-DD`.
    pub(super) fn date(&mut self, seconds: i64) -> &[u8; 10] {
        let day = seconds.div_euclid(SECONDS_PER_DAY);
        if day != self.day {
            self.day = day;
            self.date = date_of(day);
        }
        &self.date
    }

    /// Appends a moment without its zone, `YYYY-MM-DDThh:mm:ss`.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, seconds: i64) {
        out.extend_from_slice(self.date(seconds));
        let second = seconds.rem_euclid(SECONDS_PER_DAY).unsigned_abs();
        for (mark, part) in [
            (b'T', second / 3600),
            (b':', second / 60 % 60),
            (b':', second % 60),
        ] {
            out.push(mark);
            put_number(out, part, 2);
        }
    }
}

/// The civil date of a day since 1970-01-01 (Howard Hinnant's days algorithm).
fn date_of(day: i64) -> [u8; 10] {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let mut text = Vec::with_capacity(10);
    put_number(&mut text, year.unsigned_abs(), 4);
    text.push(b'-');
    put_number(&mut text, month.unsigned_abs(), 2);
    text.push(b'-');
    put_number(
        &mut text,
        (day_of_year - (153 * shifted_month + 2) / 5 + 1).unsigned_abs(),
        2,
    );
    text.try_into().unwrap_or(*b"1970-01-01")
}

/// The start of every transaction id of a seed: letters only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag([u8; TAG_LETTERS]);

impl Tag {
    pub(super) fn new(seed: u64) -> Self {
        let mut bits = mix(seed ^ 0x7461_6700);
        Self([(); TAG_LETTERS].map(|()| {
            let letter = b'a' + (bits % 26) as u8;
            bits /= 26;
            letter
        }))
    }

    /// Appends the transaction id of row `number`.
    pub(super) fn put_id(self, out: &mut Vec<u8>, number: u64) {
        out.extend_from_slice(&self.0);
        out.push(b'-');
        put_number(out, number + 1, 7);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_a_calendar_has_them() {
        let mut clock = Clock::new();
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_767_139_200, "2025-12-31T00:00:00"),
            (1_709_251_199, "2024-02-29T23:59:59"),
        ] {
            let mut out = Vec::new();
            clock.put(&mut out, seconds);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn amounts_have_their_minor_digits() {
        for (minor, digits, expected) in [
            (5, 2, "0.05"),
            (12_345, 2, "123.45"),
            (12, 0, "12"),
            (1_002, 3, "1.002"),
            (0, 2, "0.00"),
        ] {
            let mut out = Vec::new();
            put_amount(&mut out, minor, digits);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
