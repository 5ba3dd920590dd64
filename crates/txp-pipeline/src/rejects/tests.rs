//! The rejects report: safe to open, mended and sent again.

use super::*;
use crate::csv::{Aliases, RecordReader};
use proptest::prelude::*;
use txp_domain::money::Currency;
use txp_domain::redact::needs_redaction;
use txp_domain::row::{MerchantScope, RowRules, validate};
use txp_domain::time::Timestamp;
use txp_domain::violation::{Code, Note, Violations};

/// The report of a file of which every record is rejected for the same reasons.
fn report(file: &[u8], violations: &[Violation]) -> String {
    let mut reader = RecordReader::open(file, &Aliases::default(), None).unwrap();
    let mut report = RejectsWriter::new(Vec::new(), reader.header()).unwrap();
    while let Some(row) = reader.next_row().unwrap() {
        report.write(&row, violations).unwrap();
    }
    String::from_utf8(report.finish().unwrap()).unwrap()
}

fn cells(report: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(report.as_bytes());
    let records = reader.records();
    records
        .map(|record| record.unwrap().iter().map(String::from).collect())
        .collect()
}

#[test]
fn a_report() {
    let file = "Card_Number;x;amount;merchant_id;transaction_id\n\
                4111 1111 1111 1111;secret;1,5;m;t-1\n\
                ;;-3;=cmd();4111111111111111\n";
    let violations = [
        Violation::of(Code::AmountSign, Column::Amount),
        Violation::of_record(Code::FieldCount, Note::Counts { found: 5, limit: 4 }),
    ];
    let report = report(file.as_bytes(), &violations);
    let rows = cells(&report);
    let [header, first, second] = &rows[..] else {
        panic!("{rows:?}")
    };
    let names = ["card_number", "amount", "merchant_id", "transaction_id"];
    assert_eq!(header[..], [&names[..], &OWN_COLUMNS[..]].concat());
    assert_eq!(first[..6], ["card_masked", "1,5", "m", "t-1", "2", "1"]);
    assert_eq!(
        second[..6],
        ["", "'-3", "'=cmd()", "[redacted 16 digits]", "3", "2"]
    );
    assert_eq!(second[6], "amount_sign field_count");
    assert!(
        second[7].starts_with("amount: the amount has a sign (write "),
        "{}",
        second[7]
    );
    assert!(
        second[7].contains("header (5, not 4) (quote fields"),
        "{}",
        second[7]
    );
}

#[test]
fn a_report_is_read_again() {
    let file =
        "amount;merchant_id;transaction_id;card_number\n1;m;t-1;x\n\"a\nb\";m;t-2;y\n2;m;t-3;z\n";
    let violations = [
        Violation::of(Code::AmountSign, Column::Amount),
        Violation::of_record(Code::FieldCount, Note::Counts { found: 5, limit: 4 }),
    ];
    let report = report(file.as_bytes(), &violations);
    let mut found = Vec::new();
    read_rejects(report.as_bytes(), |record, codes| {
        found.push((record, codes.join("+")));
    })
    .unwrap();
    let codes = "amount_sign+field_count".to_owned();
    assert_eq!(found, [(1, codes.clone()), (2, codes.clone()), (3, codes)]);
}

#[test]
fn what_is_no_report_is_said_to_be_none() {
    let read = |text: &str| read_rejects(text.as_bytes(), |_, _| {});
    let named = "reject_line,reject_record,reject_codes,reject_reasons\n";
    assert!(read(named).is_ok());
    let none = read("amount,reject_record\n");
    assert!(matches!(none, Err(DamagedReport::NoColumn("reject_codes"))));
    let other = read(&format!("{named}2,4111111111111111x,a,b\n")).unwrap_err();
    assert!(matches!(other, DamagedReport::NoRecord(2)));
    assert!(!other.to_string().contains("4111"), "{other}");
    let cut = read(&format!("{named}2,1\n"));
    assert!(matches!(cut, Err(DamagedReport::Unreadable(_))));
}

#[test]
fn cells_are_safe() {
    let cases = [
        ("plain", "plain"),
        ("", ""),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@sum", "'@sum"),
        ("\tx", "'␉x"),
        ("  =1", "'  =1"),
        ("\u{a0}\u{200b}=1", "'\u{a0}\u{200b}=1"),
        ("＝1", "'＝1"),
        ("−1", "'−1"),
        ("'=1", "'=1"),
        ("1=1", "1=1"),
        ("a\0b\u{1b}c\u{202e}d", "a␀b␛c\u{fffd}d"),
        ("a\nb", "a␊b"),
        ("4111-1111-1111-1111", "[redacted 16 digits]"),
        ("４１１１1111 1111 1111", "[redacted 16 digits]"),
        ("4111,1111,1111,1111", "[redacted 16 digits]"),
        ("4111\u{fffd}1111*1111|1111", "[redacted 16 digits]"),
    ];
    for (field, expected) in cases {
        let mut cell = String::new();
        show_field(field.as_bytes(), &mut cell);
        assert_eq!(cell, expected, "{field:?}");
    }
    let mut cell = String::new();
    show_field(&b"x".repeat(5000), &mut cell);
    assert_eq!(cell, format!("{}…", "x".repeat(CELL_CHARS_MAX)));
}

