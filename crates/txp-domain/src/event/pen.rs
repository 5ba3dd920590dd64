//! Writing many short pieces into room that was made once.
//!
//! A row's event is some thirty pieces, most of them shorter than 32 bytes. Added to a `Vec` one by
//! one, each asks whether there is room and calls the system's copy; here the room is made for the
//! whole event, with a little more than it takes, and short pieces are copied in place. What does
//! not fit is not written, and [`Pen::written`] tells.

use crate::text::{EIGHT_DIGITS, decimal, eight_digits, in_each_byte};
use crate::time::Timestamp;

/// Numbers are written as words of so many bytes, of which only the first may count.
const WORD_BYTES: usize = 8;

/// Writes forwards.
pub(super) struct Pen<'b> {
    room: &'b mut [u8],
    at: usize,
}

impl<'b> Pen<'b> {
    pub(super) fn new(room: &'b mut [u8]) -> Self {
        Self { room, at: 0 }
    }

    /// How many bytes were written; `None` if something did not fit, or hardly.
    pub(super) fn written(&self) -> Option<usize> {
        (self.at + WORD_BYTES <= self.room.len()).then_some(self.at)
    }

    /// Where the next piece goes.
    #[inline(always)]
    pub(super) fn place(&self) -> u32 {
        // Rooms are far smaller than 4 GiB.
        self.at as u32
    }

    /// Writes a piece whose length the compiler knows.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, piece: &[u8; N]) {
        let rest = self.room.get_mut(self.at..).unwrap_or_default();
        if let Some(to) = rest.first_chunk_mut() {
            *to = *piece;
        }
        self.at += N;
    }

    /// Writes a piece: a short one as two that may overlap.
    #[inline(always)]
    pub(super) fn text(&mut self, piece: &[u8]) {
        let end = self.at + piece.len();
        if let Some(to) = self.room.get_mut(self.at..end) {
            match piece.len() {
                0 => {}
                1..4 => to.iter_mut().zip(piece).for_each(|(to, from)| *to = *from),
                4..8 => ends::<4>(piece, to),
                8..16 => ends::<8>(piece, to),
                16..=32 => ends::<16>(piece, to),
                _ => to.copy_from_slice(piece),
            }
        }
        self.at = end;
    }

    /// Writes a number in decimal.
    #[inline]
    pub(super) fn number(&mut self, n: u64) {
        if n >= EIGHT_DIGITS {
            let (digits, start) = decimal(n);
            return self.text(digits.get(start..).unwrap_or_default());
        }
        let digits = eight_digits(n);
        // Zero digits differ from '0' in no bit; of a zero, the last stays.
        let zeros = ((digits ^ in_each_byte(b'0')).trailing_zeros() / 8).min(7);
        self.start_of(digits >> (zeros * 8), 8 - zeros as usize);
    }

    /// Writes an amount with its decimals, of which there are at most 8.
    #[inline]
    pub(super) fn amount(&mut self, units: u64, decimals: u8) {
        let (whole, fraction) = match decimals {
            0 => return self.number(units),
            2 => (units / 100, units % 100),
            3 => (units / 1000, units % 1000),
            _ => {
                let unit = 10_u64.saturating_pow(decimals.into());
                (units / unit, units % unit)
            }
        };
        self.number(whole);
        self.put(b".");
        let decimals = usize::from(decimals.min(8));
        self.start_of(eight_digits(fraction) >> (64 - decimals * 8), decimals);
    }

    /// Writes a moment in RFC 3339.
    #[inline]
    pub(super) fn moment(&mut self, moment: Timestamp) {
        if let Some((start, middle, end)) = moment.rfc3339_whole_second() {
            self.put(&start);
            self.put(&middle);
            self.put(&end);
        } else {
            self.text(moment.rfc3339().as_bytes());
        }
    }

    /// Writes the first bytes of a word, lowest first. What is behind them is written over by the
    /// next piece.
    #[inline(always)]
    fn start_of(&mut self, word: u64, length: usize) {
        self.put(&word.to_le_bytes());
        self.at -= 8 - length;
    }
}

/// Copies a piece of `N` to `2 * N` bytes to room of the same length.
#[inline(always)]
fn ends<const N: usize>(from: &[u8], to: &mut [u8]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = *from;
    }
    if let (Some(from), Some(to)) = (from.last_chunk::<N>(), to.last_chunk_mut::<N>()) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::{Amount, Currency};
    use proptest::prelude::*;

    #[test]
    fn amounts_and_moments_are_those_of_their_own_writers() {
        let units = (0..20).flat_map(|digits| {
            let power = 10_u64.saturating_pow(digits);
            [power - 1, power, power / 3, u64::MAX / power]
        });
        for (units, currency) in
            units.flat_map(|units| Currency::all().map(move |currency| (units, currency)))
        {
            let (mut plain, mut room) = (Vec::new(), [0; 160]);
            Amount(units).write_decimal(currency, &mut plain);
            let seconds = units % 9_000_000_000;
            for nanos in [0, seconds, seconds * 1_000_000_000, u64::MAX / 2] {
                Timestamp(nanos as i64).write_rfc3339(&mut plain);
            }
            let mut pen = Pen::new(&mut room);
            pen.amount(units, currency.minor_digits());
            for nanos in [0, seconds, seconds * 1_000_000_000, u64::MAX / 2] {
                pen.moment(Timestamp(nanos as i64));
            }
            let length = pen.at;
            assert_eq!(
                &room[..length.min(160)],
                &plain[..plain.len().min(160)],
                "{units} {currency}"
            );
        }
    }

    proptest! {
        #[test]
        fn writes_what_a_vec_takes(
            pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), any::<u64>()), 0..9),
            room in 0_usize..400,
        ) {
            let mut plain = Vec::new();
            let mut room = vec![0; room];
            let mut pen = Pen::new(&mut room);
            for (piece, number) in &pieces {
                pen.text(piece);
                pen.put(b"-piece-");
                pen.number(*number);
                plain.extend_from_slice(piece);
                plain.extend_from_slice(b"-piece-");
                plain.extend_from_slice(number.to_string().as_bytes());
            }
            prop_assert_eq!(pen.place() as usize, plain.len());
            match pen.written() {
                Some(length) => prop_assert_eq!(&room[..length], &plain[..]),
                None => prop_assert!(plain.len() + WORD_BYTES > room.len()),
            }
        }
    }
}
