//! Money in integers: an amount is a count of a currency's minor units.

/// A currency of ISO 4217, with its number of minor digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(u8);

/// An amount in minor units (cents, yen, fils).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub u64);