#[test]
fn records_that_are_not_readable_keep_what_can_be_shown() {
    let long = "9".repeat(70_000);
    let file = [
        b"transaction_id,amount,merchant_id,card_number\n".to_vec(),
        b"t-1,1.00,caf\xe9,4111111111111111\n".to_vec(),
        format!("t-2,{long},m,4111111111111111\n").into_bytes(),
    ]
    .concat();
    let rows = cells(&report(&file, &[]));
    assert_eq!(
        rows[1][..6],
        ["t-1", "1.00", "caf\u{fffd}", "card_masked", "2", "1"]
    );
    assert_eq!(rows[2][..6], ["", "", "", "", "3", "2"]);
}

/// A grouped amount shifts what follows; the shifted cells would be another, valid row.
#[test]
fn a_record_with_another_number_of_fields_shows_none() {
    let file = "transaction_id,amount,merchant_id,card_number\n\
                r-1,1,000.00,m-1,4111111111111111\n\
                r-2,1.00\n\
                \n\
                r-3,1.00,m-1,4111111111111111\n";
    let rows = cells(&report(file.as_bytes(), &[]));
    let [_, more, fewer, whole] = &rows[..] else {
        panic!("{rows:?}")
    };
    assert_eq!(more[..6], ["", "", "", "", "2", "1"]);
    assert_eq!(fewer[..6], ["", "", "", "", "3", "2"]);
    assert_eq!(whole[..6], ["r-3", "1.00", "m-1", "card_masked", "5", "3"]);
}

#[test]
fn a_report_is_mended_and_read_again() {
    let file = "timestamp|transaction_id|amount|merchant_id|card_number\n\
                2025-03-01T10:15:00Z|t-1|-3.00|m-1|4111111111111111\n";
    let sign = [Violation::of(Code::AmountSign, Column::Amount)];
    let report = report(file.as_bytes(), &sign);
    let rules = RowRules {
        merchants: MerchantScope::All,
        uploaded_at: Timestamp(1_800_000_000_000_000_000),
        default_currency: Currency::from_code(b"USD").unwrap(),
        default_time_zone: None,
        long_number_ids_allowed: false,
    };
    let codes = |report: &str| -> Vec<Code> {
        let mut reader = RecordReader::open(report.as_bytes(), &Aliases::default(), None).unwrap();
        assert!(
            reader.header().unknown().is_empty(),
            "our own columns are not named"
        );
        let row = reader.next_row().unwrap().unwrap();
        assert!(row.faults.is_empty());
        let mut violations = Violations::new();
        let is_valid = validate(&row.raw, &rules, &mut violations).is_some();
        assert_eq!(is_valid, violations.is_empty());
        violations.iter().map(|violation| violation.code).collect()
    };
    let with_card = report.replace(CARD_MASKED, "4111111111111111");
    assert!(with_card.contains("'-3.00"));
    assert_eq!(
        codes(&with_card),
        [Code::AmountSign],
        "the quote of ours is taken off"
    );
    assert_eq!(codes(&with_card.replace("'-3.00", "3.00")), []);
    assert_eq!(
        codes(&with_card.replace("'-3.00", "'3.00")),
        [Code::AmountFormat]
    );
}

#[test]
fn many_rejects_stream_through_one_line() {
    const ROWS: usize = 100_000;
    let row = b"t,-1,m,4111111111111111\n";
    let header = b"transaction_id,amount,merchant_id,card_number\n";
    let file = [&header[..], &row.repeat(ROWS)].concat();
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.iter().filter(|byte| **byte == b'\n').count();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut reader = RecordReader::open(&file[..], &Aliases::default(), None).unwrap();
    let mut report = RejectsWriter::new(Count(0), reader.header()).unwrap();
    let sign = [Violation::of(Code::AmountSign, Column::Amount)];
    while let Some(row) = reader.next_row().unwrap() {
        report.write(&row, &sign).unwrap();
    }
    assert!(report.line.capacity() < 1024);
    assert_eq!(report.finish().unwrap().0, ROWS + 1);
}

proptest! {
    #[test]
    fn whatever_came_the_report_is_csv_without_long_numbers_or_formulas(
        fields in prop::collection::vec("[0-9]{0,8}[-=+@ ,;\"'\n\t\r٣４\u{0}a-z]{0,3}[0-9]{0,9}", 4),
    ) {
        let quoted: Vec<_> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
        let file = format!("transaction_id,amount,merchant_id,card_number\n{}\n", quoted.join(","));
        let report = report(file.as_bytes(), &[]);
        let rows = cells(&report);
        prop_assert_eq!(rows.len(), 2);
        for cell in &rows[1] {
            prop_assert!(!needs_redaction(cell), "{:?}", cell);
            prop_assert!(!is_formula(cell), "{:?}", cell);
            prop_assert!(!cell.contains(char::is_control), "{:?}", cell);
        }
        let card = if fields[3].trim_ascii().is_empty() { "" } else { CARD_MASKED };
        prop_assert_eq!(&rows[1][3], card);
    }
}

#[test]
fn a_cell_of_sound_text_is_as_it_is_unless_it_runs() {
    for (text, cell) in [
        ("", ""),
        ("order-1", "order-1"),
        ("4111111111111111", "4111111111111111"),
        ("a b", "\"a b\""),
        ("{\"a\":1}", "\"{\"\"a\"\":1}\""),
        ("=1+1", "\"'=1+1\""),
        (" @x", "\"' @x\""),
        ("-3", "\"'-3\""),
        ("a\nb", "a\u{240a}b"),
    ] {
        let mut line = String::new();
        push_cell(text, &mut line);
        assert_eq!(line, cell, "{text:?}");
    }
}
