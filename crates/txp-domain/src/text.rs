//! How a value that is written as text enters and leaves serde and JSON Schema.
//!
//! One macro, so that every such type behaves alike: written by its `Display`, read by its own
//! `parse` from bytes, and an error that names the form wanted but never echoes what was read.

/// Implements `Serialize`, `Deserialize`, `FromStr` and `JsonSchema` for a type that has `Display`
/// and `parse(&[u8]) -> Option<Self>`.
macro_rules! text_form {
    ($type:ident, $pattern:expr, $expected:expr) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        $type::parse(text.as_bytes())
                            .ok_or_else(|| E::custom(concat!("expected ", $expected)))
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::text::WrongForm;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text.as_bytes()).ok_or($crate::text::WrongForm {
                    expected: $expected,
                })
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

pub(crate) use text_form;

/// Implements `parse`, `as_str` and `Display`, and the text form, for a type around `[u8; 4]` of digits.
macro_rules! four_digits {
    ($type:ident, $expected:expr) => {
        impl $type {
            /// Reads four digits.
            #[must_use]
            pub fn parse(text: &[u8]) -> Option<Self> {
                let digits: [u8; 4] = text.try_into().ok()?;
                digits
                    .iter()
                    .all(u8::is_ascii_digit)
                    .then_some(Self(digits))
            }

            /// The four digits.
            #[must_use]
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        $crate::text::text_form!($type, "^[0-9]{4}$", $expected);
    };
}

pub(crate) use four_digits;

/// A text that is not of the form that its type is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct WrongForm {
    /// The form wanted, in words.
    pub expected: &'static str,
}

/// The sixteen letters that stand for the values of four bits: no digit, so that a value written in
/// them never looks like a card number, and no vowel, so that it spells nothing. In ascending
/// order, so that the order of texts is the order of the bytes they stand for.
pub(crate) const NIBBLE_LETTERS: [u8; 16] = *b"bcdfghjklmnpqrst";

/// The two letters of each byte.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated while compiling: a wrong index does not build"
)]
static BYTE_LETTERS: [[u8; 2]; 256] = {
    let mut letters = [[0; 2]; 256];
    let mut byte = 0;
    while byte < letters.len() {
        letters[byte] = [NIBBLE_LETTERS[byte >> 4], NIBBLE_LETTERS[byte & 0x0f]];
        byte += 1;
    }
    letters
};

/// The two letters of a byte, the higher four bits first.
#[inline(always)]
pub(crate) fn byte_letters(byte: u8) -> [u8; 2] {
    BYTE_LETTERS
        .get(usize::from(byte))
        .copied()
        .unwrap_or_default()
}

/// The four bits that a letter stands for.
pub(crate) fn letter_nibble(letter: u8) -> Option<u8> {
    let place = NIBBLE_LETTERS.iter().position(|known| *known == letter)?;
    u8::try_from(place).ok()
}

/// The byte that two letters stand for.
pub(crate) fn letters_byte(high: u8, low: u8) -> Option<u8> {
    Some(letter_nibble(high)? << 4 | letter_nibble(low)?)
}

/// The most digits of a 64-bit number.
pub(crate) const DECIMAL_DIGITS_MAX: usize = 20;

/// The numbers from 0 to 99 in two digits each.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated while compiling: a wrong index does not build"
)]
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut n = 0;
    while n < pairs.len() {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// The last two digits of a number.
#[inline(always)]
pub(crate) fn two_digits(n: u32) -> [u8; 2] {
    PAIRS.get((n % 100) as usize).copied().unwrap_or_default()
}

/// A number in decimal, at the end of zeros, and where it starts: two digits at a time.
#[inline]
pub(crate) fn decimal(mut n: u64) -> ([u8; DECIMAL_DIGITS_MAX], usize) {
    let mut digits = [b'0'; DECIMAL_DIGITS_MAX];
    let mut start = DECIMAL_DIGITS_MAX;
    let (pairs, _) = digits.as_chunks_mut::<2>();
    for pair in pairs.iter_mut().rev() {
        // The remainder of a hundred fits.
        *pair = two_digits((n % 100) as u32);
        start -= if n < 10 { 1 } else { 2 };
        n /= 100;
        if n == 0 {
            break;
        }
    }
    (digits, start)
}

/// Each byte of a word set to the same value.
pub(crate) const fn in_each_byte(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Numbers below this have at most eight digits.
pub(crate) const EIGHT_DIGITS: u64 = 100_000_000;

/// The eight digits of a number below [`EIGHT_DIGITS`], the first in the lowest byte. All in one
/// register: digits that are stored one by one and then copied together make a processor wait.
#[inline(always)]
pub(crate) const fn eight_digits(n: u64) -> u64 {
    let fours = (n / 10_000) | ((n % 10_000) << 32);
    // In each half: divided by 100, by a multiplication that is exact below 10,000.
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    // In each quarter: divided by 10, exact below 100.
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    (tens | (pairs - tens * 10) << 8) | 0x3030_3030_3030_3030
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn eight_digits_of_every_four() {
        for n in 0..10_000 {
            for n in [n, n * 10_000, n * 10_001, 99_990_000 + n] {
                assert_eq!(eight_digits(n).to_le_bytes(), format!("{n:08}").as_bytes());
            }
        }
    }

    proptest! {
        #[test]
        fn decimals_are_those_of_the_formatter(n: u64, shift in 0_u32..64) {
            for n in [n >> shift, shift.into(), u64::MAX >> shift] {
                let (digits, start) = decimal(n);
                let expected = n.to_string();
                prop_assert_eq!(&digits[start..], expected.as_bytes());
                prop_assert!(digits[..start].iter().all(|digit| *digit == b'0'));
            }
        }
    }
}
