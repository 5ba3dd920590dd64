//! Money in integers: an amount is a count of a currency's minor units.
//!
//! No floats anywhere, and no rounding: an amount that cannot be told exactly in its currency is
//! refused. Conversion between currencies is not here, because nothing in the domain needs it.

mod amount;
mod sum;
mod table;

pub use amount::{AMOUNT_DIGITS_MAX, Amount, AmountFault, Decimal};
pub use sum::Sum;

use std::fmt;
use table::{CURRENCIES, CURRENCY_COUNT, WITHOUT_MINOR_UNITS};

/// The most minor digits that any currency has.
pub const MINOR_DIGITS_MAX: u8 = 4;

/// A currency of ISO 4217, with its number of minor digits.
///
/// In memory an index into the table of the running program; written down it is always the code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(u8);

/// Why a text is not a currency that amounts can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CurrencyFault {
    /// Not in the list of ISO 4217.
    #[error("not a currency code of ISO 4217; write three upper-case letters such as USD")]
    Unknown,
    /// A code in lower or mixed case.
    #[error("a currency code is written in upper case, such as USD")]
    Case,
    /// In the list, without minor units.
    #[error("this code of ISO 4217 has no minor units, so no amount can be told in it")]
    WithoutMinorUnits,
}

const LETTERS: usize = 26;
const NO_CURRENCY: u8 = u8::MAX;

/// Index of a currency by its three letters read as a number of base 26.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated while compiling: a wrong index does not build"
)]
static BY_CODE: [u8; LETTERS * LETTERS * LETTERS] = {
    let mut by_code = [NO_CURRENCY; LETTERS * LETTERS * LETTERS];
    let mut index = 0;
    while index < CURRENCY_COUNT {
        let code = CURRENCIES[index].0.as_bytes();
        let place = ((code[0] - b'A') as usize * LETTERS + (code[1] - b'A') as usize) * LETTERS
            + (code[2] - b'A') as usize;
        by_code[place] = index as u8;
        index += 1;
    }
    by_code
};

/// The index of a code that is known to be in the table, at compile time.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated while compiling: a wrong index does not build"
)]
const fn index_of(code: &str) -> u8 {
    let mut index = 0;
    while index < CURRENCY_COUNT {
        let known = CURRENCIES[index].0.as_bytes();
        let code = code.as_bytes();
        if known[0] == code[0] && known[1] == code[1] && known[2] == code[2] {
            return index as u8;
        }
        index += 1;
    }
    NO_CURRENCY
}

macro_rules! currencies {
    ($($code:ident)+) => {
        impl Currency {
            $(
                #[doc = concat!("The currency `", stringify!($code), "`.")]
                pub const $code: Self = Self(const {
                    let index = index_of(stringify!($code));
                    assert!(index != NO_CURRENCY, "a currency that the table has");
                    index
                });
            )+
        }
    };
}

currencies! {
    AUD BHD BRL CAD CHF CLF CNY CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW KWD MXN MYR NOK NZD PHP
    PLN RON RUB SAR SEK SGD THB TRY TWD USD ZAR
}

impl Currency {
    /// How many currencies there are; [`Currency::index`] is below it.
    pub const COUNT: usize = CURRENCY_COUNT;

    /// Reads a code, in upper case only.
    #[must_use]
    #[inline]
    pub fn from_code(code: &[u8]) -> Option<Self> {
        let letters: [u8; 3] = code.try_into().ok()?;
        let [a, b, c] = letters.map(|letter| usize::from(letter.wrapping_sub(b'A')));
        if a >= LETTERS || b >= LETTERS || c >= LETTERS {
            return None;
        }
        match BY_CODE.get((a * LETTERS + b) * LETTERS + c) {
            None | Some(&NO_CURRENCY) => None,
            Some(&index) => Some(Self(index)),
        }
    }

    /// Reads a code, or says why it is none.
    pub fn read(code: &[u8]) -> Result<Self, CurrencyFault> {
        if let Some(currency) = Self::from_code(code) {
            return Ok(currency);
        }
        let upper: [u8; 3] = code.try_into().map_err(|_| CurrencyFault::Unknown)?;
        let upper = upper.map(|letter| letter.to_ascii_uppercase());
        let is_without = WITHOUT_MINOR_UNITS
            .iter()
            .any(|known| known.as_bytes() == upper);
        if is_without {
            Err(CurrencyFault::WithoutMinorUnits)
        } else if Self::from_code(&upper).is_some() {
            Err(CurrencyFault::Case)
        } else {
            Err(CurrencyFault::Unknown)
        }
    }

    fn parse(code: &[u8]) -> Option<Self> {
        Self::from_code(code)
    }

    /// Every currency, by code.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map(Self).take(CURRENCY_COUNT)
    }

    /// The index in the running program's table: for arrays of [`Currency::COUNT`], never stored.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The alphabetic code.
    #[must_use]
    pub fn code(self) -> &'static str {
        CURRENCIES.get(self.index()).map_or("", |(code, _)| code)
    }

    /// How many decimals an amount has.
    #[must_use]
    pub fn minor_digits(self) -> u8 {
        CURRENCIES
            .get(self.index())
            .map_or(0, |(_, digits)| *digits)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

crate::text::text_form!(Currency, "^[A-Z]{3}$", "a currency code of ISO 4217");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_digits_are_bounded() {
        assert!(CURRENCIES.is_sorted_by(|a, b| a.0 < b.0));
        for currency in Currency::all() {
            assert_eq!(
                Currency::from_code(currency.code().as_bytes()),
                Some(currency)
            );
            assert!(currency.minor_digits() <= MINOR_DIGITS_MAX);
        }
        assert_eq!(Currency::all().count(), Currency::COUNT);
    }

    #[test]
    fn minor_digits_are_those_of_the_standard() {
        for (code, digits) in [
            ("USD", 2),
            ("EUR", 2),
            ("JPY", 0),
            ("ISK", 0),
            ("UGX", 0),
            ("BHD", 3),
            ("TND", 3),
            ("CLF", 4),
            ("UYW", 4),
            ("UYI", 0),
            ("HUF", 2),
            ("MGA", 2),
            ("XCG", 2),
        ] {
            let currency = Currency::from_code(code.as_bytes()).unwrap();
            assert_eq!((currency.code(), currency.minor_digits()), (code, digits));
        }
    }

    #[test]
    fn what_is_no_currency_says_why() {
        use CurrencyFault::{Case, Unknown, WithoutMinorUnits};
        for (code, fault) in [
            ("usd", Case),
            ("Usd", Case),
            ("XAU", WithoutMinorUnits),
            ("XXX", WithoutMinorUnits),
            ("XTS", WithoutMinorUnits),
            ("xdr", WithoutMinorUnits),
            ("", Unknown),
            ("US", Unknown),
            ("USDT", Unknown),
            ("AAA", Unknown),
            ("ZZZ", Unknown),
            ("840", Unknown),
            (" US", Unknown),
            ("DEM", Unknown),
            ("HRK", Unknown),
            ("[[[", Unknown),
        ] {
            assert_eq!(Currency::read(code.as_bytes()), Err(fault), "{code}");
        }
    }

    #[test]
    fn serde_writes_the_code() {
        assert_eq!(serde_json::to_string(&Currency::EUR).unwrap(), "\"EUR\"");
        assert_eq!(
            serde_json::from_str::<Currency>("\"BHD\"").unwrap(),
            Currency::BHD
        );
        let error = serde_json::from_str::<Currency>("\"4111111111111111\"").unwrap_err();
        assert!(!error.to_string().contains("4111"), "{error}");
    }
}
