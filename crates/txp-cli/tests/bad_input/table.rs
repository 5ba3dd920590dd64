//! The table: each file's name, bytes and arguments, and what must come of it.

#![allow(clippy::too_many_lines, reason = "the table is data")]

use super::support::{AMEX, HEADER, MASTERCARD, VISA};

/// One file and its outcome.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) args: &'static [&'static str],
    pub(crate) exit: i32,
    pub(crate) state: &'static str,
    /// Accepted, rejected, duplicates, conflicts.
    pub(crate) counts: [u64; 4],
    /// Rejected rows by code, `code=count` with blanks between; a part of the error of a file that
    /// fails.
    pub(crate) says: &'static str,
}

fn case(
    name: &'static str,
    bytes: impl Into<Vec<u8>>,
    exit: i32,
    state: &'static str,
    counts: [u64; 4],
    says: &'static str,
) -> Case {
    Case {
        name,
        bytes: bytes.into(),
        args: &[],
        exit,
        state,
        counts,
        says,
    }
}

fn with(case: Case, args: &'static [&'static str]) -> Case {
    Case { args, ..case }
}

const PLAIN: &str = "transaction_id,amount,merchant_id,card_number\n";

/// A header and rows of it.
fn file(header: &str, rows: &[&str]) -> Vec<u8> {
    let mut text = header.to_owned();
    for row in rows {
        text.push_str(row);
        text.push('\n');
    }
    text.into_bytes()
}

/// Plain rows, one for each amount, with ids t1, t2, ...
fn amounts(header: &str, amounts: &[&str], rest: &str) -> Vec<u8> {
    let mut text = header.to_owned();
    for (index, amount) in amounts.iter().enumerate() {
        text.push_str(&format!("t{},{amount},m1,{VISA}{rest}\n", index + 1));
    }
    text.into_bytes()
}

