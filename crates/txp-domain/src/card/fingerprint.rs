//! The fingerprint of a card: HMAC-SHA-256 of its digits under a secret key.
//!
//! The states of HMAC after the key's two blocks are computed once, so that a card costs two
//! compressions. A test holds this to the `hmac` crate.

use super::CardNumber;
use crate::text::{byte_letters, letters_byte};
use sha2::block_api::compress256;
use std::fmt;
use zeroize::Zeroize;

/// HMAC-SHA-256 of a card number under the fingerprint key, cut to 128 bits.
///
/// Pseudonymous, still in PCI scope. Written as 32 letters of an alphabet without digits, in whose
/// order texts compare as the bytes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

/// The letters of a fingerprint.
const FINGERPRINT_LETTERS: usize = 32;

impl Fingerprint {
    /// The 32 letters.
    #[must_use]
    #[inline]
    pub fn letters(&self) -> [u8; 32] {
        let mut letters = [0; FINGERPRINT_LETTERS];
        let (pairs, _) = letters.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            *pair = byte_letters(byte);
        }
        letters
    }

    /// Writes the 32 letters.
    pub fn write_letters(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.letters());
    }

    /// Reads the 32 letters.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let letters: &[u8; FINGERPRINT_LETTERS] = text.try_into().ok()?;
        let (pairs, _) = letters.as_chunks::<2>();
        let mut bytes = [0; 16];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = letters_byte(*high, *low)?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.letters()).unwrap_or_default())
    }
}

crate::text::text_form!(
    Fingerprint,
    "^[bcdfghjklmnpqrst]{32}$",
    "a card's fingerprint of 32 letters"
);

/// Which key a fingerprint was made under: derived from the key, tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_LETTERS]);

/// The letters of a key's id.
const KEY_ID_LETTERS: usize = 8;

impl KeyId {
    /// Reads the eight letters.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let letters: [u8; KEY_ID_LETTERS] = text.try_into().ok()?;
        let (pairs, _) = letters.as_chunks::<2>();
        pairs
            .iter()
            .all(|[high, low]| letters_byte(*high, *low).is_some())
            .then_some(Self(letters))
    }

    /// The eight letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

crate::text::text_form!(
    KeyId,
    "^[bcdfghjklmnpqrst]{8}$",
    "a fingerprint key's id of 8 letters"
);

/// What turns a card number into its fingerprint: a [`Fingerprinter`], or one with a cache.
pub trait FingerprintSource {
    /// The card's fingerprint.
    fn fingerprint(&mut self, card: &CardNumber) -> Fingerprint;
}

const SHA256_BLOCK: usize = 64;

/// The initial state of SHA-256 (FIPS 180-4, 5.3.3).
const SHA256_INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// What HMAC mixes into the key for the inner and the outer hash (FIPS 198-1).
const INNER_PAD: u8 = 0x36;
const OUTER_PAD: u8 = 0x5c;

/// What the key's id is the HMAC of. It has letters, so it is no card number.
const KEY_ID_LABEL: &[u8] = b"fingerprint key id";

/// Makes fingerprints under one key. It has no `Debug`, and its states are wiped when dropped.
#[derive(Clone)]
pub struct Fingerprinter {
    inner: [u32; 8],
    outer: [u32; 8],
    key_id: KeyId,
}

impl Drop for Fingerprinter {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

impl Fingerprinter {
    /// Makes fingerprints under this key.
    #[must_use]
    pub fn new(mut key: [u8; 32]) -> Self {
        let mut made = Self {
            inner: keyed_state(&key, INNER_PAD),
            outer: keyed_state(&key, OUTER_PAD),
            key_id: KeyId([b'b'; KEY_ID_LETTERS]),
        };
        key.zeroize();
        let tag = made.hmac(KEY_ID_LABEL);
        let (pairs, _) = made.key_id.0.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(tag) {
            *pair = byte_letters(byte);
        }
        made
    }

    /// Makes fingerprints under the key that a text holds: 64 hexadecimal digits, blanks around
    /// them ignored. `None` if it holds anything else.
    #[must_use]
    pub fn of_hexadecimal(text: &[u8]) -> Option<Self> {
        let mut key = [0; 32];
        let (pairs, rest) = text.trim_ascii().as_chunks::<2>();
        if pairs.len() != key.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in key.iter_mut().zip(pairs) {
            let digit = |letter: u8| char::from(letter).to_digit(16);
            *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
        }
        let made = Self::new(key);
        key.zeroize();
        Some(made)
    }

    /// The key's id.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The card's fingerprint.
    #[must_use]
    #[inline]
    pub fn fingerprint(&self, card: &CardNumber) -> Fingerprint {
        Fingerprint(self.hmac(card.digits()))
    }

