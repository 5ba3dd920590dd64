//! The search for card numbers in values that passed their own rules.
//!
//! In an identifier the digits stand in groups, between separators (`_ - . :`); a letter ends the
//! stretch. Every run of whole neighbouring groups is considered, leading zeros left off, because a
//! card number padded with zeros is still one and no issuer's prefix begins with a zero. Inside a
//! group nothing is cut out: one window in ten of any long number passes the check digit, so that
//! would refuse nearly every long number, and what leaves us is scanned by whole runs of digits.

use crate::card::{Brand, CARD_DIGITS_MAX, CARD_DIGITS_MIN, passes_luhn};

/// Digits without leading zeros, as many as a card number has at most.
struct Digits {
    buffer: [u8; CARD_DIGITS_MAX],
    length: usize,
}

impl Digits {
    const fn new() -> Self {
        Self {
            buffer: [0; CARD_DIGITS_MAX],
            length: 0,
        }
    }

    /// Adds digits; `None` once there are more than a card number has.
    fn extend(&mut self, digits: impl Iterator<Item = u8>) -> Option<()> {
        for digit in digits {
            if self.length == 0 && digit == b'0' {
                continue;
            }
            *self.buffer.get_mut(self.length)? = digit;
            self.length += 1;
        }
        Some(())
    }

    /// Whether they are a card number with an issuer's prefix.
    fn are_card_number(&self) -> bool {
        let digits = self.buffer.get(..self.length).unwrap_or_default();
        digits.len() >= CARD_DIGITS_MIN
            && Brand::of_digits(digits) != Brand::Unknown
            && passes_luhn(digits)
    }
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'_' | b'-' | b'.' | b':')
}

/// Whether some stretch of neighbouring digit groups is a card number with an issuer's prefix.
#[must_use]
pub fn holds_card_number(identifier: &[u8]) -> bool {
    let digits = identifier
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .count();
    digits >= CARD_DIGITS_MIN
        && identifier
            .split(|byte| !byte.is_ascii_digit() && !is_separator(*byte))
            .any(stretch_holds_card_number)
}

fn stretch_holds_card_number(stretch: &[u8]) -> bool {
    let mut groups = stretch
        .split(|byte| is_separator(*byte))
        .filter(|group| !group.is_empty());
    loop {
        let mut run = Digits::new();
        for group in groups.clone() {
            if run.extend(group.iter().copied()).is_none() {
                break;
            }
            if run.are_card_number() {
                return true;
            }
        }
        if groups.next().is_none() {
            return false;
        }
    }
}

/// Whether the digits of an amount, with or without its decimals, are a card number with an
/// issuer's prefix.
#[must_use]
pub fn digits_hold_card_number(amount: &[u8]) -> bool {
    let whole = amount
        .split(|byte| *byte == b'.')
        .next()
        .unwrap_or_default();
    [amount, whole].into_iter().any(|text| {
        let mut digits = Digits::new();
        let fits = digits.extend(text.iter().copied().filter(u8::is_ascii_digit));
        fits.is_some() && digits.are_card_number()
    })
}

/// The least number that has as many digits as a card.
const CARD_NUMBER_MIN: u64 = 10_u64.pow(CARD_DIGITS_MIN as u32 - 1);

/// Whether a number, written in decimal, is a card number with an issuer's prefix.
#[inline]
pub(crate) fn is_card_number(number: u64) -> bool {
    number >= CARD_NUMBER_MIN && is_card_number_of_12(number)
}

#[cold]
fn is_card_number_of_12(number: u64) -> bool {
    let mut unit = 10_u64.pow(CARD_DIGITS_MAX as u32);
    let mut digits = Digits::new();
    let fits = digits.extend(std::iter::from_fn(|| {
        unit = (unit > 0).then_some(unit)?;
        // A digit fits a byte.
        let digit = b'0' + (number / unit % 10) as u8;
        unit /= 10;
        Some(digit)
    }));
    fits.is_some() && digits.are_card_number()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn card_numbers_in_identifiers_are_found() {
        for text in [
            "4242424242424242",
            "4242-4242-4242-4242",
            "4242_4242.4242:4242",
            "tx-4242424242424242",
            "tx4242424242424242",
            "4242424242424242-1",
            "1-4242424242424242",
            "a1.4242--4242-4242-4242.9",
            "order-378282246310005-x",
            "0004242424242424242",
            "0-4242-4242-4242-4242",
            "6799998900000099990",
            "4222222222222",
        ] {
            assert!(holds_card_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn other_identifiers_are_left_alone() {
        for text in [
            "",
            "a",
            "4242",
            "42424242424",
            "4242424242424241",
            "4242x4242x4242x4242",
            "99999999999999999999",
            "42424242424242420000000000",
            "2026-11-22-19-59-03",
            "20261122195903",
            "1795478343021",
            "bcdfghjklmnp",
            "550e8400-e29b-41d4-a716-446655440000",
            // Valid check digits in no issuer's range.
            "1111111111111117",
            "9999999999999995",
        ] {
            assert!(!holds_card_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn card_numbers_as_amounts_are_found() {
        for (text, expected) in [
            ("4222222222222", true),
            ("42222222222.22", true),
            ("4222222222222.00", true),
            ("004222222222222", true),
            ("378282246310005", true),
            ("4242424242424242", true),
            ("12.30", false),
            ("422222222222", false),
            ("999999999999999", false),
            ("", false),
            (".", false),
        ] {
            assert_eq!(digits_hold_card_number(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_scanned_as_its_digits_are(number: u64) {
            let text = number.to_string();
            prop_assert_eq!(is_card_number(number), text.len() <= 19 && digits_hold_card_number(text.as_bytes()));
        }

        #[test]
        fn every_valid_number_of_an_issuer_is_found_wherever_groups_are_cut(
            prefix in "(4[0-9]{14}|5[1-5][0-9]{13}|6011[0-9]{11})", cuts in prop::collection::btree_set(1_usize..16, 0..5)
        ) {
            let check = (b'0'..=b'9').find(|check| passes_luhn(&[prefix.as_bytes(), &[*check]].concat())).unwrap();
            let number = format!("{prefix}{}", char::from(check));
            let spelled: String = number.char_indices().flat_map(|(at, c)| {
                cuts.contains(&at).then_some('-').into_iter().chain([c])
            }).collect();
            let attached = format!("x{spelled}");
            prop_assert!(holds_card_number(attached.as_bytes()), "{}", attached);
            let padded = format!("7-{spelled}-7");
            prop_assert!(holds_card_number(padded.as_bytes()), "{}", padded);
        }

        #[test]
        fn any_bytes_are_scanned_without_panic(text: Vec<u8>) {
            let _found = holds_card_number(&text) | digits_hold_card_number(&text);
        }
    }
}
