//! Bytes in letters: no digit, so that no scan for card numbers ever stops at a key or a hash.

use super::ControlError;

/// The letters of the domain's own ids, in the order of the values that they stand for.
const LETTERS: &[u8; 16] = b"bcdfghjklmnpqrst";

/// Two letters for each byte.
#[must_use]
pub fn to_letters(bytes: &[u8]) -> String {
    let letter = |nibble: u8| {
        let letter = LETTERS.get(usize::from(nibble & 0x0f)).copied();
        char::from(letter.unwrap_or(b'b'))
    };
    bytes
        .iter()
        .flat_map(|byte| [letter(byte >> 4), letter(*byte)])
        .collect()
}

/// The bytes of a text of letters; `None` if it has another length or other letters.
pub(super) fn from_letters<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let value = |letter: u8| {
        let place = LETTERS.iter().position(|known| *known == letter)?;
        u8::try_from(place).ok()
    };
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

/// So many random bytes in letters.
///
/// # Errors
/// The system gives none.
pub fn random_letters<const N: usize>() -> Result<String, ControlError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| ControlError::NoRandomness)?;
    Ok(to_letters(&bytes))
}

/// Bytes that are kept as letters.
pub(super) mod serde_letters {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &[u8; 32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::to_letters(bytes))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        super::from_letters(&text).ok_or_else(|| D::Error::custom("expected 64 letters"))
    }
}