    /// The first 128 bits of HMAC-SHA-256 of a short message.
    #[inline]
    fn hmac(&self, message: &[u8]) -> [u8; 16] {
        let inner = finish(self.inner, message);
        let mut digest = [0; 32];
        let (words, _) = digest.as_chunks_mut::<4>();
        for (bytes, word) in words.iter_mut().zip(inner) {
            *bytes = word.to_be_bytes();
        }
        let outer = finish(self.outer, &digest);
        let mut tag = [0; 16];
        let (words, _) = tag.as_chunks_mut::<4>();
        for (bytes, word) in words.iter_mut().zip(outer) {
            *bytes = word.to_be_bytes();
        }
        tag
    }
}

impl FingerprintSource for Fingerprinter {
    fn fingerprint(&mut self, card: &CardNumber) -> Fingerprint {
        Self::fingerprint(self, card)
    }
}

impl FingerprintSource for &Fingerprinter {
    fn fingerprint(&mut self, card: &CardNumber) -> Fingerprint {
        Fingerprinter::fingerprint(self, card)
    }
}

/// The state of SHA-256 after the block of the key and a pad.
fn keyed_state(key: &[u8; 32], pad: u8) -> [u32; 8] {
    let mut block = [pad; SHA256_BLOCK];
    for (byte, key) in block.iter_mut().zip(key) {
        *byte ^= key;
    }
    let mut state = SHA256_INITIAL;
    compress256(&mut state, &[block]);
    block.zeroize();
    state
}

/// The state after one more and last block: a message of at most 55 bytes, and its padding.
#[inline]
fn finish(mut state: [u32; 8], message: &[u8]) -> [u32; 8] {
    let mut block = [0; SHA256_BLOCK];
    for (place, byte) in block.iter_mut().zip(message.iter().chain(&[0x80])) {
        *place = *byte;
    }
    let bits = (SHA256_BLOCK + message.len()) * 8;
    if let Some(length) = block.last_chunk_mut() {
        *length = (bits as u64).to_be_bytes();
    }
    compress256(&mut state, &[block]);
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;
    use sha2::Sha256;

    fn by_hmac(key: &[u8], message: &[u8]) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message);
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        *tag.first_chunk().unwrap()
    }

    proptest! {
        #[test]
        fn equals_the_hmac_crate(key: [u8; 32], message in prop::collection::vec(any::<u8>(), 0..=55)) {
            prop_assert_eq!(Fingerprinter::new(key).hmac(&message), by_hmac(&key, &message));
        }

        #[test]
        fn letters_are_read_back_and_keep_the_order(a: [u8; 16], b: [u8; 16]) {
            let (a, b) = (Fingerprint(a), Fingerprint(b));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert!(!a.to_string().contains(|c: char| c.is_ascii_digit() || "aeiou".contains(c)));
        }
    }

    #[test]
    fn a_key_is_read_from_64_hexadecimal_digits_and_nothing_else() {
        let digits = "0aF9".repeat(16);
        let read = |text: &str| Fingerprinter::of_hexadecimal(text.as_bytes());
        let expected = Fingerprinter::new([[0x0a, 0xf9]; 16].concat().try_into().unwrap());
        for text in [digits.clone(), format!(" {digits}\n")] {
            assert_eq!(read(&text).unwrap().key_id(), expected.key_id());
        }
        for text in [
            "",
            &digits[1..],
            &digits[2..],
            &format!("{digits}00"),
            &"+f".repeat(32),
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_spelling_changes_nothing_and_a_key_everything() {
        let card = |text: &str| CardNumber::parse(text.as_bytes()).ok().unwrap();
        let one = Fingerprinter::new([1; 32]);
        let two = Fingerprinter::new([2; 32]);
        let plain = card("4242424242424242");
        assert_eq!(
            one.fingerprint(&plain),
            one.fingerprint(&card("4242-4242 42424242"))
        );
        assert_eq!(
            one.fingerprint(&plain).0,
            by_hmac(&[1; 32], b"4242424242424242")
        );
        assert_ne!(one.fingerprint(&plain), two.fingerprint(&plain));
        assert_ne!(one.key_id(), two.key_id());
        assert_eq!(one.key_id().to_string().parse(), Ok(one.key_id()));
    }

    #[test]
    fn other_texts_are_no_fingerprints() {
        let letters = Fingerprint([0x5a; 16]).to_string();
        let other = [
            &letters[1..],
            &format!("{letters}b"),
            &letters.to_uppercase(),
            &letters.replace('h', "a"),
        ];
        for text in other {
            assert_eq!(Fingerprint::parse(text.as_bytes()), None, "{text}");
        }
    }
}
