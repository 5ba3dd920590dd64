//! The columns that are read, by their own names.

use serde::{Deserialize, Serialize};

/// How many columns there are.
pub const COLUMN_COUNT: usize = 11;

/// A column that is read. Any other is dropped.
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
pub enum Column {
    /// The merchant's id of the transaction.
    TransactionId = 0,
    /// The amount.
    Amount = 1,
    /// The merchant.
    MerchantId = 2,
    /// The card number.
    CardNumber = 3,
    /// When the transaction took place.
    Timestamp = 4,
    /// The currency.
    Currency = 5,
    /// Sale, refund or chargeback.
    Type = 6,
    /// The transaction that this one is about.
    OriginalTransactionId = 7,
    /// The terminal.
    TerminalId = 8,
    /// The country.
    Country = 9,
    /// The merchant category code.
    Mcc = 10,
}

impl Column {
    /// Every column, by index.
    pub const ALL: [Self; COLUMN_COUNT] = [
        Self::TransactionId,
        Self::Amount,
        Self::MerchantId,
        Self::CardNumber,
        Self::Timestamp,
        Self::Currency,
        Self::Type,
        Self::OriginalTransactionId,
        Self::TerminalId,
        Self::Country,
        Self::Mcc,
    ];

    /// The columns that a file must have.
    pub const REQUIRED: [Self; 4] = [
        Self::TransactionId,
        Self::Amount,
        Self::MerchantId,
        Self::CardNumber,
    ];

    /// The name in a header, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TransactionId => "transaction_id",
            Self::Amount => "amount",
            Self::MerchantId => "merchant_id",
            Self::CardNumber => "card_number",
            Self::Timestamp => "timestamp",
            Self::Currency => "currency",
            Self::Type => "type",
            Self::OriginalTransactionId => "original_transaction_id",
            Self::TerminalId => "terminal_id",
            Self::Country => "country",
            Self::Mcc => "mcc",
        }
    }

    /// The column of a name, case and surrounding ASCII blanks ignored.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim_matches([' ', '\t']);
        Self::ALL
            .into_iter()
            .find(|column| column.name().eq_ignore_ascii_case(name))
    }

    /// The place in a row's array.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether a row without a value here is rejected.
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(
            self,
            Self::TransactionId | Self::Amount | Self::MerchantId | Self::CardNumber
        )
    }
}
