//! The bad rows: one kind after the other, each breaking one rule and carrying one code.
//!
//! Kinds need the columns of the generated file: those that only `country`, `mcc`, a time zone or
//! a client's rights can break are not here.

use super::card::{Card, Digits};
use super::text::put_amount;

/// What a bad row has instead of a good value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another transaction id; the text is followed by nothing.
    TransactionId(&'static str),
    /// A card number as the end of the transaction id.
    CardInTransactionId,
    /// Another merchant id.
    MerchantId(&'static [u8]),
    /// Another timestamp.
    Timestamp(&'static str),
    /// The moment of the row with another ending than `Z`.
    TimestampEnd(&'static str),
    /// The moment of the row with second 60 in a minute that has none.
    LeapSecond,
    /// Another amount, in US dollars.
    Amount(&'static str),
    /// A card number of 15 digits as the amount.
    CardInAmount,
    /// One decimal more than the currency has.
    OneDecimalMore,
    /// Another currency.
    Currency(&'static str),
    /// No card number.
    CardMissing,
    /// A letter for a digit of the card number.
    CardLetter,
    /// A wrong check digit.
    CardChecksum,
    /// A Luhn-valid number of so many digits.
    CardDigits(usize),
    /// Another type.
    Type(&'static str),
    /// A chargeback that names itself.
    SelfReference,
    /// So much more at the end of the record.
    Trailing(&'static str),
    /// The record ends after the merchant id.
    CutShort,
    /// A terminal id that makes the record longer than 64 KiB.
    LongRecord,
}

/// The longest record that is read; a longer one is rejected (design, limits).
pub(super) const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Every fault and its code. The long record comes last and once in a file: its size would be most
/// of the file.
pub(super) const FAULTS: [(Fault, &str); 40] = [
    (Fault::CardChecksum, "card_checksum"),
    (Fault::CardLetter, "card_character"),
    (Fault::CardDigits(11), "card_length"),
    (Fault::Amount("1e3"), "amount_exponent"),
    (Fault::Amount("-3.00"), "amount_sign"),
    (Fault::Timestamp("yesterday"), "timestamp_format"),
    (Fault::Currency("XQQ"), "currency_unknown"),
    (Fault::Amount(""), "value_missing"),
    (Fault::Trailing(",surplus"), "field_count"),
    (Fault::CardInTransactionId, "card_number_in_identifier"),
    (Fault::MerchantId(b"caf\xe9"), "invalid_utf8"),
    (Fault::OneDecimalMore, "amount_decimals"),
    (Fault::CardMissing, "value_missing"),
    (Fault::Type("void"), "type_unknown"),
    (Fault::Type("chargeback"), "original_missing"),
    (Fault::SelfReference, "self_reference"),
    (Fault::Amount("\"1,000.00\""), "amount_grouping"),
    (Fault::Amount("99999999999999999"), "amount_too_many_digits"),
    (
        Fault::Timestamp("1969-12-31T23:59:59Z"),
        "timestamp_too_early",
    ),
    (
        Fault::Timestamp("9999-01-01T00:00:00Z"),
        "timestamp_too_late",
    ),
    (Fault::CardDigits(20), "card_length"),
    (Fault::Currency("usd"), "currency_case"),
    (Fault::Amount(".5"), "amount_format"),
    (Fault::TransactionId(""), "value_missing"),
    (Fault::CutShort, "field_count"),
    (Fault::TimestampEnd(""), "timestamp_zone_missing"),
    (
        Fault::Timestamp("2025-02-30T12:00:00Z"),
        "timestamp_out_of_range",
    ),
    (Fault::LeapSecond, "timestamp_leap_second"),
    (
        Fault::TimestampEnd(".01234567890123456789Z"),
        "timestamp_precision",
    ),
    (Fault::MerchantId(b""), "value_missing"),
    (Fault::MerchantId(b"corner shop"), "identifier_character"),
    (Fault::TransactionId("_first"), "identifier_start"),
    (
        Fault::TransactionId(
            "an-identifier-that-goes-on-and-on-until-it-has-more-than-64-letters-x",
        ),
        "identifier_too_long",
    ),
    (Fault::CardInAmount, "card_number_in_field"),
    (Fault::Currency("XAU"), "currency_without_minor_units"),
    (Fault::Amount("+3.00"), "amount_sign"),
    (Fault::Amount("12."), "amount_format"),
    (Fault::Amount("twelve"), "amount_format"),
    (Fault::Type("Refund"), "type_unknown"),
    (Fault::LongRecord, "record_too_long"),
];

impl Fault {
    /// Whether the amount of the fault is meant in US dollars, whatever the card's currency.
    pub(super) const fn in_dollars(self) -> bool {
        matches!(
            self,
            Self::Amount(_) | Self::CardInAmount | Self::OneDecimalMore
        )
    }

    pub(super) fn put_amount(
        self,
        out: &mut Vec<u8>,
        amount_minor: u64,
        minor_digits: usize,
        bits: u64,
    ) {
        match self {
            Self::Amount(text) => out.extend_from_slice(text.as_bytes()),
            Self::OneDecimalMore => put_amount(out, amount_minor, minor_digits + 1),
            Self::CardInAmount => {
                out.extend_from_slice(Digits::luhn(b"378282", 15, bits).as_bytes())
            }
            _ => put_amount(out, amount_minor, minor_digits),
        }
    }

    pub(super) fn put_card(self, out: &mut Vec<u8>, card: Card, bits: u64) {
        let start = out.len();
        match self {
            Self::CardMissing => {}
            Self::CardDigits(len) => {
                out.extend_from_slice(Digits::luhn(b"4", len, bits).as_bytes())
            }
            _ => out.extend_from_slice(card.number().as_bytes()),
        }
        match self {
            Self::CardLetter => {
                if let Some(digit) = out.get_mut(start + 8) {
                    *digit = b'O';
                }
            }
            Self::CardChecksum => {
                if let Some(check) = out.last_mut() {
                    *check = if *check == b'9' { b'0' } else { *check + 1 };
                }
            }
            _ => {}
        }
    }
}
