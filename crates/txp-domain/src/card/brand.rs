//! Brands by the prefixes that issuers publish.
//!
//! Ranges overlap (Elo lies inside Visa, Discover and Maestro): the more specific prefix wins, and
//! a range counts only at its own lengths. Brands that are not in our list (Troy, Verve, Naranja,
//! Cartes Bancaires, Dankort) carry the brand of the network whose range they lie in. 51 to 55 is
//! Mastercard's, whatever a debit card there was once sold as.

use serde::{Deserialize, Serialize};

/// A card's brand, by its issuer's prefix.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
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

/// Ranges are told by this many leading digits.
const PREFIX_DIGITS: usize = 8;

/// A range of numbers of one brand.
struct Range {
    /// The lowest and the highest prefix, as numbers of [`PREFIX_DIGITS`] digits.
    from: u32,
    to: u32,
    /// Bit `n` is set where numbers of `n` digits exist.
    lengths: u32,
    brand: Brand,
}

/// A range of prefixes of `digits` digits.
const fn range(digits: usize, from: u32, to: u32, lengths: u32, brand: Brand) -> Range {
    let mut unit = 1;
    let mut missing = PREFIX_DIGITS - digits;
    while missing > 0 {
        unit *= 10;
        missing -= 1;
    }
    Range {
        from: from * unit,
        to: to * unit + (unit - 1),
        lengths,
        brand,
    }
}

/// The lengths from `from` to `to`.
const fn lengths(from: u32, to: u32) -> u32 {
    ((1 << (to + 1)) - 1) & !((1 << from) - 1)
}

const L16: u32 = lengths(16, 16);
const VISA: u32 = lengths(13, 13) | L16 | lengths(18, 19);
const MAESTRO: u32 = lengths(12, 19);
const UNIONPAY: u32 = lengths(14, 19);
const DINERS: u32 = lengths(14, 19);
const DISCOVER: u32 = lengths(16, 19);

use Brand::{
    Amex, Diners, Discover, Elo, Hiper, Hipercard, Jcb, Maestro, Mastercard, Mir, Unionpay, Visa,
};

/// The ranges by first digit, the more specific first.
#[rustfmt::skip]
const RANGES: [&[Range]; 10] = [
    &[],
    &[
        range(4, 1800, 1800, lengths(15, 19), Jcb),
    ],
    &[
        range(4, 2131, 2131, lengths(15, 19), Jcb),
        range(4, 2200, 2204, lengths(16, 19), Mir),
        range(4, 2221, 2720, L16, Mastercard),
    ],
    &[
        range(4, 3088, 3094, L16, Jcb),
        range(4, 3095, 3095, DINERS, Diners),
        range(4, 3096, 3102, L16, Jcb),
        range(4, 3112, 3120, L16, Jcb),
        range(4, 3158, 3159, L16, Jcb),
        range(4, 3337, 3349, L16, Jcb),
        range(4, 3528, 3589, lengths(16, 19), Jcb),
        range(3, 300, 305, DINERS, Diners),
        range(2, 34, 34, lengths(15, 15), Amex),
        range(2, 37, 37, lengths(15, 15), Amex),
        range(2, 36, 36, DINERS, Diners),
        range(2, 38, 39, DINERS, Diners),
    ],
    &[
        range(6, 401178, 401179, L16, Elo),
        range(6, 431274, 431274, L16, Elo),
        range(6, 438935, 438935, L16, Elo),
        range(6, 451416, 451416, L16, Elo),
        range(6, 457393, 457393, L16, Elo),
        range(6, 457631, 457632, L16, Elo),
        range(6, 493698, 493698, MAESTRO, Maestro),
        range(1, 4, 4, VISA, Visa),
    ],
    &[
        range(6, 504175, 504175, L16, Elo),
        range(6, 506699, 506778, L16, Elo),
        range(3, 509, 509, L16, Elo),
        range(3, 500, 508, MAESTRO, Maestro),
        range(2, 51, 55, L16, Mastercard),
        range(2, 56, 59, MAESTRO, Maestro),
    ],
    &[
        range(8, 63737423, 63737423, L16, Hiper),
        range(8, 63743358, 63743358, L16, Hiper),
        range(6, 606282, 606282, L16, Hipercard),
        range(6, 627780, 627780, L16, Elo),
        range(6, 636297, 636297, L16, Elo),
        range(6, 636368, 636368, L16, Elo),
        range(6, 637095, 637095, L16, Hiper),
        range(6, 637568, 637568, L16, Hiper),
        range(6, 637599, 637599, L16, Hiper),
        range(6, 637609, 637609, L16, Hiper),
        range(6, 637612, 637612, L16, Hiper),
        range(6, 650031, 650033, L16, Elo),
        range(6, 650035, 650051, L16, Elo),
        range(6, 650405, 650439, L16, Elo),
        range(6, 650485, 650538, L16, Elo),
        range(6, 650541, 650598, L16, Elo),
        range(6, 650700, 650718, L16, Elo),
        range(6, 650720, 650727, L16, Elo),
        range(6, 650901, 650978, L16, Elo),
        range(6, 651652, 651679, L16, Elo),
        range(6, 655000, 655019, L16, Elo),
        range(6, 655021, 655058, L16, Elo),
        range(4, 6011, 6011, DISCOVER, Discover),
        range(3, 644, 649, DISCOVER, Discover),
        range(2, 62, 62, UNIONPAY, Unionpay),
        range(2, 65, 65, DISCOVER, Discover),
        range(1, 6, 6, MAESTRO, Maestro),
    ],
    &[],
    &[
        range(4, 8100, 8171, UNIONPAY, Unionpay),
    ],
    &[],
];

impl Brand {
    /// Every brand.
    pub const ALL: [Self; 13] = [
        Self::Unknown,
        Visa,
        Mastercard,
        Amex,
        Discover,
        Diners,
        Jcb,
        Unionpay,
        Maestro,
        Elo,
        Mir,
        Hiper,
        Hipercard,
    ];

    /// The name in events and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Visa => "visa",
            Mastercard => "mastercard",
            Amex => "amex",
            Discover => "discover",
            Diners => "diners",
            Jcb => "jcb",
            Unionpay => "unionpay",
            Maestro => "maestro",
            Elo => "elo",
            Mir => "mir",
            Hiper => "hiper",
            Hipercard => "hipercard",
        }
    }

    /// The brand of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|brand| brand.name() == name)
    }

    /// The brand of a number of ASCII digits, by prefix and length.
    #[must_use]
    #[inline]
    pub(crate) fn of_digits(digits: &[u8]) -> Self {
        let Some(prefix) = digits.first_chunk::<PREFIX_DIGITS>() else {
            return Self::Unknown;
        };
        let [first, ..] = prefix.map(|digit| digit.wrapping_sub(b'0'));
        let number = prefix
            .iter()
            .fold(0_u32, |number, digit| number * 10 + u32::from(digit & 0x0f));
        let length = 1_u32.checked_shl(u32::try_from(digits.len()).unwrap_or(u32::MAX));
        let length = length.unwrap_or(0);
        RANGES
            .get(usize::from(first))
            .into_iter()
            .copied()
            .flatten()
            .find(|range| range.from <= number && number <= range.to && range.lengths & length != 0)
            .map_or(Self::Unknown, |range| range.brand)
    }
}

#[cfg(test)]
mod tests;
