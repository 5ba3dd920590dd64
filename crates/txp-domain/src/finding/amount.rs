//! Amounts and totals as findings write them: decimal text beside the currency.

use crate::money::{Amount, Currency};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// An amount with its currency. Written `{"amount": "12345.67", "currency": "USD"}`; in words
/// `12,345.67 USD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// Minor units.
    pub amount: Amount,
    /// The currency.
    pub currency: Currency,
}

/// A sum of amounts, written like [`Money`]. It can have more digits than any amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Minor units.
    pub minor: u128,
    /// The currency.
    pub currency: Currency,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { amount, currency } = *self;
        let minor = amount.0.into();
        write!(f, "{} {currency}", Decimal::grouped(minor, currency))
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minor, currency } = *self;
        write!(f, "{} {currency}", Decimal::grouped(minor, currency))
    }
}

/// Minor units as decimal text with exactly the currency's minor digits.
struct Decimal {
    minor: u128,
    digits: u32,
    is_grouped: bool,
}

impl Decimal {
    fn plain(minor: u128, currency: Currency) -> Self {
        Self {
            minor,
            digits: u32::from(currency.minor_digits()),
            is_grouped: false,
        }
    }

    fn grouped(minor: u128, currency: Currency) -> Self {
        Self {
            is_grouped: true,
            ..Self::plain(minor, currency)
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = 10u128.pow(self.digits);
        let whole = self.minor / scale;
        if self.is_grouped {
            write_grouped(f, whole)?;
        } else {
            write!(f, "{whole}")?;
        }
        if self.digits == 0 {
            return Ok(());
        }
        let width = self.digits as usize;
        write!(f, ".{:0width$}", self.minor % scale)
    }
}

/// Writes a whole number with a comma before every third digit from the end.
fn write_grouped(f: &mut fmt::Formatter<'_>, number: u128) -> fmt::Result {
    if number < 1000 {
        return write!(f, "{number}");
    }
    write_grouped(f, number / 1000)?;
    write!(f, ",{:03}", number % 1000)
}

/// The minor units of decimal text with exactly the currency's minor digits.
fn parse_decimal(text: &str, currency: Currency) -> Option<u128> {
    let digits = usize::from(currency.minor_digits());
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if digits > 0 => (whole, fraction),
        None if digits == 0 => (text, ""),
        _ => return None,
    };
    if whole.is_empty() || fraction.len() != digits {
        return None;
    }
    let mut minor = 0u128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        minor = minor
            .checked_mul(10)?
            .checked_add(u128::from(byte - b'0'))?;
    }
    Some(minor)
}

/// How both are written.
#[derive(Serialize, Deserialize)]
struct Written {
    amount: String,
    currency: Currency,
}

impl Written {
    fn minor<E: serde::de::Error>(&self) -> Result<u128, E> {
        parse_decimal(&self.amount, self.currency)
            .ok_or_else(|| E::custom("expected a decimal amount with the currency's minor digits"))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let currency = self.currency;
        let amount = Decimal::plain(self.amount.0.into(), currency).to_string();
        Written { amount, currency }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let minor = u64::try_from(written.minor::<D::Error>()?)
            .map_err(|_| D::Error::custom("expected an amount below 64 bits of minor units"))?;
        Ok(Self {
            amount: Amount(minor),
            currency: written.currency,
        })
    }
}

impl Serialize for Total {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let currency = self.currency;
        let amount = Decimal::plain(self.minor, currency).to_string();
        Written { amount, currency }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Total {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        Ok(Self {
            minor: written.minor::<D::Error>()?,
            currency: written.currency,
        })
    }
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    let currency = generator.subschema_for::<Currency>();
    schemars::json_schema!({
        "type": "object",
        "properties": {
            "amount": { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$" },
            "currency": currency,
        },
        "required": ["amount", "currency"],
    })
}

impl JsonSchema for Money {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema(generator)
    }
}

impl JsonSchema for Total {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Total".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema(generator)
    }
}
