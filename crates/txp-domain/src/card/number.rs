//! The card number itself: 12 to 19 digits that pass their check digit.

use super::{Brand, Last4};
use crate::text::in_each_byte;
use zeroize::Zeroize;

/// The fewest digits of a card number (ISO/IEC 7812 allows 8; no card in use has fewer than 12).
pub const CARD_DIGITS_MIN: usize = 12;
/// The most digits of a card number (ISO/IEC 7812).
pub const CARD_DIGITS_MAX: usize = 19;

/// The usual length, which is read without a loop.
const USUAL_DIGITS: usize = 16;

/// Why a text is not a card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardFault {
    /// Something other than ASCII digits, with blanks and dashes between them.
    #[error("a card number has digits only, blanks and dashes between them allowed")]
    Character,
    /// Too few or too many digits.
    #[error("{found} digits; a card number has 12 to 19")]
    Length {
        /// How many it has.
        found: u32,
    },
    /// The check digit does not fit.
    #[error("the check digit does not fit; look for a mistyped digit")]
    Checksum,
}

/// A card number. It has no `Debug`, `Display` or `Serialize`, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct CardNumber {
    /// ASCII digits from the left, then zero bytes.
    digits: [u8; CARD_DIGITS_MAX],
    length: u8,
}

impl Drop for CardNumber {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

impl CardNumber {
    /// Reads a card number as a file writes it.
    #[inline]
    pub fn parse(text: &[u8]) -> Result<Self, CardFault> {
        if let Ok(usual) = <&[u8; USUAL_DIGITS]>::try_from(text)
            && let Some(is_valid) = passes_luhn_of_16(usual)
        {
            if !is_valid {
                return Err(CardFault::Checksum);
            }
            let mut digits = [0; CARD_DIGITS_MAX];
            if let Some(start) = digits.first_chunk_mut() {
                *start = *usual;
            }
            return Ok(Self {
                digits,
                length: USUAL_DIGITS as u8,
            });
        }
        Self::parse_any(text)
    }

    fn parse_any(text: &[u8]) -> Result<Self, CardFault> {
        let ends_in_digits = text.first().is_some_and(u8::is_ascii_digit)
            && text.last().is_some_and(u8::is_ascii_digit);
        let is_known = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-');
        if !ends_in_digits || !text.iter().all(is_known) {
            return Err(CardFault::Character);
        }
        let mut number = Self {
            digits: [0; CARD_DIGITS_MAX],
            length: 0,
        };
        let mut found = 0_u32;
        let mut places = number.digits.iter_mut();
        for digit in text.iter().filter(|byte| byte.is_ascii_digit()) {
            found = found.saturating_add(1);
            if let Some(place) = places.next() {
                *place = *digit;
            }
        }
        match u8::try_from(found) {
            Ok(length) if (CARD_DIGITS_MIN..=CARD_DIGITS_MAX).contains(&usize::from(length)) => {
                number.length = length;
            }
            _ => return Err(CardFault::Length { found }),
        }
        if !passes_luhn(number.digits()) {
            return Err(CardFault::Checksum);
        }
        Ok(number)
    }

