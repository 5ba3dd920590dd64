//! The table of codes: name, message and hint of each, in one place.
//!
//! The names are part of stored events and of rejects reports: they are added to, never changed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $message:literal, $hint:literal;)+) => {
        /// What is wrong with a row: one code for each cause.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Code {
            $(#[doc = $message] $variant,)+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: [Self; CODE_COUNT] = [$(Self::$variant),+];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What is wrong, in words.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)+ }
            }

            /// What to do about it.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)+ }
            }

            /// The code of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }

        /// How many codes there are.
        pub const CODE_COUNT: usize = [$($name),+].len();
    };
}

codes! {
    FieldCount = "field_count", "the record has another number of fields than the header",
        "quote fields that hold the delimiter, and write every column of the header in every record";
    InvalidUtf8 = "invalid_utf8", "the record is not UTF-8",
        "save the file as UTF-8";
    RecordTooLong = "record_too_long", "the record is longer than allowed",
        "check for a quote that is never closed; a record has at most 65536 bytes";
    ValueMissing = "value_missing", "a required value is missing",
        "fill in the column";
    IdentifierTooLong = "identifier_too_long", "the identifier is too long",
        "use 1 to 64 characters";
    IdentifierCharacter = "identifier_character", "the identifier holds a character that is not allowed",
        "use letters A-Z a-z, digits, and _ - . : only, without blanks around";
    IdentifierStart = "identifier_start", "the identifier does not start with a letter or digit",
        "start it with a letter A-Z a-z or a digit";
    CardNumberInIdentifier = "card_number_in_identifier", "the identifier looks like a card number",
        "never send a card number as an identifier; if your identifiers are long numbers, ask the operator for an exemption";
    CardNumberInField = "card_number_in_field", "the value looks like a card number",
        "check that the columns are not shifted; a card number belongs in card_number only";
    AmountFormat = "amount_format", "the amount is not a plain decimal number",
        "write digits, and a dot with decimals after it if needed, such as 12.30";
    AmountSign = "amount_sign", "the amount has a sign",
        "write the amount without a sign; a refund is told by the type column";
    AmountExponent = "amount_exponent", "the amount has an exponent",
        "write the number out, such as 1000 for 1e3";
    AmountGrouping = "amount_grouping", "the amount has a comma, blank or other mark between its digits",
        "write digits without grouping, and a dot before the decimals, such as 1000.00";
    AmountDecimals = "amount_decimals", "the amount has more decimals than its currency",
        "write no more decimals than the currency has, not even zeros";
    AmountTooManyDigits = "amount_too_many_digits", "the amount has too many digits",
        "write at most 15 digits, leading zeros not counted";
    CurrencyUnknown = "currency_unknown", "the currency is not a code of ISO 4217",
        "write an alphabetic code of three upper-case letters, such as USD";
    CurrencyCase = "currency_case", "the currency is not in upper case",
        "write the code in upper case, such as USD";
    CurrencyWithoutMinorUnits = "currency_without_minor_units", "the currency has no minor units, so no amount can be told in it",
        "use the currency of the payment; metals, test and fund codes without minor units are refused";
    TypeUnknown = "type_unknown", "the type is not one of sale, refund, chargeback",
        "write sale, refund or chargeback in lower case, or leave it empty for sale";
    OriginalMissing = "original_missing", "a chargeback does not name its original transaction",
        "write the disputed transaction's id in original_transaction_id";
    SelfReference = "self_reference", "the transaction names itself as its original",
        "write the disputed transaction's id in original_transaction_id and give the chargeback an id of its own";
    CountryUnknown = "country_unknown", "the country is not a code of ISO 3166-1",
        "write an alpha-2 code of two upper-case letters, such as US";
    MccFormat = "mcc_format", "the merchant category code is not of 4 digits",
        "write exactly 4 digits, leading zeros included";
    TimestampFormat = "timestamp_format", "the timestamp is in no form that is read",
        "write RFC 3339 such as 2026-11-22T19:59:03Z, or Unix time of 10 digits (seconds) or 13 (milliseconds)";
    TimestampZoneMissing = "timestamp_zone_missing", "the timestamp has no time zone and the upload gives no default",
        "add Z or an offset such as +02:00, or give the upload a default time zone";
    TimestampOutOfRange = "timestamp_out_of_range", "the timestamp names a date, time or offset that does not exist",
        "check month, day, hour, minute and second";
    TimestampLeapSecond = "timestamp_leap_second", "second 60 is allowed only at 23:59:60 UTC",
        "write the second that follows";
    TimestampPrecision = "timestamp_precision", "the timestamp has too many fractional digits",
        "write at most 9 digits after the second";
    TimestampSkipped = "timestamp_skipped", "the local time does not exist: clocks were put forward over it",
        "write the timestamp with an offset such as +02:00";
    TimestampAmbiguous = "timestamp_ambiguous", "the local time occurs twice: clocks were put back over it",
        "write the timestamp with an offset such as +02:00";
    TimestampTooEarly = "timestamp_too_early", "the timestamp is before 1970",
        "check the year";
    TimestampTooLate = "timestamp_too_late", "the timestamp is more than 24 hours after the upload",
        "check the year, the zone, and whether Unix time is in seconds or milliseconds";
    CardCharacter = "card_character", "the card number holds something other than digits",
        "write ASCII digits 0 to 9; blanks and dashes between digits are allowed";
    CardLength = "card_length", "the card number has too few or too many digits",
        "write the full number of 12 to 19 digits";
    CardChecksum = "card_checksum", "the card number fails its check digit",
        "check the number for a mistyped digit";
    MerchantNotAllowed = "merchant_not_allowed", "this client may not send for the merchant",
        "check merchant_id, or ask the operator to allow the merchant for your client";
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom("expected the name of a violation's code"))
    }
}

impl schemars::JsonSchema for Code {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": Self::ALL.map(Self::name).as_slice() })
    }
}
