//! Amounts as DynamoDB numbers: decimals that people read and that exports compute with.
//!
//! DynamoDB keeps the number, not its digits: `12.30` comes back as `12.3`, and its documents allow
//! an exponent. So a number is read by its value, exactly; one that has more decimals than its
//! currency is damage.

use txp_domain::money::{Amount, Currency};

/// The longest number that DynamoDB keeps has 38 digits; a sign and an exponent come on top.
const NUMBER_BYTES_MAX: usize = 48;

/// Numbers of DynamoDB go from 1E-130 to 9.9E+125.
const PLACES_MAX: usize = 130;

/// Writes with exactly the currency's minor digits.
pub(super) fn write(amount: Amount, currency: Currency) -> String {
    let mut out = Vec::new();
    amount.write_decimal(currency, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Reads any spelling of the number; `None` if it is no amount of the currency.
pub(super) fn read(number: &str, currency: Currency) -> Option<Amount> {
    if number.len() > NUMBER_BYTES_MAX {
        return None;
    }
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let decimals = i32::try_from(fraction.len()).ok()?;
    // By how many places the digits are to be moved up to be minor units.
    let up = i32::from(currency.minor_digits())
        .checked_sub(decimals)?
        .checked_add(exponent)?;
    let places = usize::try_from(up.unsigned_abs()).ok()?;
    if places > PLACES_MAX {
        return None;
    }
    let units = if up >= 0 {
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Some(Amount(0));
        }
        [significant, &"0".repeat(places)].concat()
    } else {
        let padded = format!("{digits:0>width$}", width = digits.len().max(places));
        let (kept, lost) = padded.split_at_checked(padded.len().checked_sub(places)?)?;
        if lost.bytes().any(|digit| digit != b'0') {
            return None;
        }
        format!("0{kept}")
    };
    units.parse().ok().map(Amount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_read_by_its_value() {
        let jpy = Currency::from_code(b"JPY").unwrap();
        for (number, currency, expected) in [
            ("12.30", Currency::USD, Some(1_230)),
            ("12.3", Currency::USD, Some(1_230)),
            ("12", Currency::USD, Some(1_200)),
            ("1.2E+1", Currency::USD, Some(1_200)),
            ("1230E-2", Currency::USD, Some(1_230)),
            ("5E-2", Currency::USD, Some(5)),
            ("0", Currency::USD, Some(0)),
            ("0E-30", Currency::USD, Some(0)),
            ("12.300", Currency::USD, Some(1_230)),
            ("12.345", Currency::USD, None),
            ("5E-3", Currency::USD, None),
            ("-1", Currency::USD, None),
            ("", Currency::USD, None),
            ("1E+99999999", Currency::USD, None),
            ("1E-999999999", Currency::USD, None),
            ("184467440737095516.15", Currency::USD, Some(u64::MAX)),
            ("184467440737095516.16", Currency::USD, None),
            ("100", jpy, Some(100)),
            ("1E+2", jpy, Some(100)),
            ("0.5", jpy, None),
        ] {
            assert_eq!(read(number, currency), expected.map(Amount), "{number}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(minor: u64) {
            for currency in Currency::all() {
                let written = write(Amount(minor), currency);
                prop_assert_eq!(read(&written, currency), Some(Amount(minor)));
                if written.contains('.') {
                    let kept = written.trim_end_matches('0').trim_end_matches('.');
                    prop_assert_eq!(read(kept, currency), Some(Amount(minor)));
                }
            }
        }

        #[test]
        fn no_text_is_a_panic(number in "[-0-9.eE+]{0,60}") {
            for currency in Currency::all().take(3) {
                let _read = read(&number, currency);
            }
        }
    }
}
