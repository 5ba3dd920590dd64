//! An amount: how a file writes it, and how we do.
//!
//! A file writes it loosely (`12`, `12.3`, `0012.30`); we write it with exactly the currency's
//! minor digits. The two forms have readers of their own: the file's is bounded by
//! [`AMOUNT_DIGITS_MAX`] as it stands, ours must give back whatever we wrote.

use super::Currency;

/// The most digits of an amount in a file, decimals included, leading zeros not (design, the file).
/// With the most minor digits it stays below `u64::MAX`: 10^15 * 10^4 < 1.8 * 10^19.
pub const AMOUNT_DIGITS_MAX: u32 = 15;

/// An amount in minor units (cents, yen, fils).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub u64);

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountFault {
    /// Not digits, with a dot and digits after them.
    #[error("not a plain decimal number; write digits such as 12.30")]
    Format,
    /// A `+` or `-` before it.
    #[error("an amount has no sign; leave it out")]
    Sign,
    /// An exponent after it.
    #[error("an amount has no exponent; write the number out")]
    Exponent,
    /// A comma, blank, apostrophe or underscore in it.
    #[error("an amount has no grouping; write digits and a dot only")]
    Grouping,
    /// More decimals than the currency's minor digits.
    #[error("{found} decimals are more than the currency has; leave them out")]
    Decimals {
        /// How many it has.
        found: u32,
    },
    /// More than [`AMOUNT_DIGITS_MAX`] digits.
    #[error("{found} digits are too many; an amount has at most 15")]
    TooManyDigits {
        /// How many it has, leading zeros not counted.
        found: u32,
    },
}

/// A plain decimal number of at most [`AMOUNT_DIGITS_MAX`] digits, before its currency is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: u64,
    decimals: u32,
}

impl Decimal {
    /// Reads `[0-9]+(\.[0-9]+)?`, leading zeros allowed.
    #[inline]
    pub fn parse(text: &[u8]) -> Result<Self, AmountFault> {
        let mut digits = 0_u64;
        let mut dot = None;
        for (at, byte) in text.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                // A number beyond 64 bits has too many digits, which are counted below.
                digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
            } else if *byte == b'.' && dot.is_none() && at > 0 {
                dot = Some(at);
            } else {
                return Err(fault_of(text));
            }
        }
        let decimals = match dot {
            None => 0,
            Some(at) => text.len().saturating_sub(at + 1),
        };
        if text.is_empty() || (dot.is_some() && decimals == 0) {
            return Err(AmountFault::Format);
        }
        if text.len() > AMOUNT_DIGITS_MAX as usize {
            check_digit_count(text)?;
        }
        Ok(Self {
            digits,
            decimals: u32::try_from(decimals).unwrap_or(u32::MAX),
        })
    }

    /// All its digits as one number, the dot left out.
    #[must_use]
    pub const fn digits(self) -> u64 {
        self.digits
    }

    /// What is before the dot.
    #[must_use]
    pub const fn whole(self) -> u64 {
        match 10_u64.checked_pow(self.decimals) {
            Some(unit) => self.digits / unit,
            None => 0,
        }
    }

    /// The number as an amount, if the currency has that many decimals.
    #[inline]
    pub fn in_currency(self, currency: Currency) -> Result<Amount, AmountFault> {
        let too_many = AmountFault::Decimals {
            found: self.decimals,
        };
        let missing = u32::from(currency.minor_digits())
            .checked_sub(self.decimals)
            .ok_or(too_many)?;
        // At most 15 digits and 4 more: this cannot overflow, and is checked all the same.
        10_u64
            .checked_pow(missing)
            .and_then(|scale| self.digits.checked_mul(scale))
            .map(Amount)
            .ok_or(AmountFault::TooManyDigits {
                found: AMOUNT_DIGITS_MAX + missing,
            })
    }
}

fn check_digit_count(text: &[u8]) -> Result<(), AmountFault> {
    let mut counted = text
        .iter()
        .skip_while(|byte| **byte == b'0')
        .filter(|byte| byte.is_ascii_digit());
    let found = u32::try_from(counted.by_ref().count()).unwrap_or(u32::MAX);
    if found > AMOUNT_DIGITS_MAX {
        return Err(AmountFault::TooManyDigits { found });
    }
    Ok(())
}

