//! Cards: the number inside the parser, and what of it may leave: its last four digits, its brand,
//! its fingerprint.
//!
//! A [`CardNumber`] cannot be shown, compared for display or serialised, on purpose.

mod brand;
mod cache;
mod fingerprint;
mod number;

pub use brand::Brand;
pub use cache::{CARDS_AHEAD, FingerprintCache};
pub use fingerprint::{Fingerprint, FingerprintSource, Fingerprinter, KeyId};
pub use number::{CARD_DIGITS_MAX, CARD_DIGITS_MIN, CardFault, CardNumber};

pub(crate) use number::passes_luhn;

use std::fmt;

/// Four ASCII digits: the end of a card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Last4(pub [u8; 4]);

impl Last4 {
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

impl fmt::Display for Last4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

crate::text::text_form!(Last4, "^[0-9]{4}$", "the last 4 digits of a card");
