//! Bytes in letters: no digit, so that no scan for card numbers ever stops at a key or a hash.
//!
//! Two of the sixteen letters of our own ids for each byte, the higher four bits first.

use crate::text::{byte_letters, letters_byte};

/// Two letters for each byte.
#[must_use]
pub fn to_letters(bytes: &[u8]) -> String {
    let letters = bytes.iter().flat_map(|byte| byte_letters(*byte));
    letters.map(char::from).collect()
}

/// The bytes of a text of letters; `None` if it has another length or other letters.
#[must_use]
pub fn from_letters<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = letters_byte(*high, *low)?;
    }
    Some(bytes)
}

/// 32 bytes that serde keeps as letters: `#[serde(with = "...")]`.
pub mod digest {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the letters.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::to_letters(bytes))
    }

    /// Reads the letters.
    ///
    /// # Errors
    /// The deserializer's, or it is another text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        super::from_letters(&text).ok_or_else(|| D::Error::custom("expected 64 letters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_back_and_nothing_else_is() {
        let bytes: Vec<u8> = (0..=255).collect();
        let letters = to_letters(&bytes);
        assert!(letters.bytes().all(|letter| letter.is_ascii_lowercase()));
        assert_eq!(from_letters::<256>(&letters).unwrap().as_slice(), bytes);
        assert_eq!(to_letters(&[0x00, 0x1f]), "bbct");
        for odd in ["b", "bbb", "ba", "bb1b", "BB", "bbbbbb"] {
            assert_eq!(from_letters::<2>(odd), None, "{odd}");
        }
    }
}