/// What is wrong with a text that is no plain decimal number.
#[cold]
fn fault_of(text: &[u8]) -> AmountFault {
    let has_digit = text.iter().any(u8::is_ascii_digit);
    match text {
        _ if !has_digit => AmountFault::Format,
        [b'+' | b'-', ..] => AmountFault::Sign,
        _ if is_exponent_form(text) => AmountFault::Exponent,
        _ if is_grouped_form(text) => AmountFault::Grouping,
        _ => AmountFault::Format,
    }
}

fn is_exponent_form(text: &[u8]) -> bool {
    let is_known =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let exponents = text
        .iter()
        .filter(|byte| matches!(byte, b'e' | b'E'))
        .count();
    exponents == 1 && text.iter().all(is_known)
}

fn is_grouped_form(text: &[u8]) -> bool {
    // The no-break blanks that spreadsheets group with are two or three bytes of UTF-8.
    let is_mark = |byte: &u8| matches!(byte, b',' | b'.' | b' ' | b'\'' | b'_') || !byte.is_ascii();
    let is_known = |byte: &u8| byte.is_ascii_digit() || is_mark(byte);
    text.first().is_some_and(u8::is_ascii_digit)
        && text.last().is_some_and(u8::is_ascii_digit)
        && text.iter().all(is_known)
}

impl Amount {
    /// Reads an amount as a file writes it.
    pub fn parse(text: &[u8], currency: Currency) -> Result<Self, AmountFault> {
        Decimal::parse(text)?.in_currency(currency)
    }

    /// Writes the amount with exactly the currency's minor digits.
    pub fn write_decimal(self, currency: Currency, out: &mut Vec<u8>) {
        write_units(u128::from(self.0), currency, out);
    }

    /// Reads what [`Amount::write_decimal`] writes, and nothing else.
    #[must_use]
    pub fn parse_decimal(text: &[u8], currency: Currency) -> Option<Self> {
        u64::try_from(parse_units(text, currency)?).ok().map(Self)
    }
}

/// The most digits of a 128-bit number.
const UNITS_DIGITS_MAX: usize = 39;

