//! A sum of amounts of one currency: wide enough for any number of rows, and signed, so that
//! refunds can be taken off.

use super::amount::{parse_units, write_units};
use super::{Amount, Currency};

/// A sum of minor units. 2^63 amounts of the largest size fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sum(pub i128);

impl Sum {
    /// Adds an amount.
    pub fn add(&mut self, amount: Amount) {
        self.0 = self.0.saturating_add(i128::from(amount.0));
    }

    /// Takes an amount off.
    pub fn subtract(&mut self, amount: Amount) {
        self.0 = self.0.saturating_sub(i128::from(amount.0));
    }

    /// Writes the sum with exactly the currency's minor digits, and a `-` before one below zero.
    pub fn write_decimal(self, currency: Currency, out: &mut Vec<u8>) {
        if self.0 < 0 {
            out.push(b'-');
        }
        write_units(self.0.unsigned_abs(), currency, out);
    }

    /// Reads what [`Sum::write_decimal`] writes, and nothing else.
    #[must_use]
    pub fn parse_decimal(text: &[u8], currency: Currency) -> Option<Self> {
        match text.strip_prefix(b"-") {
            None => i128::try_from(parse_units(text, currency)?).ok().map(Self),
            Some(text) => match parse_units(text, currency)? {
                0 => None,
                units => 0_i128.checked_sub_unsigned(units).map(Self),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(units: i128, at in 0..Currency::COUNT) {
            let currency = Currency::all().nth(at).unwrap();
            let mut out = Vec::new();
            Sum(units).write_decimal(currency, &mut out);
            prop_assert_eq!(Sum::parse_decimal(&out, currency), Some(Sum(units)));
        }
    }

    #[test]
    fn sums_have_a_sign() {
        let mut sum = Sum::default();
        sum.add(Amount(5));
        sum.subtract(Amount(1005));
        let mut out = Vec::new();
        sum.write_decimal(Currency::USD, &mut out);
        assert_eq!(out, b"-10.00");
        assert_eq!(Sum::parse_decimal(b"-0.00", Currency::USD), None);
    }
}
