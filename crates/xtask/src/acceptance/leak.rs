//! Searches bytes for card numbers: the planted ones in any spelling, then whatever looks like one.

use std::collections::HashSet;

const DIGITS_MIN: usize = 12;
const DIGITS_MAX: usize = 19;

/// A text of at least so many hexadecimal digits is a digest: digits inside it are no number.
const DIGEST_LENGTH_MIN: usize = 32;

/// First digits of the issuers' ranges. Wider than they are: a false hit is looked at, a missed
/// leak is not.
const ISSUERS: &[&[u8]] = &[
    b"1800", b"2131", b"22", b"23", b"24", b"25", b"26", b"27", b"30", b"34", b"35", b"36", b"37",
    b"38", b"39", b"4", b"50", b"51", b"52", b"53", b"54", b"55", b"56", b"57", b"58", b"60",
    b"62", b"63", b"64", b"65", b"67", b"81",
];

/// Card numbers that went in.
#[derive(Default)]
pub(super) struct Known(HashSet<Vec<u8>>);

impl Known {
    pub(super) fn add(&mut self, number: &str) {
        let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
        if digits.len() >= DIGITS_MIN {
            self.0.insert(digits);
        }
    }
}

/// What was found where; the number itself is not repeated.
pub(super) fn search(name: &str, bytes: &[u8], known: &Known) -> Vec<String> {
    let mut found = Vec::new();
    for (line, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if text.iter().filter(|byte| byte.is_ascii_digit()).count() < DIGITS_MIN {
            continue;
        }
        if holds_known(text, known) {
            found.push(format!(
                "{name}, line {}: holds a card number that went in",
                line + 1
            ));
        } else if looks_like_card(text) {
            found.push(format!(
                "{name}, line {}: holds a run of digits that may be a card number",
                line + 1
            ));
        }
    }
    found
}

/// Whether neighbouring groups of digits, separators taken out, hold a planted number anywhere.
fn holds_known(text: &[u8], known: &Known) -> bool {
    let mut digits = Vec::new();
    for byte in text.iter().chain(b"|") {
        match byte {
            b'0'..=b'9' => digits.push(*byte),
            b' ' | b'-' | b'_' | b'.' | b':' | b'/' => {}
            // Half of a no-break blank in UTF-8.
            0xc2 | 0xa0 => {}
            _ => {
                if windows(&digits, known) {
                    return true;
                }
                digits.clear();
            }
        }
    }
    false
}

fn windows(digits: &[u8], known: &Known) -> bool {
    (DIGITS_MIN..=DIGITS_MAX).any(|length| {
        digits
            .windows(length)
            .any(|window| known.0.contains(window))
    })
}

/// Whether a maximal run of digits is a Luhn-valid number with an issuer's first digits.
fn looks_like_card(text: &[u8]) -> bool {
    text.split(|byte| !byte.is_ascii_hexdigit())
        .filter(|word| word.len() < DIGEST_LENGTH_MIN)
        .flat_map(|word| word.split(|byte| !byte.is_ascii_digit()))
        .any(|run| {
            (DIGITS_MIN..=DIGITS_MAX).contains(&run.len())
                && ISSUERS.iter().any(|issuer| run.starts_with(issuer))
                && luhn(run)
        })
}

/// Whether the check digit is right.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, byte)| {
            let digit = u32::from(byte.saturating_sub(b'0'));
            if index % 2 == 0 {
                digit
            } else {
                digit * 2 / 10 + digit * 2 % 10
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_numbers_are_found_in_any_spelling() {
        let mut known = Known::default();
        known.add("4111 1111 1111 1111");
        for (text, expected) in [
            ("x 4111111111111111 y", 1),
            ("4111-1111-1111-1111", 1),
            ("4111.1111/1111:1111", 1),
            ("order-94111111111111111", 1),
            ("4111 1111\u{a0}1111 1111", 1),
            ("4111,1111,1111,1111", 0),
            ("5555555555554444", 1),
            ("5555555555554445", 0),
            ("last4 1111, 2025-11-22T10:11:12.123456789Z", 0),
            ("e3b0c44298fc1c149afb5555555555554444a", 0),
        ] {
            assert_eq!(
                search("text", text.as_bytes(), &known).len(),
                expected,
                "{text}"
            );
        }
    }
}
