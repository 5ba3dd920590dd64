//! Reading a merchant's timestamp.

use super::civil::Civil;
use super::{NANOS_PER_SECOND, TimeZone, Timestamp, TimestampFault};

/// Unix time in seconds has this many digits: the years 2001 to 2286, and earlier with zeros.
const UNIX_SECONDS_DIGITS: usize = 10;
/// Unix time in milliseconds has this many digits.
const UNIX_MILLIS_DIGITS: usize = 13;
/// A nanosecond is the ninth fractional digit.
const FRACTION_DIGITS_MAX: usize = 9;

#[inline]
pub(super) fn read(
    text: &[u8],
    default_zone: Option<&TimeZone>,
) -> Result<Timestamp, TimestampFault> {
    let [
        y3,
        y2,
        y1,
        y0,
        b'-',
        m1,
        m0,
        b'-',
        d1,
        d0,
        b'T' | b't' | b' ',
        h1,
        h0,
        b':',
        n1,
        n0,
        b':',
        s1,
        s0,
        rest @ ..,
    ] = text
    else {
        return read_unix(text);
    };
    let mut highest = 0;
    let mut two = |high: u8, low: u8| {
        let (high, low) = (high.wrapping_sub(b'0'), low.wrapping_sub(b'0'));
        highest = high.max(low).max(highest);
        i64::from(high) * 10 + i64::from(low)
    };
    let (century, year) = (two(*y3, *y2), two(*y1, *y0));
    let (month, day) = (two(*m1, *m0), two(*d1, *d0));
    let (hour, minute, second) = (two(*h1, *h0), two(*n1, *n0), two(*s1, *s0));
    if highest > 9 {
        return Err(TimestampFault::Format);
    }
    let is_leap = second == 60;
    let civil = Civil {
        year: century * 100 + year,
        month,
        day,
        hour,
        minute,
        second: if is_leap { 59 } else { second },
    };
    let (nanos, zone) = read_fraction(rest)?;
    let seconds = match zone {
        _ if !civil.exists() => return Err(TimestampFault::OutOfRange),
        [b'Z' | b'z'] => civil.seconds(),
        [] => default_zone
            .ok_or(TimestampFault::ZoneMissing)?
            .unix_seconds(&civil)?,
        _ => civil.seconds() - read_offset(zone)?,
    };
    if is_leap && seconds.rem_euclid(super::SECONDS_PER_DAY) != super::SECONDS_PER_DAY - 1 {
        return Err(TimestampFault::LeapSecond);
    }
    assemble(seconds + i64::from(is_leap), nanos)
}

fn assemble(seconds: i64, nanos: i64) -> Result<Timestamp, TimestampFault> {
    if seconds < 0 {
        return Err(TimestampFault::TooEarly);
    }
    seconds
        .checked_mul(NANOS_PER_SECOND)
        .and_then(|whole| whole.checked_add(nanos))
        .map(Timestamp)
        .ok_or(TimestampFault::TooLate)
}

/// The nanoseconds of a fraction, if there is one, and what follows it.
#[inline]
fn read_fraction(text: &[u8]) -> Result<(i64, &[u8]), TimestampFault> {
    let [b'.', text @ ..] = text else {
        return Ok((0, text));
    };
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text
        .split_at_checked(length)
        .filter(|_| length > 0)
        .ok_or(TimestampFault::Format)?;
    if length > FRACTION_DIGITS_MAX {
        return Err(TimestampFault::Precision);
    }
    let mut nanos = 0;
    for digit in digits {
        nanos = nanos * 10 + i64::from(digit - b'0');
    }
    for _ in length..FRACTION_DIGITS_MAX {
        nanos *= 10;
    }
    Ok((nanos, rest))
}

/// Seconds east of UTC of an offset such as `+02:00`.
pub(super) fn read_offset(text: &[u8]) -> Result<i64, TimestampFault> {
    let [sign @ (b'+' | b'-'), h1, h0, b':', n1, n0] = text else {
        return Err(TimestampFault::Format);
    };
    let digits = [*h1, *h0, *n1, *n0];
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(TimestampFault::Format);
    }
    let [h1, h0, n1, n0] = digits.map(|digit| i64::from(digit - b'0'));
    let (hours, minutes) = (h1 * 10 + h0, n1 * 10 + n0);
    if hours > 23 || minutes > 59 {
        return Err(TimestampFault::OutOfRange);
    }
    let seconds = hours * 3600 + minutes * 60;
    Ok(if *sign == b'-' { -seconds } else { seconds })
}

fn read_unix(text: &[u8]) -> Result<Timestamp, TimestampFault> {
    if !text.iter().all(u8::is_ascii_digit) {
        return Err(TimestampFault::Format);
    }
    // At most 13 digits where it is used: this cannot overflow there.
    let number = text.iter().fold(0_i64, |number, digit| {
        number
            .wrapping_mul(10)
            .wrapping_add(i64::from(digit - b'0'))
    });
    match text.len() {
        UNIX_SECONDS_DIGITS => assemble(number, 0),
        UNIX_MILLIS_DIGITS => assemble(number / 1000, number % 1000 * 1_000_000),
        _ => Err(TimestampFault::Format),
    }
}
