//! Every rule of a row, held to its bytes.
//!
//! A good row costs no allocation and no second look; all that explains a bad one is out of line.
//! Values are neither trimmed nor case-folded: what is stored is what was sent.

mod fault;

use super::{Column, Country, Mcc, RawRow, RowRules, TimeSource, TransactionType, ValidRow};
use crate::card::{CARD_DIGITS_MIN, CardNumber};
use crate::id::read_identifier;
use crate::money::{Amount, Currency, Decimal};
use crate::redact::{holds_card_number, is_card_number};
use crate::time::Timestamp;
use crate::violation::{Code, Violation, Violations};
use fault::Fault;

/// Holds a row to every rule. Every violation is added to `out`; the row is returned if there was
/// none.
pub fn validate<'a>(
    row: &RawRow<'a>,
    rules: &RowRules,
    out: &mut Violations,
) -> Option<ValidRow<'a>> {
    let violations_before = out.len();
    let mut check = Check { row, rules, out };
    let transaction_id = check.transaction_id();
    let currency = check.currency();
    let amount = check.amount(currency);
    let merchant_id = check.merchant_id();
    let card = check.card();
    let (timestamp, time_source) = check.timestamp();
    let kind = check.kind();
    let original_transaction_id = check.original(kind);
    let terminal_id = check.identifier(Column::TerminalId);
    let country = check.country();
    let mcc = check.mcc();
    if out.len() != violations_before {
        return None;
    }
    Some(ValidRow {
        transaction_id: transaction_id?,
        merchant_id: merchant_id?,
        amount: amount?,
        currency: currency?,
        kind: kind?,
        original_transaction_id,
        terminal_id,
        country,
        mcc,
        timestamp: timestamp?,
        time_source,
        card: card?,
    })
}

/// The transaction and the merchant of a row, where both are valid and may be told: neither looks
/// like a card number, and the client may send for the merchant.
#[must_use]
pub fn usable_ids<'a>(row: &RawRow<'a>, rules: &RowRules) -> Option<(&'a str, &'a str)> {
    let usable = |column| {
        let value = row.value(column)?;
        read_identifier(value).ok()?;
        let may_be_told = rules.long_number_ids_allowed || !holds_card_number(value);
        std::str::from_utf8(value).ok().filter(|_| may_be_told)
    };
    let transaction_id = usable(Column::TransactionId)?;
    let merchant_id = usable(Column::MerchantId)?;
    rules
        .merchants
        .allows(merchant_id.as_bytes())
        .then_some((transaction_id, merchant_id))
}

/// A row under check.
struct Check<'c, 'a> {
    row: &'c RawRow<'a>,
    rules: &'c RowRules,
    out: &'c mut Violations,
}

