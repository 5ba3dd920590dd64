//! Fingerprints of the cards seen last: a direct-mapped cache of fixed size.
//!
//! Merchants send the same cards again and again, and a look into the cache is cheaper than two
//! compressions. Each card has one place; another card there takes it. The numbers in it are in
//! memory only, as long as the cache is, and wiped when it is dropped.

use super::{CardNumber, Fingerprint, FingerprintSource, Fingerprinter};
use std::hint::black_box;
use zeroize::Zeroize;

/// How many cards [`FingerprintCache::look_ahead`] takes at most.
pub const CARDS_AHEAD: usize = 32;

/// A fingerprinter that remembers. The number of places is fixed: memory does not grow.
pub struct FingerprintCache {
    fingerprinter: Fingerprinter,
    places: Box<[Place]>,
    /// One less than the number of places, which is a power of two.
    mask: u64,
}

/// 32 bytes, so that no place lies across two lines of the processor's cache.
#[derive(Clone, Copy)]
struct Place {
    number: u128,
    fingerprint: Fingerprint,
}

/// No card number: it has no digits.
const EMPTY: Place = Place {
    number: 0,
    fingerprint: Fingerprint([0; 16]),
};

impl FingerprintCache {
    /// Places enough for the skewed cards of a large file, in 1 MiB.
    pub const PLACES_DEFAULT: usize = 1 << 15;

    /// A cache of so many places, rounded up to a power of two.
    #[must_use]
    pub fn new(fingerprinter: Fingerprinter, places: usize) -> Self {
        let places = places.clamp(1, 1 << 24).next_power_of_two();
        Self {
            fingerprinter,
            places: vec![EMPTY; places].into_boxed_slice(),
            mask: places as u64 - 1,
        }
    }

    /// Looks at the places of all these cards, at most [`CARDS_AHEAD`] of them, and does nothing with
    /// them. The places of a large cache are far from the processor: looked at together, it waits for
    /// them once and not for each.
    pub fn look_ahead(&self, cards: &[CardNumber]) {
        // Where they are first, so that nothing stands between the looks.
        let mut places = [0; CARDS_AHEAD];
        for (place, card) in places.iter_mut().zip(cards) {
            *place = (hash(packed(card)) & self.mask) as usize;
        }
        let seen = places.iter().fold(0, |seen, place| {
            seen ^ self
                .places
                .get(*place)
                .map_or(0, |place| place.number as u64)
        });
        black_box(seen);
    }

    /// The fingerprinter behind it.
    #[must_use]
    pub const fn fingerprinter(&self) -> &Fingerprinter {
        &self.fingerprinter
    }
}

impl Drop for FingerprintCache {
    fn drop(&mut self) {
        for place in &mut self.places {
            place.number.zeroize();
        }
    }
}

impl FingerprintSource for FingerprintCache {
    #[inline]
    fn fingerprint(&mut self, card: &CardNumber) -> Fingerprint {
        let number = packed(card);
        let at = (hash(number) & self.mask) as usize;
        let Some(place) = self.places.get_mut(at) else {
            return self.fingerprinter.fingerprint(card);
        };
        if place.number != number {
            *place = Place {
                number,
                fingerprint: self.fingerprinter.fingerprint(card),
            };
        }
        place.fingerprint
    }
}

/// A card number as one: four bits for each digit, and how many there are above them.
#[inline]
fn packed(card: &CardNumber) -> u128 {
    let (digits, length) = (card.padded(), card.digits().len());
    let [start, middle] = match digits.as_chunks::<8>() {
        ([start, middle], _) => [*start, *middle].map(|digits| nibbles(u64::from_le_bytes(digits))),
        _ => [0, 0],
    };
    let [.., e0, e1, e2] = *digits;
    let end = nibbles(u64::from_le_bytes([e0, e1, e2, 0, 0, 0, 0, 0]));
    let upper = u64::from(end) | (length as u64) << 32;
    u128::from(upper) << 64 | u128::from(middle) << 32 | u128::from(start)
}

/// The lower four bits of each of eight bytes.
#[inline(always)]
fn nibbles(bytes: u64) -> u32 {
    let bytes = bytes & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (bytes | bytes >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    // The upper half is left behind.
    (fours | fours >> 16) as u32
}

/// Spreads numbers over the places. Digits are no adversary's choice of place that matters: a card
/// that misses costs what it costs without a cache.
#[inline(always)]
fn hash(number: u128) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (upper, lower) = ((number >> 64) as u64, number as u64);
    let mixed = lower.wrapping_mul(ODD) ^ upper;
    (mixed ^ mixed >> 32).wrapping_mul(ODD) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_packed_apart() {
        let numbers = [
            "422222222222200",
            "4222222222222",
            "42222222222220000",
            "0004242424242424242",
            "4242424242424242",
        ];
        let cards = numbers.map(|number| CardNumber::parse(number.as_bytes()).ok());
        let mut seen: Vec<u128> = cards.iter().flatten().map(packed).collect();
        let read = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((seen.len(), seen.contains(&0)), (read, false));
        assert!(read >= 2);
    }

    proptest! {
        #[test]
        fn a_cache_changes_nothing(numbers in prop::collection::vec("[0-9]{12,19}", 1..200), places in 0_usize..9) {
            let plain = Fingerprinter::new([7; 32]);
            let mut cached = FingerprintCache::new(plain.clone(), places);
            let cards = numbers.iter().filter_map(|number| CardNumber::parse(number.as_bytes()).ok());
            let cards: Vec<CardNumber> = cards.collect();
            cached.look_ahead(&cards);
            for card in cards {
                for _ in 0..2 {
                    prop_assert_eq!(cached.fingerprint(&card), plain.fingerprint(&card));
                }
            }
        }
    }
}
