//! What of a card number may leave the parser: its last four digits, its brand, its fingerprint.

/// A card's brand, by its issuer's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Brand {
    /// In no issuer's range that we know.
    Unknown = 0,
    /// Visa
    Visa = 1,
    /// Mastercard
    Mastercard = 2,
    /// American Express
    Amex = 3,
    /// Discover
    Discover = 4,
    /// Diners Club
    Diners = 5,
    /// JCB
    Jcb = 6,
    /// UnionPay
    Unionpay = 7,
    /// Maestro
    Maestro = 8,
    /// Elo
    Elo = 9,
    /// Mir
    Mir = 10,
    /// Hiper
    Hiper = 11,
    /// Hipercard
    Hipercard = 12,
}

/// HMAC-SHA-256 of a card number under the fingerprint key, cut to 128 bits.
///
/// Pseudonymous, still in PCI scope. Written as 32 letters of an alphabet without digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

/// Four ASCII digits: the end of a card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Last4(pub [u8; 4]);
