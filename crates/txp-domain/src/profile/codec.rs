//! A profile as bytes: about 14 bytes for each sale that is recognised, 3 for each one before.
//!
//! `version, scale, count, sum, older, recent`. Numbers are LEB128; event times are differences to
//! the time before them in units of the scale (seconds, milliseconds or nanoseconds, the coarsest
//! that loses nothing). Equal profiles have equal bytes. Bytes are checked on the way in: a profile
//! that no sequence of sales could have made is refused, never judged by.

use super::{PREDECESSORS_MAX, Profile, RECOGNISED_MAX, Sale, TIMES_MAX, put_in_ring};
use crate::money::Amount;
use crate::time::Timestamp;

/// The one version written; every version ever written stays readable.
const VERSION: u8 = 1;

const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;

/// Nanoseconds in one unit of event time, by the scale's number.
const SCALES_NANOSECONDS: [i64; 3] = [1, MILLISECOND, SECOND];

const CONTRADICTION: DecodeFault = DecodeFault::Damaged("its numbers contradict its sales");

/// The last byte of a 64-bit number in LEB128, counted from 0.
const LEB128_PLACE_MAX: u32 = 9;

/// Why bytes are no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFault {
    /// The bytes end inside the profile.
    #[error("stored profile ends early; rebuild the profiles from the history")]
    Truncated,
    /// A newer program wrote them.
    #[error("stored profile has version {0}, this program reads up to {VERSION}; upgrade it")]
    UnknownVersion(u8),
    /// They contradict themselves.
    #[error("stored profile is damaged ({0}); rebuild the profiles from the history")]
    Damaged(&'static str),
}

impl Profile {
    /// Appends the profile's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        // Dividing by a number that is known here is a multiplication: encoding is mostly that.
        if self.is_in_units_of::<SECOND>() {
            self.encode_in::<SECOND>(2, out);
        } else if self.is_in_units_of::<MILLISECOND>() {
            self.encode_in::<MILLISECOND>(1, out);
        } else {
            self.encode_in::<1>(0, out);
        }
    }

    fn is_in_units_of<const UNIT: i64>(&self) -> bool {
        self.times.iter().all(|at| at.0 % UNIT == 0)
    }

    fn encode_in<const UNIT: i64>(&self, scale: u8, out: &mut Vec<u8>) {
        let (timed, recognised) = (self.timed(), self.recognised());
        let older = timed.start..recognised.start;
        out.extend([VERSION, scale]);
        put(out, self.count);
        // The sum in two halves; the higher one is nothing for every real card.
        put(out, self.sum as u64);
        put(out, (self.sum >> u64::BITS) as u64);
        put(out, older.end - older.start);
        put(out, recognised.end - recognised.start);
        let mut last = 0i64;
        for at in older.filter_map(|n| self.time(n)) {
            put_time(out, &mut last, at.0 / UNIT);
        }
        for sale in recognised.filter_map(|n| self.sale(n)) {
            out.extend(sale.digest.to_le_bytes());
            put_time(out, &mut last, sale.at.0 / UNIT);
            put(out, sale.amount.0);
        }
    }

    /// Reads a profile from all of `bytes`.
    ///
    /// # Errors
    /// If the bytes are no profile that this program wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeFault> {
        let mut input = bytes;
        let version = take_byte(&mut input)?;
        if version != VERSION {
            return Err(DecodeFault::UnknownVersion(version));
        }
        let scale = take_byte(&mut input)?;
        let Some(&unit) = SCALES_NANOSECONDS.get(usize::from(scale)) else {
            return Err(DecodeFault::Damaged("unknown time scale"));
        };
        let count = take(&mut input)?;
        let low = u128::from(take(&mut input)?);
        let sum = low | u128::from(take(&mut input)?) << u64::BITS;
        let older_len = take_len(&mut input, PREDECESSORS_MAX)?;
        let recent_len = take_len(&mut input, RECOGNISED_MAX)?;
        let kept = (older_len + recent_len) as u64;
        let is_possible = (older_len == 0 || recent_len == RECOGNISED_MAX)
            && (count == kept || (kept == TIMES_MAX as u64 && count > kept));
        if !is_possible {
            return Err(CONTRADICTION);
        }
        let mut profile = Self {
            count: count - kept,
            digests: vec![0; recent_len],
            amounts: vec![Amount(0); recent_len],
            times: vec![Timestamp(0); older_len + recent_len],
            ..Self::default()
        };
        let mut last = 0i64;
        for _ in 0..older_len {
            let at = take_time(&mut input, &mut last, unit)?;
            put_in_ring(&mut profile.times, TIMES_MAX, profile.count, at);
            profile.count += 1;
        }
        for _ in 0..recent_len {
            let Some((digest, rest)) = input.split_first_chunk() else {
                return Err(DecodeFault::Truncated);
            };
            input = rest;
            profile.push(Sale {
                digest: u64::from_le_bytes(*digest),
                at: take_time(&mut input, &mut last, unit)?,
                amount: Amount(take(&mut input)?),
            });
        }
        if !input.is_empty() {
            return Err(DecodeFault::Damaged("bytes after its end"));
        }
        if profile.sum != sum && (older_len == 0 || profile.sum > sum) {
            return Err(CONTRADICTION);
        }
        profile.sum = sum;
        Ok(profile)
    }
}

/// Writes a number as LEB128: seven bits a byte, the lowest first.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a time as its difference to the last one, the sign in the lowest bit. Differences wrap,
/// and so does adding them up again: every pair of times has one.
fn put_time(out: &mut Vec<u8>, last: &mut i64, units: i64) {
    let difference = units.wrapping_sub(*last);
    put(
        out,
        ((difference << 1) ^ (difference >> 63)).cast_unsigned(),
    );
    *last = units;
}

fn take_byte(input: &mut &[u8]) -> Result<u8, DecodeFault> {
    let (first, rest) = input.split_first().ok_or(DecodeFault::Truncated)?;
    *input = rest;
    Ok(*first)
}

fn take(input: &mut &[u8]) -> Result<u64, DecodeFault> {
    let mut number = 0u64;
    for (place, byte) in (0u32..).zip(input.iter()) {
        let bits = u64::from(byte & 0x7f);
        let shifted = bits.checked_shl(place * 7).unwrap_or(0);
        if place > LEB128_PLACE_MAX || shifted.checked_shr(place * 7) != Some(bits) {
            return Err(DecodeFault::Damaged("a number beyond 64 bits"));
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            *input = input.get(place as usize + 1..).unwrap_or(&[]);
            return Ok(number);
        }
    }
    Err(DecodeFault::Truncated)
}

fn take_len(input: &mut &[u8], limit: usize) -> Result<usize, DecodeFault> {
    let len = usize::try_from(take(input)?).ok();
    len.filter(|len| *len <= limit)
        .ok_or(DecodeFault::Damaged("more sales than a profile keeps"))
}

fn take_time(input: &mut &[u8], last: &mut i64, unit: i64) -> Result<Timestamp, DecodeFault> {
    let coded = take(input)?;
    let difference = (coded >> 1).cast_signed() ^ -((coded & 1).cast_signed());
    let units = last.wrapping_add(difference);
    *last = units;
    units
        .checked_mul(unit)
        .map(Timestamp)
        .ok_or(DecodeFault::Damaged("a time out of range"))
}