    /// The digits, in ASCII. For the fingerprint and the brand only.
    pub(super) fn digits(&self) -> &[u8] {
        self.digits
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    /// The digits padded with zero bytes: the key of the cache.
    pub(super) const fn padded(&self) -> &[u8; CARD_DIGITS_MAX] {
        &self.digits
    }

    /// The brand, by the issuer's prefix and the length.
    #[must_use]
    pub fn brand(&self) -> Brand {
        Brand::of_digits(self.digits())
    }

    /// The last four digits.
    #[must_use]
    pub fn last4(&self) -> Last4 {
        Last4(self.digits().last_chunk().copied().unwrap_or([b'0'; 4]))
    }
}

/// Whether ASCII digits pass the check of ISO/IEC 7812 (Luhn).
pub(crate) fn passes_luhn(digits: &[u8]) -> bool {
    let sum = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0_u32, |sum, (at, digit)| {
            let digit = u32::from(digit.wrapping_sub(b'0'));
            let doubled = digit * 2;
            sum + match at % 2 {
                0 => digit,
                _ if doubled > 9 => doubled - 9,
                _ => doubled,
            }
        });
    sum.is_multiple_of(10)
}

/// The bytes at even places, which are doubled in a number of even length.
const EVEN_BYTES: u64 = 0x00ff_00ff_00ff_00ff;

/// The check of 16 digits, eight at a time; `None` if they are not all digits.
#[inline]
fn passes_luhn_of_16(text: &[u8; USUAL_DIGITS]) -> Option<bool> {
    let (halves, _) = text.as_chunks::<8>();
    let mut sum = 0;
    for half in halves {
        let digits = u64::from_le_bytes(*half) ^ in_each_byte(b'0');
        let beyond_nine =
            (digits.wrapping_add(in_each_byte(0x80 - 10)) | digits) & in_each_byte(0x80);
        if beyond_nine != 0 {
            return None;
        }
        let doubled = digits & EVEN_BYTES;
        // 1 in each byte whose digit, doubled, has two digits: their sum is 9 less.
        let carries = ((doubled + (in_each_byte(0x80 - 5) & EVEN_BYTES)) >> 7) & in_each_byte(1);
        let summands = digits + doubled - carries * 9;
        sum += summands.wrapping_mul(in_each_byte(1)) >> 56;
    }
    Some(sum.is_multiple_of(10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(text: &str) -> Option<CardFault> {
        CardNumber::parse(text.as_bytes()).err()
    }

    #[test]
    fn numbers_that_are_read() {
        for (text, last4) in [
            ("4242424242424242", "4242"),
            ("4242 4242 4242 4242", "4242"),
            ("4242-4242-4242-4242", "4242"),
            ("3782 822463 10005", "0005"),
            ("4222222222222", "2222"),
            ("6304000000000000", "0000"),
            ("6799998900000099990", "9990"),
            ("424242 - 4242424242", "4242"),
        ] {
            let card = CardNumber::parse(text.as_bytes()).map_err(|fault| fault.to_string());
            assert_eq!(
                card.map(|card| card.last4().to_string()),
                Ok(last4.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        use CardFault::{Character, Checksum, Length};
        for (text, expected) in [
            ("", Character),
            ("4242424242424241", Checksum),
            ("4242 4242 4242 4241", Checksum),
            ("42424242424", Length { found: 11 }),
            ("42424242424242424242", Length { found: 20 }),
            ("4242-4242", Length { found: 8 }),
            ("4242424242424x42", Character),
            ("x242424242424242", Character),
            (" 4242424242424242", Character),
            ("4242424242424242 ", Character),
            ("-4242424242424242", Character),
            ("4242_4242_4242_4242", Character),
            ("4242.4242.4242.4242", Character),
            ("4242\u{a0}4242\u{a0}4242\u{a0}4242", Character),
            ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", Character),
            ("４２４２４２４２４２４２４２４２", Character),
            ("4242********4242", Character),
            ("4.24242E+15", Character),
        ] {
            assert_eq!(fault(text), Some(expected), "{text}");
        }
    }

    /// The check as the standard words it, digit by digit.
    fn reference_luhn(digits: &str) -> bool {
        let mut sum = 0;
        for (at, digit) in digits.chars().rev().enumerate() {
            let digit = digit.to_digit(10).unwrap();
            sum += if at % 2 == 1 {
                (digit * 2) / 10 + (digit * 2) % 10
            } else {
                digit
            };
        }
        sum % 10 == 0
    }

    proptest! {
        #[test]
        fn the_check_is_the_standards(digits in "[0-9]{12,19}") {
            let is_valid = reference_luhn(&digits);
            prop_assert_eq!(passes_luhn(digits.as_bytes()), is_valid);
            prop_assert_eq!(CardNumber::parse(digits.as_bytes()).is_ok(), is_valid);
        }

        #[test]
        fn sixteen_digits_at_once_agree(digits in "[0-9]{16}") {
            let at_once = passes_luhn_of_16(digits.as_bytes().try_into().unwrap());
            prop_assert_eq!(at_once, Some(reference_luhn(&digits)));
        }

        #[test]
        fn sixteen_bytes_that_are_not_all_digits_are_seen(text: [u8; 16]) {
            let all_digits = text.iter().all(u8::is_ascii_digit);
            prop_assert_eq!(passes_luhn_of_16(&text).is_some(), all_digits);
        }

        #[test]
        fn any_bytes_are_read_without_panic(text: Vec<u8>) {
            let _read = CardNumber::parse(&text).is_ok();
        }
    }
}