fn utf16(text: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

pub(crate) fn files() -> Vec<Case> {
    let good = format!("t1,12.00,m1,{VISA}");
    let two = file(PLAIN, &[&good, &format!("t2,3.50,m1,{MASTERCARD}")]);
    let text = String::from_utf8(two.clone()).unwrap();
    let bom = [b"\xef\xbb\xbf".as_slice(), &two].concat();
    vec![
        case("empty file", "", 3, "failed", [0; 4], "empty"),
        case("header only", PLAIN, 0, "completed", [0; 4], ""),
        case("blank lines only", "\n\n\r\n", 3, "failed", [0; 4], "empty"),
        case("plain", two.clone(), 0, "completed", [2, 0, 0, 0], ""),
        case(
            "no newline at the end",
            text.trim_end(),
            0,
            "completed",
            [2, 0, 0, 0],
            "",
        ),
        case("bom", bom, 0, "completed", [2, 0, 0, 0], ""),
        case("utf-16", utf16(&two), 3, "failed", [0; 4], "UTF-16"),
        case(
            "crlf",
            text.replace('\n', "\r\n"),
            0,
            "completed",
            [2, 0, 0, 0],
            "",
        ),
        case(
            "semicolons",
            text.replace(',', ";"),
            0,
            "completed",
            [2, 0, 0, 0],
            "",
        ),
        case(
            "tabs",
            text.replace(',', "\t"),
            0,
            "completed",
            [2, 0, 0, 0],
            "",
        ),
        case(
            "pipes",
            text.replace(',', "|"),
            0,
            "completed",
            [2, 0, 0, 0],
            "",
        ),
        case(
            "duplicate header",
            text.replace("merchant_id", "amount"),
            3,
            "failed",
            [0; 4],
            "amount",
        ),
        case(
            "missing required column",
            text.replace("merchant_id", "shop"),
            3,
            "failed",
            [0; 4],
            "merchant_id",
        ),
        with(
            case(
                "column alias",
                text.replace("merchant_id", "shop"),
                0,
                "completed",
                [2, 0, 0, 0],
                "",
            ),
            &["--column", "shop=merchant_id"],
        ),
        case(
            "no header",
            good.clone() + "\n",
            3,
            "failed",
            [0; 4],
            "[redacted 16 digits]",
        ),
        case(
            "latin-1 in the header",
            [
                b"transaction_id,amount,merchant_id,card_number,caf\xe9\n".as_slice(),
                b"t1,1,m1,4111111111111111,x\n",
            ]
            .concat(),
            3,
            "failed",
            [0; 4],
            "UTF-8",
        ),
    ]
}

pub(crate) fn shapes() -> Vec<Case> {
    let nul = format!("t1,1.00,m\0001,{VISA}");
    let latin = {
        let mut bytes = amounts(PLAIN, &["1.00"; 600], "");
        let at = bytes.windows(6).position(|w| w == b"\nt500,").unwrap();
        bytes[at + 2] = 0xe9;
        bytes
    };
    let unclosed = {
        let mut text = PLAIN.to_owned();
        for row in 1..=10_000 {
            let id = if row == 7 {
                "\"t7".to_owned()
            } else {
                format!("t{row}")
            };
            text.push_str(&format!("{id},1.00,m1,{VISA}\n"));
        }
        text
    };
    let quoted = format!(
        "transaction_id,amount,merchant_id,card_number,note\nt1,1.00,m1,{VISA},\"two\nlines\"\nt2,1.00,m1,{VISA},\"a \"\"b\"\"\"\n"
    );
    let shifted = format!(
        "transaction_id,amount,merchant_id,card_number,timestamp\nm1,{VISA},t1,2025-01-01T00:00:00Z,5.00\n{VISA},5.00,m1,t1,2025-01-01T00:00:00Z\n"
    );
    vec![
        case("quoted newline", quoted, 0, "completed", [2, 0, 0, 0], ""),
        case(
            "unclosed quote at row 7 of 10,000",
            unclosed,
            3,
            "failed",
            [6, 0, 0, 0],
            "line 8",
        ),
        case(
            "nul byte",
            file(PLAIN, &[&nul]),
            0,
            "completed",
            [0, 1, 0, 0],
            "identifier_character=1",
        ),
        case(
            "latin-1 in row 500",
            latin,
            0,
            "completed",
            [599, 1, 0, 0],
            "invalid_utf8=1",
        ),
        case(
            "columns shifted by one",
            shifted,
            0,
            "completed",
            [0, 2, 0, 0],
            "amount_too_many_digits=1 card_character=2 card_number_in_field=1 card_number_in_identifier=1 timestamp_format=1",
        ),
        case(
            "too few and too many fields",
            file(PLAIN, &["t1,1.00,m1", &format!("t2,1.00,m1,{VISA},x")]),
            0,
            "completed",
            [0, 2, 0, 0],
            "field_count=2",
        ),
        case(
            "card numbers in a transaction id, spelled in ways",
            file(
                PLAIN,
                &[
                    &format!("{VISA},1.00,m1,{MASTERCARD}"),
                    &format!("4111-1111-1111-1111,1.00,m1,{MASTERCARD}"),
                    &format!("t1,1.00,{AMEX},{MASTERCARD}"),
                    &format!("order:{VISA},1.00,m1,{MASTERCARD}"),
                ],
            ),
            0,
            "completed",
            [0, 4, 0, 0],
            "card_number_in_identifier=4",
        ),
        case(
            "a card number in an unknown column, by name and by value",
            format!(
                "transaction_id,amount,merchant_id,card_number,{AMEX}\nt1,1.00,m1,{VISA},{MASTERCARD}\n"
            ),
            0,
            "completed",
            [1, 0, 0, 0],
            "",
        ),
        case(
            "a card number as an amount",
            file(
                PLAIN,
                &[
                    &format!("t1,{AMEX},m1,{VISA}"),
                    &format!("t2,37828224631000.5,m1,{VISA}"),
                ],
            ),
            0,
            "completed",
            [0, 2, 0, 0],
            "amount_too_many_digits=1 card_number_in_field=2",
        ),
        case(
            "formulas",
            file(
                PLAIN,
                &[
                    &format!("=cmd()|'/c calc'!A0,1.00,m1,{VISA}"),
                    &format!("t2,=1+1,m1,{VISA}"),
                    &format!("t3,1.00,@SUM(A1),{VISA}"),
                ],
            ),
            0,
            "completed",
            [0, 3, 0, 0],
            "amount_format=1 identifier_character=1 identifier_start=2",
        ),
    ]
}

pub(crate) fn ids() -> Vec<Case> {
    let many = {
        let mut text = PLAIN.to_owned();
        for _ in 0..100_000 {
            text.push_str(&format!("t1,1.00,m1,{VISA}\n"));
        }
        text
    };
    let rejects = {
        let mut text = PLAIN.to_owned();
        for row in 0..200_000 {
            text.push_str(&format!("t{row},-1,m1,{VISA}\n"));
        }
        text
    };
    let row = format!("t1,1.00,m1,{VISA}");
    let other = format!("t1,2.00,m1,{VISA}");
    vec![
        case(
            "an id twice, same content",
            file(PLAIN, &[&row, &row]),
            0,
            "completed",
            [1, 0, 1, 0],
            "",
        ),
        case(
            "an id twice, other content",
            file(PLAIN, &[&row, &other]),
            0,
            "completed",
            [1, 0, 0, 1],
            "",
        ),
        case(
            "an id of two merchants",
            file(PLAIN, &[&row, &row.replace("m1", "m2")]),
            0,
            "completed",
            [2, 0, 0, 0],
            "",
        ),
        case(
            "an id 100,000 times",
            many,
            0,
            "completed",
            [1, 0, 99_999, 0],
            "",
        ),
        case(
            "200,000 rejects",
            rejects,
            0,
            "completed",
            [0, 200_000, 0, 0],
            "amount_sign=200000",
        ),
        with(
            case(
                "strict with one bad row",
                file(PLAIN, &[&row, "t2,-1,m1,4111111111111111"]),
                1,
                "failed",
                [0, 1, 0, 0],
                "strict",
            ),
            &["--strict"],
        ),
        with(
            case(
                "strict without a bad row",
                file(PLAIN, &[&row]),
                0,
                "completed",
                [1, 0, 0, 0],
                "",
            ),
            &["--strict"],
        ),
    ]
}

pub(crate) fn values() -> Vec<Case> {
    let with_currency = "transaction_id,amount,merchant_id,card_number,currency\n";
    let list = [
        "1e5",
        "1e3",
        "-3",
        "+3",
        "1,000.00",
        ".5",
        "12.",
        "0",
        "00012.30",
        "12.345",
        "99999999999999999",
    ];
    let quoted: Vec<_> = list.iter().map(|amount| format!("\"{amount}\"")).collect();
    let quoted: Vec<_> = quoted.iter().map(String::as_str).collect();
    let times = [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2016-12-31T23:59:60Z",
        "2016-12-30T12:00:60Z",
        "2025-01-01T00:00:00",
        "1735689600",
        "1735689600000",
        "2025-02-30T00:00:00Z",
        "yesterday",
    ];
    let rows: Vec<_> = times
        .iter()
        .enumerate()
        .map(|(index, time)| format!("t{index},1.00,m1,{VISA},{time}"))
        .collect();
    let rows: Vec<_> = rows.iter().map(String::as_str).collect();
    let times = file(HEADER, &rows);
    let cards = [
        "4111a11111111111",
        "٤١١١١١١١١١١١١١١١",
        "41111111111",
        "41111111111111111111",
        "4111-1111-1111-1111",
        "4111 1111 1111 1111",
        "4111111111111112",
        "",
    ];
    let cards: Vec<_> = cards
        .iter()
        .enumerate()
        .map(|(index, card)| format!("t{index},1.00,m1,{card}"))
        .collect();
    let cards: Vec<_> = cards.iter().map(String::as_str).collect();
    vec![
        case(
            "amounts",
            amounts(PLAIN, &quoted, ""),
            0,
            "completed",
            [2, 9, 0, 0],
            "amount_decimals=1 amount_exponent=2 amount_format=2 amount_grouping=1 amount_sign=2 amount_too_many_digits=1",
        ),
        case(
            "yen",
            amounts(with_currency, &["100", "100.0", "100.5"], ",JPY"),
            0,
            "completed",
            [1, 2, 0, 0],
            "amount_decimals=2",
        ),
        case(
            "dinars",
            amounts(with_currency, &["1.234", "1.2345", "1"], ",BHD"),
            0,
            "completed",
            [2, 1, 0, 0],
            "amount_decimals=1",
        ),
        case(
            "timestamps",
            times.clone(),
            0,
            "completed",
            [3, 6, 0, 0],
            "timestamp_format=1 timestamp_leap_second=1 timestamp_out_of_range=1 timestamp_too_early=1 timestamp_too_late=1 timestamp_zone_missing=1",
        ),
        with(
            case(
                "timestamps with a zone given",
                times,
                0,
                "completed",
                [4, 5, 0, 0],
                "timestamp_format=1 timestamp_leap_second=1 timestamp_out_of_range=1 timestamp_too_early=1 timestamp_too_late=1",
            ),
            &["--time-zone", "Europe/Berlin"],
        ),
        case(
            "cards",
            file(PLAIN, &cards),
            0,
            "completed",
            [2, 6, 0, 0],
            "card_character=2 card_checksum=1 card_length=2 value_missing=1",
        ),
    ]
}
