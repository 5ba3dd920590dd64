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

/// The letter of the low four bits.
pub(crate) fn nibble_letter(nibble: u8) -> u8 {
    NIBBLE_LETTERS
        .get(usize::from(nibble & 0x0f))
        .copied()
        .unwrap_or(b'b')
}

/// The two letters of a byte, the higher four bits first.
pub(crate) fn byte_letters(byte: u8) -> [u8; 2] {
    [nibble_letter(byte >> 4), nibble_letter(byte)]
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
