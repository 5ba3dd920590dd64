//! The cards of a file: number, currency and usual amounts, computed from the card's index.
//!
//! The numbers are Luhn-valid and lie in ranges that card schemes publish for tests. Nothing is
//! kept per card, so a file may use any count of them.

use super::random::{Random, mix};

/// A range of test numbers: prefix, digits in all, share of the cards in percent.
const RANGES: [(&[u8], usize, u64); 8] = [
    (b"400000", 16, 48),
    (b"555555", 16, 26),
    (b"378282", 15, 8),
    (b"601111", 16, 6),
    (b"620000", 16, 4),
    (b"353011", 16, 3),
    (b"360000", 14, 2),
    (b"675964", 16, 3),
];

/// A currency, its minor digits, its minor units for 100 US cents, its share in percent, and
/// whether the default rules have a threshold for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Money {
    pub(super) code: &'static [u8; 3],
    pub(super) minor_digits: usize,
    per_dollar: u64,
    share: u64,
    pub(super) judged: bool,
}

const USD: Money = Money {
    code: b"USD",
    minor_digits: 2,
    per_dollar: 100,
    share: 60,
    judged: true,
};

const MONEY: [Money; 7] = [
    USD,
    Money {
        code: b"EUR",
        minor_digits: 2,
        per_dollar: 92,
        share: 18,
        judged: true,
    },
    Money {
        code: b"GBP",
        minor_digits: 2,
        per_dollar: 80,
        share: 10,
        judged: true,
    },
    Money {
        code: b"JPY",
        minor_digits: 0,
        per_dollar: 150,
        share: 6,
        judged: true,
    },
    Money {
        code: b"CAD",
        minor_digits: 2,
        per_dollar: 136,
        share: 3,
        judged: true,
    },
    Money {
        code: b"CHF",
        minor_digits: 2,
        per_dollar: 90,
        share: 2,
        judged: true,
    },
    Money {
        code: b"BHD",
        minor_digits: 3,
        per_dollar: 376,
        share: 1,
        judged: false,
    },
];

impl Money {
    /// An amount in US cents as minor units of this currency.
    pub(super) const fn cents_in(self, cents: u64) -> u64 {
        cents * self.per_dollar / 100
    }
}

/// What cards usually pay, in US cents.
const LEVELS_CENTS: [u64; 8] = [900, 1_500, 2_200, 3_200, 4_800, 7_500, 12_000, 25_000];

/// Sixteen steps of a log-normal spread around a card's level, in percent.
const SPREAD_PERCENT: [u64; 16] = [
    20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 125, 145, 170, 210, 280, 450,
];

/// The most digits that [`Card::digits`] writes.
pub(super) const DIGITS_MAX: usize = 20;

/// One card of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Card {
    bits: u64,
}

impl Card {
    pub(super) const fn new(seed: u64, index: u64) -> Self {
        Self {
            bits: mix(mix(seed ^ 0x6361_7264) ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        }
    }

    pub(super) fn money(self) -> Money {
        let share = (self.bits >> 8) % 100;
        pick(&MONEY, share, |money| money.share).unwrap_or(USD)
    }

    fn level_cents(self) -> u64 {
        at(&LEVELS_CENTS, self.bits >> 20)
    }

    /// An amount as this card usually pays it, in minor units.
    pub(super) fn usual_amount(self, random: &mut Random) -> u64 {
        let percent = at(&SPREAD_PERCENT, random.next() >> 9) * (90 + random.below(21));
        self.money()
            .cents_in(self.level_cents() * percent / 10_000)
            .max(1)
    }

    /// An amount of `times` what this card usually pays, in minor units.
    pub(super) fn level_times(self, times: u64) -> u64 {
        self.money().cents_in(self.level_cents() * times)
    }

    /// The card number.
    pub(super) fn number(self) -> Digits {
        let range = pick(&RANGES, (self.bits >> 32) % 100, |(_, _, share)| *share);
        let (prefix, len, _) = range.unwrap_or((b"400000", 16, 0));
        Digits::luhn(prefix, len, mix(self.bits))
    }
}

/// A string of ASCII digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits {
    bytes: [u8; DIGITS_MAX],
    len: usize,
}

impl Digits {
    /// A Luhn-valid number of `len` digits that starts with `prefix`.
    pub(super) fn luhn(prefix: &[u8], len: usize, bits: u64) -> Self {
        let len = len.min(DIGITS_MAX);
        let mut random = bits;
        let mut bytes = [b'0'; DIGITS_MAX];
        let mut sum = 0;
        for (index, slot) in bytes.iter_mut().take(len.saturating_sub(1)).enumerate() {
            *slot = prefix.get(index).copied().unwrap_or_else(|| {
                let digit = (random % 10) as u8;
                random /= 10;
                b'0' + digit
            });
            let digit = u64::from(*slot - b'0');
            // Counted from the check digit leftwards every second digit is doubled.
            let doubled = (len - index).is_multiple_of(2);
            sum += if doubled {
                digit * 2 - if digit > 4 { 9 } else { 0 }
            } else {
                digit
            };
        }
        if let Some(check) = len.checked_sub(1).and_then(|last| bytes.get_mut(last)) {
            *check = b'0' + ((10 - sum % 10) % 10) as u8;
        }
        Self { bytes, len }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The entry in whose share a percentage falls; the last one takes what is left over.
fn pick<T: Copy>(table: &[T], percent: u64, share: impl Fn(&T) -> u64) -> Option<T> {
    let mut left = percent;
    for entry in table {
        let part = share(entry);
        if left < part {
            return Some(*entry);
        }
        left -= part;
    }
    table.last().copied()
}

/// An entry chosen by random bits.
pub(super) fn at<T: Copy + Default>(table: &[T], bits: u64) -> T {
    let len = table.len().max(1) as u64;
    usize::try_from(bits % len)
        .ok()
        .and_then(|index| table.get(index))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        assert_eq!(RANGES.iter().map(|range| range.2).sum::<u64>(), 100);
        assert_eq!(MONEY.iter().map(|money| money.share).sum::<u64>(), 100);
    }

    #[test]
    fn a_check_digit_is_the_published_one() {
        // Test numbers that gateways publish.
        for (number, len) in [("4111111111111111", 16), ("378282246310005", 15)] {
            let prefix = &number.as_bytes()[..len - 1];
            assert_eq!(Digits::luhn(prefix, len, 0).as_bytes(), number.as_bytes());
        }
    }
}
