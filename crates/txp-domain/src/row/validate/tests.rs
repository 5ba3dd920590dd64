//! Every rule of a row: what keeps it, what breaks it, and all of the breaches at once.

use super::*;
use crate::card::Fingerprinter;
use crate::row::MerchantScope;
use crate::time::TimeZone;
use proptest::prelude::*;

const CARD: &str = "4242424242424242";

fn rules() -> RowRules {
    RowRules {
        merchants: MerchantScope::All,
        uploaded_at: Timestamp::parse(b"2026-11-22T12:00:00Z").unwrap(),
        default_currency: Currency::USD,
        default_time_zone: None,
        long_number_ids_allowed: false,
    }
}

/// A good row with these values in place of its own.
fn row<'a>(values: &[(Column, &'a str)]) -> RawRow<'a> {
    let good = [
        (Column::TransactionId, "tx-1"),
        (Column::Amount, "12.30"),
        (Column::MerchantId, "m-1"),
        (Column::CardNumber, CARD),
    ];
    let mut row = RawRow::default();
    for (column, value) in good.iter().chain(values) {
        row.0[column.index()] = Some(value.as_bytes());
    }
    row
}

fn violations(values: &[(Column, &str)], rules: &RowRules) -> Vec<(Code, Option<Column>)> {
    let mut out = Violations::new();
    let valid = validate(&row(values), rules, &mut out);
    assert_eq!(valid.is_some(), out.is_empty());
    out.iter().map(|found| (found.code, found.column)).collect()
}

#[test]
fn a_plain_row_takes_its_defaults() {
    let mut out = Violations::new();
    let row = row(&[]);
    let valid = validate(&row, &rules(), &mut out).unwrap();
    let facts = valid.mask(&mut Fingerprinter::new([1; 32]));
    assert_eq!(facts.transaction_id, "tx-1");
    assert_eq!(facts.merchant_id, "m-1");
    assert_eq!(
        (facts.amount, facts.currency),
        (Amount(1230), Currency::USD)
    );
    assert_eq!(facts.kind, TransactionType::Sale);
    assert_eq!(facts.timestamp, rules().uploaded_at);
    assert_eq!(facts.time_source, TimeSource::Upload);
    assert_eq!(facts.original_transaction_id, None);
    assert_eq!(facts.terminal_id, None);
    assert_eq!((facts.country, facts.mcc), (None, None));
    assert_eq!(facts.card.last4.as_str(), "4242");
    assert_eq!(facts.card.brand.name(), "visa");
}

#[test]
fn a_full_row_keeps_its_values() {
    let mut out = Violations::new();
    let row = row(&[
        (Column::Timestamp, "2026-11-22T11:59:59.5Z"),
        (Column::Currency, "BHD"),
        (Column::Amount, "1.234"),
        (Column::Type, "chargeback"),
        (Column::OriginalTransactionId, "tx-0"),
        (Column::TerminalId, "t:9"),
        (Column::Country, "DE"),
        (Column::Mcc, "0742"),
    ]);
    let valid = validate(&row, &rules(), &mut out).unwrap();
    assert_eq!(
        (valid.amount, valid.currency),
        (Amount(1234), Currency::BHD)
    );
    assert_eq!(valid.kind, TransactionType::Chargeback);
    assert_eq!(valid.original_transaction_id, Some(&b"tx-0"[..]));
    assert_eq!(valid.terminal_id, Some(&b"t:9"[..]));
    assert_eq!(valid.country, Country::parse(b"DE"));
    assert_eq!(valid.mcc, Mcc::parse(b"0742"));
    assert_eq!(valid.timestamp.to_string(), "2026-11-22T11:59:59.500Z");
    assert_eq!(valid.time_source, TimeSource::File);
}