impl<'a> Check<'_, 'a> {
    fn required(&mut self, column: Column) -> Option<&'a [u8]> {
        let value = self.row.value(column);
        if value.is_none() {
            self.out.push(Violation::of(Code::ValueMissing, column));
        }
        value
    }

    #[inline]
    fn identifier(&mut self, column: Column) -> Option<&'a [u8]> {
        let value = self.row.value(column)?;
        self.identifier_of(value, column)
    }

    #[inline]
    fn identifier_of(&mut self, value: &'a [u8], column: Column) -> Option<&'a [u8]> {
        match read_identifier(value) {
            Ok(digits) => {
                let may_hold_card = digits as usize >= CARD_DIGITS_MIN;
                if may_hold_card && self.refuses_as_identifier(value) {
                    self.out
                        .push(Violation::of(Code::CardNumberInIdentifier, column));
                    return None;
                }
                Some(value)
            }
            Err(fault) => {
                self.refuse(fault.into(), column, value);
                None
            }
        }
    }

    fn refuses_as_identifier(&self, value: &[u8]) -> bool {
        !self.rules.long_number_ids_allowed && looks_like_card_number(value)
    }

    fn transaction_id(&mut self) -> Option<&'a [u8]> {
        let value = self.required(Column::TransactionId)?;
        self.identifier_of(value, Column::TransactionId)
    }

    fn merchant_id(&mut self) -> Option<&'a [u8]> {
        let value = self.required(Column::MerchantId)?;
        let merchant_id = self.identifier_of(value, Column::MerchantId)?;
        if !self.rules.merchants.allows(merchant_id) {
            self.out
                .push(Violation::of(Code::MerchantNotAllowed, Column::MerchantId));
            return None;
        }
        Some(merchant_id)
    }

    fn currency(&mut self) -> Option<Currency> {
        let Some(value) = self.row.value(Column::Currency) else {
            return Some(self.rules.default_currency);
        };
        let read = Currency::read(value);
        self.take(read, Column::Currency, value)
    }

    /// The amount; without a currency its form is checked all the same.
    fn amount(&mut self, currency: Option<Currency>) -> Option<Amount> {
        let value = self.required(Column::Amount)?;
        let decimal = self.take(Decimal::parse(value), Column::Amount, value)?;
        let currency = currency?;
        let amount = match decimal.in_currency(currency) {
            Ok(amount) => amount,
            Err(fault) => {
                self.refuse(Fault::of_amount(fault, currency), Column::Amount, value);
                return None;
            }
        };
        // As it was sent, as it will be written, and what is before the dot.
        let numbers = [decimal.digits(), amount.0, decimal.whole()];
        if numbers.into_iter().any(is_card_number) {
            self.out
                .push(Violation::of(Code::CardNumberInField, Column::Amount));
            return None;
        }
        Some(amount)
    }

    fn card(&mut self) -> Option<CardNumber> {
        let value = self.required(Column::CardNumber)?;
        match CardNumber::parse(value) {
            Ok(card) => Some(card),
            Err(fault) => {
                self.refuse(fault.into(), Column::CardNumber, value);
                None
            }
        }
    }

    fn timestamp(&mut self) -> (Option<Timestamp>, TimeSource) {
        let uploaded_at = self.rules.uploaded_at;
        let Some(value) = self.row.value(Column::Timestamp) else {
            return (Some(uploaded_at), TimeSource::Upload);
        };
        let read = Timestamp::read(value, self.rules.default_time_zone.as_ref())
            .and_then(|read| read.check_arrival(uploaded_at));
        let timestamp = self.take(read, Column::Timestamp, value);
        (timestamp, TimeSource::File)
    }

    fn kind(&mut self) -> Option<TransactionType> {
        let Some(value) = self.row.value(Column::Type) else {
            return Some(TransactionType::Sale);
        };
        let kind = TransactionType::from_name(value);
        self.take(
            kind.ok_or(Fault::of(Code::TypeUnknown)),
            Column::Type,
            value,
        )
    }

    /// The original transaction, which a chargeback must name, and not as itself.
    fn original(&mut self, kind: Option<TransactionType>) -> Option<&'a [u8]> {
        let column = Column::OriginalTransactionId;
        let value = self.row.value(column);
        if kind == Some(TransactionType::Chargeback) {
            if value.is_none() {
                self.out.push(Violation::of(Code::OriginalMissing, column));
            } else if value == self.row.value(Column::TransactionId) {
                self.out.push(Violation::of(Code::SelfReference, column));
            }
        }
        self.identifier_of(value?, column)
    }

    fn country(&mut self) -> Option<Country> {
        let value = self.row.value(Column::Country)?;
        let country = Country::parse(value).ok_or(Fault::of(Code::CountryUnknown));
        self.take(country, Column::Country, value)
    }

    fn mcc(&mut self) -> Option<Mcc> {
        let value = self.row.value(Column::Mcc)?;
        let mcc = Mcc::parse(value).ok_or(Fault::of(Code::MccFormat));
        self.take(mcc, Column::Mcc, value)
    }

    #[inline]
    fn take<T, E: Into<Fault>>(
        &mut self,
        read: Result<T, E>,
        column: Column,
        value: &[u8],
    ) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(fault) => {
                self.refuse(fault.into(), column, value);
                None
            }
        }
    }

    /// Adds the fault, and says so if the value is a card number that came to the wrong column.
    #[cold]
    fn refuse(&mut self, fault: Fault, column: Column, value: &[u8]) {
        self.out.push(Violation {
            code: fault.code,
            column: Some(column),
            note: fault.note,
        });
        let misplaced = match column {
            Column::CardNumber => None,
            Column::TransactionId
            | Column::MerchantId
            | Column::OriginalTransactionId
            | Column::TerminalId => self
                .refuses_as_identifier(value)
                .then_some(Code::CardNumberInIdentifier),
            _ => looks_like_card_number(value).then_some(Code::CardNumberInField),
        };
        if let Some(code) = misplaced {
            self.out.push(Violation::of(code, column));
        }
    }
}

/// Whether a value holds a card number, be it grouped by blanks.
fn looks_like_card_number(value: &[u8]) -> bool {
    holds_card_number(value)
        || CardNumber::parse(value).is_ok_and(|card| card.brand() != crate::card::Brand::Unknown)
}

#[cfg(test)]
mod tests;
