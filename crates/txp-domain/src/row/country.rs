//! ISO 3166-1 alpha-2: the 249 codes officially assigned.
//!
//! Codes reserved or left to users (`EU`, `UK`, `XK`, `ZZ`) are not in the standard's list and are
//! refused.

use std::fmt;

/// A country by its two upper-case letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// The second letters that are assigned, by first letter from A to Z.
const SECOND_LETTERS: [&[u8]; 26] = [
    b"DEFGILMOQRSTUWXZ",
    b"ABDEFGHIJLMNOQRSTVWYZ",
    b"ACDFGHIKLMNORUVWXYZ",
    b"EJKMOZ",
    b"CEGHRST",
    b"IJKMOR",
    b"ABDEFGHILMNPQRSTUWY",
    b"KMNRTU",
    b"DELMNOQRST",
    b"EMOP",
    b"EGHIMNPRWYZ",
    b"ABCIKRSTUVY",
    b"ACDEFGHKLMNOPQRSTUVWXYZ",
    b"ACEFGILOPRUZ",
    b"M",
    b"AEFGHKLMNRSTWY",
    b"A",
    b"EOSUW",
    b"ABCDEGHIJKLMNORSTVXYZ",
    b"CDFGHJKLMNORTVWZ",
    b"AGMSYZ",
    b"ACEGINU",
    b"FS",
    b"",
    b"ET",
    b"AMW",
];

/// [`SECOND_LETTERS`] as one set of bits for each first letter.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated while compiling: a wrong index does not build"
)]
const ASSIGNED: [u32; 26] = {
    let mut sets = [0_u32; 26];
    let mut first = 0;
    while first < SECOND_LETTERS.len() {
        let seconds = SECOND_LETTERS[first];
        let mut at = 0;
        while at < seconds.len() {
            sets[first] |= 1 << (seconds[at] - b'A');
            at += 1;
        }
        first += 1;
    }
    sets
};

impl Country {
    /// Reads a code, in upper case only.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let code: [u8; 2] = text.try_into().ok()?;
        let [first, second] = code.map(|letter| letter.wrapping_sub(b'A'));
        let seconds = ASSIGNED.get(usize::from(first))?;
        (second < 26 && seconds >> second & 1 == 1).then_some(Self(code))
    }

    /// The two letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

crate::text::text_form!(
    Country,
    "^[A-Z]{2}$",
    "a country code of ISO 3166-1 alpha-2"
);

#[cfg(test)]
mod tests {
    use super::*;

    /// How many codes are assigned.
    const COUNTRY_COUNT: usize = 249;

    #[test]
    fn the_table_holds_the_assigned_codes() {
        let letters = b'A'..=b'Z';
        let known = letters
            .clone()
            .flat_map(|first| letters.clone().map(move |second| [first, second]))
            .filter(|code| Country::parse(code).is_some())
            .count();
        assert_eq!(known, COUNTRY_COUNT);
        for code in ["US", "DE", "AX", "ZW", "SS", "BQ"] {
            assert_eq!(Country::parse(code.as_bytes()).unwrap().to_string(), code);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for code in [
            "", "U", "us", "Us", "USA", "UK", "EU", "XK", "ZZ", "AA", "U1", " US", "AN",
        ] {
            assert_eq!(Country::parse(code.as_bytes()), None, "{code}");
        }
    }
}