/// A value that breaks one rule, in a row that is good otherwise.
const CAUSES: [(Column, &str, Code); 47] = [
    (Column::TransactionId, "", Code::ValueMissing),
    (Column::Amount, "", Code::ValueMissing),
    (Column::MerchantId, "", Code::ValueMissing),
    (Column::CardNumber, "", Code::ValueMissing),
    (
        Column::TransactionId,
        "x2345678901x345678901x345678901x345678901x345678901x345678901x3456",
        Code::IdentifierTooLong,
    ),
    (Column::TransactionId, "a b", Code::IdentifierCharacter),
    (Column::TransactionId, " a", Code::IdentifierCharacter),
    (Column::TransactionId, "=cmd()", Code::IdentifierCharacter),
    (Column::TransactionId, "-1", Code::IdentifierStart),
    (
        Column::TransactionId,
        "4242-4242-4242-4242",
        Code::CardNumberInIdentifier,
    ),
    (Column::MerchantId, CARD, Code::CardNumberInIdentifier),
    (
        Column::TerminalId,
        "x4242424242424242",
        Code::CardNumberInIdentifier,
    ),
    (
        Column::OriginalTransactionId,
        CARD,
        Code::CardNumberInIdentifier,
    ),
    (Column::Amount, "1e5", Code::AmountExponent),
    (Column::Amount, "1e3", Code::AmountExponent),
    (Column::Amount, "-3", Code::AmountSign),
    (Column::Amount, "+3", Code::AmountSign),
    (Column::Amount, "'-3", Code::AmountSign),
    (Column::Amount, "1,000.00", Code::AmountGrouping),
    (Column::Amount, ".5", Code::AmountFormat),
    (Column::Amount, "12.", Code::AmountFormat),
    (Column::Amount, "12.345", Code::AmountDecimals),
    (
        Column::Amount,
        "99999999999999999",
        Code::AmountTooManyDigits,
    ),
    (Column::Amount, "378282246310005", Code::CardNumberInField),
    (Column::Amount, "42222222222.22", Code::CardNumberInField),
    (Column::Currency, "usd", Code::CurrencyCase),
    (Column::Currency, "XAU", Code::CurrencyWithoutMinorUnits),
    (Column::Currency, "DEM", Code::CurrencyUnknown),
    (Column::Currency, " USD", Code::CurrencyUnknown),
    (Column::Type, "SALE", Code::TypeUnknown),
    (Column::Type, "chargeback", Code::OriginalMissing),
    (Column::Country, "UK", Code::CountryUnknown),
    (Column::Mcc, "742", Code::MccFormat),
    (Column::Mcc, "07421", Code::MccFormat),
    (
        Column::Timestamp,
        "0001-01-01T00:00:00Z",
        Code::TimestampTooEarly,
    ),
    (
        Column::Timestamp,
        "9999-12-31T23:59:59Z",
        Code::TimestampTooLate,
    ),
    (
        Column::Timestamp,
        "2026-11-23T12:00:01Z",
        Code::TimestampTooLate,
    ),
    (
        Column::Timestamp,
        "2026-06-30T23:59:60+01:00",
        Code::TimestampLeapSecond,
    ),
    (
        Column::Timestamp,
        "2026-11-22 11:00:00",
        Code::TimestampZoneMissing,
    ),
    (
        Column::Timestamp,
        "2026-02-30T00:00:00Z",
        Code::TimestampOutOfRange,
    ),
    (
        Column::Timestamp,
        "2026-11-22T11:00:00.0000000000Z",
        Code::TimestampPrecision,
    ),
    (Column::Timestamp, "now", Code::TimestampFormat),
    (Column::CardNumber, "4242x24242424242", Code::CardCharacter),
    (Column::CardNumber, "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", Code::CardCharacter),
    (Column::CardNumber, "42424242424", Code::CardLength),
    (Column::CardNumber, "42424242424242424242", Code::CardLength),
    (Column::CardNumber, "4242424242424241", Code::CardChecksum),
];

#[test]
fn each_cause_has_its_code() {
    for (column, value, code) in CAUSES {
        let target = match code {
            Code::OriginalMissing => Column::OriginalTransactionId,
            _ => column,
        };
        let found = violations(&[(column, value)], &rules());
        assert_eq!(found, [(code, Some(target))], "{column:?} {value}");
    }
}

#[test]
fn good_values_of_the_bad_input_list() {
    use Column::*;
    for (column, value) in [
        (Amount, "0"),
        (Amount, "00012.30"),
        (Amount, "12"),
        (Timestamp, "1795262400"),
        (Timestamp, "1795262400123"),
        (Timestamp, "2016-12-31T23:59:60Z"),
        (Timestamp, ""),
        (CardNumber, "4242-4242-4242-4242"),
        (CardNumber, "4242 4242 4242 4242"),
        (TransactionId, "20261122115959000123"),
        (Currency, ""),
        (Type, "refund"),
    ] {
        assert_eq!(
            violations(&[(column, value)], &rules()),
            [],
            "{column:?} {value}"
        );
    }
}

#[test]
fn every_violation_of_a_row_is_reported() {
    let found = violations(
        &[
            (Column::TransactionId, CARD),
            (Column::Amount, CARD),
            (Column::MerchantId, "m 1"),
            (Column::CardNumber, "12.30"),
            (Column::Timestamp, "4242 4242 4242 4242"),
            (Column::Currency, "US"),
            (Column::Type, "x"),
            (Column::OriginalTransactionId, "?"),
            (Column::TerminalId, "4242 4242 4242 4242"),
            (Column::Country, "u"),
            (Column::Mcc, "y"),
        ],
        &rules(),
    );
    let codes: Vec<&str> = found.iter().map(|(code, _)| code.name()).collect();
    assert_eq!(
        codes,
        [
            "card_number_in_identifier",
            "currency_unknown",
            "amount_too_many_digits",
            "card_number_in_field",
            "identifier_character",
            "card_character",
            "timestamp_format",
            "card_number_in_field",
            "type_unknown",
            "identifier_character",
            "identifier_character",
            "card_number_in_identifier",
            "country_unknown",
            "mcc_format",
        ]
    );
}

