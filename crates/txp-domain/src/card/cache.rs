//! Fingerprints of the cards seen last: a direct-mapped cache of fixed size.
//!
//! Merchants send the same cards again and again, and a look into the cache is cheaper than two
//! compressions. Each card has one place; another card there takes it. The numbers in it are in
//! memory only, as long as the cache is, and wiped when it is dropped.

use super::{CARD_DIGITS_MAX, CardNumber, Fingerprint, FingerprintSource, Fingerprinter};
use zeroize::Zeroize;

/// A fingerprinter that remembers. The number of places is fixed: memory does not grow.
pub struct FingerprintCache {
    fingerprinter: Fingerprinter,
    places: Box<[Place]>,
    /// One less than the number of places, which is a power of two.
    mask: u64,
}

#[derive(Clone, Copy)]
struct Place {
    number: [u8; CARD_DIGITS_MAX],
    fingerprint: Fingerprint,
}

/// No card number: every digit is missing.
const EMPTY: Place = Place {
    number: [0; CARD_DIGITS_MAX],
    fingerprint: Fingerprint([0; 16]),
};

impl FingerprintCache {
    /// Places enough for the skewed cards of a large file, in about 1.1 MiB.
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
        let number = card.padded();
        let at = (hash(number) & self.mask) as usize;
        let Some(place) = self.places.get_mut(at) else {
            return self.fingerprinter.fingerprint(card);
        };
        if place.number != *number {
            *place = Place {
                number: *number,
                fingerprint: self.fingerprinter.fingerprint(card),
            };
        }
        place.fingerprint
    }
}

/// Spreads numbers over the places. Digits are no adversary's choice of place that matters: a card
/// that misses costs what it costs without a cache.
fn hash(number: &[u8; CARD_DIGITS_MAX]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let start = number.first_chunk().copied().map_or(0, u64::from_le_bytes);
    let end = number.last_chunk().copied().map_or(0, u64::from_le_bytes);
    let middle = number
        .get(6..14)
        .and_then(|middle| middle.try_into().ok())
        .map_or(0, u64::from_le_bytes);
    let mixed = (start.wrapping_mul(ODD) ^ middle).wrapping_mul(ODD) ^ end;
    mixed.wrapping_mul(ODD) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cache_changes_nothing(numbers in prop::collection::vec("[0-9]{12,19}", 1..200), places in 0_usize..9) {
            let plain = Fingerprinter::new([7; 32]);
            let mut cached = FingerprintCache::new(plain.clone(), places);
            let cards = numbers.iter().filter_map(|number| CardNumber::parse(number.as_bytes()).ok());
            for card in cards {
                for _ in 0..2 {
                    prop_assert_eq!(cached.fingerprint(&card), plain.fingerprint(&card));
                }
            }
        }
    }
}
