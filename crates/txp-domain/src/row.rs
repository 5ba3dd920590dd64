//! One row of a merchant's file: its columns as bytes, the rules of its upload, and what is left
//! when every rule holds.
//!
//! Reading the file (delimiters, quotes, the header) is not here, and neither is the fingerprint
//! key: a [`ValidRow`] still holds the card number and is masked with [`ValidRow::mask`] before
//! anything else sees it. Neither type borrows more than the row's bytes.

mod column;
mod country;
mod rules;
mod validate;

pub use column::{COLUMN_COUNT, Column};
pub use country::Country;
pub use rules::{MerchantScope, RowRules};
pub use validate::{usable_ids, validate};

use crate::card::{Brand, CardNumber, Fingerprint, FingerprintSource, Last4};
use crate::money::{Amount, Currency};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a row tells of.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
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
pub enum TransactionType {
    /// Money to the merchant.
    #[default]
    Sale = 0,
    /// Money back from the merchant.
    Refund = 1,
    /// A dispute of an earlier transaction.
    Chargeback = 2,
}

impl TransactionType {
    /// Reads the name, which is in lower case.
    #[must_use]
    pub const fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"sale" => Some(Self::Sale),
            b"refund" => Some(Self::Refund),
            b"chargeback" => Some(Self::Chargeback),
            _ => None,
        }
    }

    /// The name in files and events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Refund => "refund",
            Self::Chargeback => "chargeback",
        }
    }
}

/// Where a transaction's time comes from.
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
pub enum TimeSource {
    /// The row's timestamp column.
    File = 0,
    /// The row had none: the upload's arrival.
    Upload = 1,
}

impl TimeSource {
    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Upload => "upload",
        }
    }
}

/// A merchant category code: four ASCII digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mcc(pub [u8; 4]);

crate::text::four_digits!(Mcc, "a merchant category code of 4 digits");

/// The bytes of a row, by column. `None`: the file has no such column.
#[derive(Clone, Copy, Default)]
pub struct RawRow<'a>(pub [Option<&'a [u8]>; COLUMN_COUNT]);

impl<'a> RawRow<'a> {
    /// The value of a column, without the quote that our rejects report put before a formula; an
    /// empty field is no value.
    #[must_use]
    pub fn value(&self, column: Column) -> Option<&'a [u8]> {
        let field = self.0.get(column.index()).copied().flatten()?;
        let value = unquote_formula(field);
        (!value.is_empty()).then_some(value)
    }
}

/// What a spreadsheet takes for the start of a formula.
#[must_use]
pub const fn starts_formula(first: u8) -> bool {
    matches!(first, b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')
}

/// Takes off the `'` that our rejects report puts before a field that a spreadsheet would run as a
/// formula. Any other `'` stays.
#[must_use]
pub const fn unquote_formula(field: &[u8]) -> &[u8] {
    match field {
        [b'\'', rest @ ..] => match rest {
            [first, ..] if starts_formula(*first) => rest,
            _ => field,
        },
        _ => field,
    }
}

/// A row that keeps every rule. It holds the card number: mask it before it goes anywhere.
///
/// Its identifiers are the row's bytes: they are ASCII, and whoever needs text asks for it.
pub struct ValidRow<'a> {
    /// The merchant's id of the transaction.
    pub transaction_id: &'a [u8],
    /// The merchant.
    pub merchant_id: &'a [u8],
    /// The amount, in minor units of the currency.
    pub amount: Amount,
    /// The currency, the upload's default where the row names none.
    pub currency: Currency,
    /// Sale, refund or chargeback.
    pub kind: TransactionType,
    /// The transaction that a refund or chargeback is about.
    pub original_transaction_id: Option<&'a [u8]>,
    /// The terminal.
    pub terminal_id: Option<&'a [u8]>,
    /// The country.
    pub country: Option<Country>,
    /// The merchant category code.
    pub mcc: Option<Mcc>,
    /// When it took place, or the upload's arrival.
    pub timestamp: Timestamp,
    /// Which of the two.
    pub time_source: TimeSource,
    /// The card number. It goes no further than [`ValidRow::mask`].
    pub card: CardNumber,
}

impl<'a> ValidRow<'a> {
    /// The row without its card number.
    #[must_use]
    pub fn mask(&self, fingerprints: &mut impl FingerprintSource) -> Facts<'a> {
        let masked = self.mask_as(fingerprints.fingerprint(&self.card));
        // An identifier is ASCII.
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        Facts {
            transaction_id: text(masked.transaction_id),
            merchant_id: text(masked.merchant_id),
            amount: masked.amount,
            currency: masked.currency,
            kind: masked.kind,
            original_transaction_id: masked.original_transaction_id.map(text),
            terminal_id: masked.terminal_id.map(text),
            country: masked.country,
            mcc: masked.mcc,
            timestamp: masked.timestamp,
            time_source: masked.time_source,
            card: masked.card,
        }
    }

    /// The row without its card number, whose fingerprint is known or will be put in later.
    #[inline]
    #[must_use]
    pub fn mask_as(&self, fingerprint: Fingerprint) -> Facts<'a, [u8]> {
        Facts {
            transaction_id: self.transaction_id,
            merchant_id: self.merchant_id,
            amount: self.amount,
            currency: self.currency,
            kind: self.kind,
            original_transaction_id: self.original_transaction_id,
            terminal_id: self.terminal_id,
            country: self.country,
            mcc: self.mcc,
            timestamp: self.timestamp,
            time_source: self.time_source,
            card: CardFacts {
                last4: self.card.last4(),
                brand: self.card.brand(),
                fingerprint,
            },
        }
    }
}

/// What is known of a card once its number is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CardFacts {
    /// The last four digits.
    pub last4: Last4,
    /// The brand.
    pub brand: Brand,
    /// The fingerprint under the current key.
    pub fingerprint: Fingerprint,
}

/// A valid row without its card number: what an event tells. `T` is what identifiers are: text, or
/// on the way from a file to its events the bytes of it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Facts<'a, T: ?Sized = str> {
    /// The merchant's id of the transaction.
    pub transaction_id: &'a T,
    /// The merchant.
    pub merchant_id: &'a T,
    /// The amount, in minor units of the currency.
    pub amount: Amount,
    /// The currency.
    pub currency: Currency,
    /// Sale, refund or chargeback.
    pub kind: TransactionType,
    /// The transaction that a refund or chargeback is about.
    pub original_transaction_id: Option<&'a T>,
    /// The terminal.
    pub terminal_id: Option<&'a T>,
    /// The country.
    pub country: Option<Country>,
    /// The merchant category code.
    pub mcc: Option<Mcc>,
    /// When it took place, or the upload's arrival.
    pub timestamp: Timestamp,
    /// Which of the two.
    pub time_source: TimeSource,
    /// The card, masked.
    pub card: CardFacts,
}

// Derived, they would ask the same of `T`.
impl<T: ?Sized> Clone for Facts<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Facts<'_, T> {}