#[test]
fn a_dispute_may_not_name_itself() {
    let named = |kind| {
        violations(
            &[
                (Column::Type, kind),
                (Column::OriginalTransactionId, "tx-1"),
            ],
            &rules(),
        )
    };
    let original = Some(Column::OriginalTransactionId);
    assert_eq!(named("chargeback"), [(Code::SelfReference, original)]);
    assert_eq!(named("refund"), []);
    assert_eq!(named("sale"), []);
}

#[test]
fn rules_of_the_upload_and_the_operator_count() {
    let scoped = RowRules {
        merchants: MerchantScope::only(["m-2", "m-1", "m-2"]),
        default_currency: Currency::JPY,
        default_time_zone: TimeZone::parse(b"Europe/Berlin"),
        long_number_ids_allowed: true,
        ..rules()
    };
    let amount = (Column::Amount, "12");
    for (value, expected) in [
        ((Column::TransactionId, CARD), None),
        ((Column::MerchantId, "m-2"), None),
        ((Column::MerchantId, "m-3"), Some(Code::MerchantNotAllowed)),
        ((Column::Amount, "12.3"), Some(Code::AmountDecimals)),
        (
            (Column::Amount, "4222222222222"),
            Some(Code::CardNumberInField),
        ),
        ((Column::Timestamp, "2026-07-01 12:00:00"), None),
        (
            (Column::Timestamp, "2026-03-29 02:30:00"),
            Some(Code::TimestampSkipped),
        ),
        (
            (Column::Timestamp, "2026-10-25 02:30:00"),
            Some(Code::TimestampAmbiguous),
        ),
    ] {
        let found: Vec<Code> = violations(&[amount, value], &scoped)
            .into_iter()
            .map(|(code, _)| code)
            .collect();
        assert_eq!(found, Vec::from_iter(expected), "{value:?}");
    }
}

#[test]
fn ids_of_a_rejected_row_are_told_only_where_they_may_be() {
    let scoped = RowRules {
        merchants: MerchantScope::only(["m-1"]),
        ..rules()
    };
    for (value, expected) in [
        ((Column::Amount, "x"), Some(("tx-1", "m-1"))),
        ((Column::TransactionId, "a b"), None),
        ((Column::TransactionId, CARD), None),
        ((Column::TransactionId, ""), None),
        ((Column::MerchantId, "m-2"), None),
    ] {
        assert_eq!(usable_ids(&row(&[value]), &scoped), expected, "{value:?}");
    }
    let exempt = RowRules {
        long_number_ids_allowed: true,
        ..scoped
    };
    let long = row(&[(Column::TransactionId, CARD)]);
    assert_eq!(usable_ids(&long, &exempt), Some((CARD, "m-1")));
}

#[test]
fn our_own_quote_is_taken_off_and_no_other() {
    for (field, expected) in [
        ("'=1+1", "=1+1"),
        ("'-3", "-3"),
        ("'+3", "+3"),
        ("'@x", "@x"),
        ("'\tx", "\tx"),
        ("'\rx", "\rx"),
        ("'x", "'x"),
        ("''=x", "''=x"),
        ("'", "'"),
        ("=x", "=x"),
    ] {
        assert_eq!(
            crate::row::unquote_formula(field.as_bytes()),
            expected.as_bytes()
        );
    }
}

#[test]
fn messages_hold_numbers_and_no_content() {
    let mut out = Violations::new();
    let row = row(&[
        (Column::Amount, "12.34567"),
        (Column::CardNumber, "42424242424242424242"),
    ]);
    assert!(validate(&row, &rules(), &mut out).is_none());
    let messages: Vec<String> = out
        .iter()
        .map(|found| found.message().to_string())
        .collect();
    assert_eq!(
        messages,
        [
            "the amount has more decimals than its currency (5 decimals, USD has 2)",
            "the card number has too few or too many digits (20)",
        ]
    );
}

proptest! {
    #[test]
    fn any_bytes_give_a_valid_row_or_a_violation(
        fields in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..24)), COLUMNS)
    ) {
        let mut row = RawRow::default();
        for (place, field) in row.0.iter_mut().zip(&fields) {
            *place = field.as_deref();
        }
        let mut out = Violations::new();
        let valid = validate(&row, &rules(), &mut out);
        prop_assert_eq!(valid.is_some(), out.is_empty());
        prop_assert!(valid.is_none() || usable_ids(&row, &rules()).is_some());
    }

    #[test]
    fn a_valid_row_holds_no_card_number_outside_its_card(
        id in "[A-Za-z0-9][0-9_.:-]{0,30}", amount in "[0-9]{1,15}(\\.[0-9]{1,2})?"
    ) {
        let mut out = Violations::new();
        let row = row(&[(Column::TransactionId, &id), (Column::Amount, &amount)]);
        if let Some(valid) = validate(&row, &rules(), &mut out) {
            prop_assert!(!holds_card_number(valid.transaction_id));
            let mut written = Vec::new();
            valid.amount.write_decimal(valid.currency, &mut written);
            prop_assert!(!crate::redact::digits_hold_card_number(&written));
            prop_assert!(!crate::redact::digits_hold_card_number(amount.as_bytes()));
        }
    }
}

const COLUMNS: usize = crate::row::COLUMN_COUNT;