/// Writes minor units with the currency's decimals.
pub(super) fn write_units(units: u128, currency: Currency, out: &mut Vec<u8>) {
    let decimals = usize::from(currency.minor_digits());
    let mut buffer = [b'0'; UNITS_DIGITS_MAX + 1];
    let mut rest = units;
    let mut length = 0;
    for place in buffer.iter_mut().rev() {
        if rest == 0 && length > decimals {
            break;
        }
        // The remainder of ten fits a byte.
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        length += 1;
    }
    let written = buffer.split_at(buffer.len() - length).1;
    let (whole, fraction) = written.split_at(length - decimals);
    out.extend_from_slice(whole);
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

/// Reads minor units in the form of [`write_units`].
pub(super) fn parse_units(text: &[u8], currency: Currency) -> Option<u128> {
    let decimals = usize::from(currency.minor_digits());
    let (whole, fraction) = match decimals {
        0 => (text, [].as_slice()),
        _ => {
            let (whole, rest) = text.split_at_checked(text.len().checked_sub(decimals + 1)?)?;
            (whole, rest.strip_prefix(b".")?)
        }
    };
    if matches!(whole, [] | [b'0', _, ..]) {
        return None;
    }
    whole
        .iter()
        .chain(fraction)
        .try_fold(0_u128, |units, byte| {
            let digit = byte.is_ascii_digit().then(|| u128::from(byte - b'0'))?;
            units.checked_mul(10)?.checked_add(digit)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usd(text: &str) -> Result<u64, AmountFault> {
        Amount::parse(text.as_bytes(), Currency::USD).map(|amount| amount.0)
    }

    #[test]
    fn amounts_of_the_bad_input_list() {
        use AmountFault::{Decimals, Exponent, Format, Grouping, Sign, TooManyDigits};
        for (text, expected) in [
            ("0", Ok(0)),
            ("00012.30", Ok(1230)),
            ("12", Ok(1200)),
            ("12.3", Ok(1230)),
            ("999999999999999", Ok(99_999_999_999_999_900)),
            ("9999999999999.99", Ok(999_999_999_999_999)),
            ("0000000000000000000000000000001", Ok(100)),
            ("0000000000000000000000000000.01", Ok(1)),
            ("1e5", Err(Exponent)),
            ("1E5", Err(Exponent)),
            ("1e3", Err(Exponent)),
            ("1e-3", Err(Exponent)),
            ("1.5e+3", Err(Exponent)),
            ("-3", Err(Sign)),
            ("+3", Err(Sign)),
            ("-0", Err(Sign)),
            ("1,000.00", Err(Grouping)),
            ("1 000", Err(Grouping)),
            ("1\u{a0}000", Err(Grouping)),
            ("1'000", Err(Grouping)),
            ("1_000", Err(Grouping)),
            ("12,50", Err(Grouping)),
            ("1.000.000", Err(Grouping)),
            (".5", Err(Format)),
            ("12.", Err(Format)),
            (".", Err(Format)),
            ("", Err(Format)),
            ("+", Err(Format)),
            (" 12", Err(Format)),
            ("12 ", Err(Format)),
            ("$12", Err(Format)),
            ("12 USD", Err(Format)),
            ("NaN", Err(Format)),
            ("inf", Err(Format)),
            ("0x10", Err(Format)),
            ("١٢", Err(Format)),
            ("12.345", Err(Decimals { found: 3 })),
            ("12.000", Err(Decimals { found: 3 })),
            ("99999999999999999", Err(TooManyDigits { found: 17 })),
            ("1234567890123.456", Err(TooManyDigits { found: 16 })),
            ("1000000000000000", Err(TooManyDigits { found: 16 })),
        ] {
            assert_eq!(usd(text), expected, "{text}");
        }
    }

    #[test]
    fn decimals_go_by_the_currency() {
        for (text, currency, expected) in [
            ("12", Currency::JPY, Ok(12)),
            (
                "12.0",
                Currency::JPY,
                Err(AmountFault::Decimals { found: 1 }),
            ),
            ("1.234", Currency::BHD, Ok(1234)),
            (
                "1.2345",
                Currency::BHD,
                Err(AmountFault::Decimals { found: 4 }),
            ),
            ("1.2345", Currency::CLF, Ok(12345)),
            (
                "999999999999999",
                Currency::CLF,
                Ok(9_999_999_999_999_990_000),
            ),
        ] {
            let amount = Amount::parse(text.as_bytes(), currency).map(|amount| amount.0);
            assert_eq!(amount, expected, "{text} {currency}");
        }
    }

    #[test]
    fn written_with_exactly_the_minor_digits() {
        for (units, currency, expected) in [
            (0, Currency::USD, "0.00"),
            (5, Currency::USD, "0.05"),
            (1230, Currency::USD, "12.30"),
            (0, Currency::JPY, "0"),
            (12, Currency::JPY, "12"),
            (1, Currency::BHD, "0.001"),
            (u64::MAX, Currency::CLF, "1844674407370955.1615"),
        ] {
            let mut out = Vec::new();
            Amount(units).write_decimal(currency, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn only_the_written_form_is_read_back() {
        for text in [
            "", ".00", "0.0", "00.00", "1", "1.0", "1.000", "-1.00", "1,00", "01.00",
        ] {
            assert_eq!(
                Amount::parse_decimal(text.as_bytes(), Currency::USD),
                None,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(units: u64, at in 0..Currency::COUNT) {
            let currency = Currency::all().nth(at).unwrap();
            let mut out = Vec::new();
            Amount(units).write_decimal(currency, &mut out);
            prop_assert_eq!(Amount::parse_decimal(&out, currency), Some(Amount(units)));
        }

        #[test]
        fn any_bytes_are_read_without_panic(text: Vec<u8>) {
            let read = Amount::parse(&text, Currency::USD);
            let is_plain = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
            prop_assert!(is_plain || read.is_err());
        }

        #[test]
        fn plain_numbers_mean_what_they_say(whole in 0_u64..10_000_000_000_000, cents in 0_u64..100) {
            let text = format!("{whole}.{cents:02}");
            prop_assert_eq!(usd(&text), Ok(whole * 100 + cents));
        }
    }
}
