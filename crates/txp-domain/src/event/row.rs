//! What became of one row: `transaction.accepted`, `transaction.disputed` or `row.rejected`.

use super::{EventType, REJECTED_ROW_PARTITIONS};
use crate::card::{Brand, Fingerprint, Last4};
use crate::id::UploadId;
use crate::money::Currency;
use crate::row::{Country, Facts, Mcc, TimeSource, TransactionType};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One row, read and judged valid or not.
#[derive(Clone, Debug, PartialEq)]
pub struct RowEvent<'a> {
    /// The upload that the row stands in.
    pub upload_id: UploadId,
    /// When the upload arrived: the event's `time`.
    pub uploaded_at: Timestamp,
    /// The record's number, 1 being the first after the header.
    pub record: u64,
    /// The physical line where the record starts, the header's being 1 in a plain file.
    pub line: u64,
    /// What the row says.
    pub outcome: RowOutcome<'a>,
}

/// A row is valid or rejected.
#[derive(Clone, Debug, PartialEq)]
pub enum RowOutcome<'a> {
    /// All rules hold. A chargeback makes `transaction.disputed`, all else `transaction.accepted`.
    Valid {
        /// The row's facts, the card masked.
        facts: Facts<'a>,
        /// The id of the key that the card's fingerprint was made under.
        key_id: &'a str,
    },
    /// Some rule is broken.
    Rejected(RejectedRow<'a>),
}

/// An invalid row: where it would belong, and all that is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedRow<'a> {
    /// Merchant and transaction id, where both are usable.
    pub ids: Option<(&'a str, &'a str)>,
    /// The JSON array of [`ViolationData`], as it stands in the event.
    pub violations: &'a str,
}

impl RowEvent<'_> {
    /// The event's type.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match &self.outcome {
            RowOutcome::Valid { facts, .. } if facts.kind == TransactionType::Chargeback => {
                EventType::TransactionDisputed
            }
            RowOutcome::Valid { .. } => EventType::TransactionAccepted,
            RowOutcome::Rejected(_) => EventType::RowRejected,
        }
    }

    /// The event's id, `{upload_id}:{record}`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}:{}", self.upload_id, self.record)
    }

    /// `{merchant_id, transaction_id}` where both are usable.
    #[must_use]
    pub fn ids(&self) -> Option<(&str, &str)> {
        match &self.outcome {
            RowOutcome::Valid { facts, .. } => Some((facts.merchant_id, facts.transaction_id)),
            RowOutcome::Rejected(rejected) => rejected.ids,
        }
    }

    /// The partition key: the transaction's, or one of the upload's own.
    #[must_use]
    pub fn partition_key(&self) -> String {
        match self.ids() {
            Some((merchant_id, transaction_id)) => format!("{merchant_id}/{transaction_id}"),
            None => rejected_partition_key(self.upload_id, self.record),
        }
    }

    /// The `subject` attribute.
    #[must_use]
    pub fn subject(&self) -> String {
        match self.ids() {
            Some((merchant_id, transaction_id)) => format!("{merchant_id}/{transaction_id}"),
            None => format!("{}/{}", self.upload_id, self.record),
        }
    }
}

/// The partition key of a row that touches no transaction.
#[must_use]
pub fn rejected_partition_key(upload_id: UploadId, record: u64) -> String {
    format!("upload/{upload_id}/{}", record % REJECTED_ROW_PARTITIONS)
}

/// An identifier, as a regular expression.
const IDENTIFIER_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$";

/// Data of `transaction.accepted` and `transaction.disputed`, version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionData<'a> {
    /// The merchant's id of the transaction.
    #[serde(borrow)]
    #[schemars(regex(pattern = IDENTIFIER_PATTERN))]
    pub transaction_id: Cow<'a, str>,
    /// The merchant.
    #[serde(borrow)]
    #[schemars(regex(pattern = IDENTIFIER_PATTERN))]
    pub merchant_id: Cow<'a, str>,
    /// The amount, with exactly the currency's minor digits.
    #[serde(borrow)]
    #[schemars(regex(pattern = "^[0-9]+(\\.[0-9]{1,4})?$"))]
    pub amount: Cow<'a, str>,
    /// ISO 4217 alphabetic.
    pub currency: Currency,
    /// sale, refund or chargeback.
    #[serde(rename = "type")]
    pub kind: TransactionType,
    /// When it happened, by the file or, without one, when the upload arrived.
    pub timestamp: Timestamp,
    /// Where `timestamp` comes from.
    pub time_source: TimeSource,
    /// What may be known of the card.
    #[serde(borrow)]
    pub card: CardData<'a>,
    /// The sale that a refund or chargeback is about.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = IDENTIFIER_PATTERN))]
    pub original_transaction_id: Option<Cow<'a, str>>,
    /// The terminal.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = IDENTIFIER_PATTERN))]
    pub terminal_id: Option<Cow<'a, str>>,
    /// ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// ISO 18245 merchant category code, 4 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcc: Option<Mcc>,
    /// The record's number, 1 being the first after the header.
    #[schemars(range(min = 1))]
    pub record: u64,
    /// The physical line where the record starts.
    pub line: u64,
}

/// What may be known of a card: pseudonymous, still in PCI scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CardData<'a> {
    /// The last four digits.
    pub last4: Last4,
    /// The brand by issuer's range, or `unknown`.
    pub brand: Brand,
    /// HMAC-SHA-256 of the number, cut to 128 bits, in 32 letters.
    pub fingerprint: Fingerprint,
    /// The key that the fingerprint was made under.
    #[serde(borrow)]
    #[schemars(regex(pattern = "^[bcdfghjklmnpqrst]{8}$"))]
    pub key_id: Cow<'a, str>,
}

/// Data of `row.rejected`, version 1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RejectedData<'a> {
    /// The transaction that the row names, where both ids are usable.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = IDENTIFIER_PATTERN))]
    pub transaction_id: Option<Cow<'a, str>>,
    /// The merchant that the row names, where both ids are usable.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = IDENTIFIER_PATTERN))]
    pub merchant_id: Option<Cow<'a, str>>,
    /// Every violation of the row.
    #[serde(borrow)]
    #[schemars(with = "Vec<ViolationData<'static>>")]
    pub violations: &'a RawValue,
    /// The record's number, 1 being the first after the header.
    #[schemars(range(min = 1))]
    pub record: u64,
    /// The physical line where the record starts.
    pub line: u64,
}

/// One rule that a row breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ViolationData<'a> {
    /// A stable code.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// The column, where one is at fault.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Cow<'a, str>>,
    /// What is wrong.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// How to mend it.
    #[serde(borrow)]
    pub hint: Cow<'a, str>,
}
