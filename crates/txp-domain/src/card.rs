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

/// Four ASCII digits: the end of a card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Last4(pub [u8; 4]);

crate::text::four_digits!(Last4, "the last 4 digits of a card");
