//! Headers: what is found, what is refused and in which words.

use super::*;
use proptest::prelude::*;

fn read(file: &[u8]) -> Result<Header, HeaderFaults> {
    Header::read(file, &Aliases::default()).map(|(header, _)| header)
}

fn faults(file: &[u8]) -> Vec<HeaderFault> {
    read(file).expect_err("a fault").as_slice().to_vec()
}

const PLAIN: &str = "transaction_id,amount,merchant_id,card_number";

#[test]
fn headers_that_are_read() {
    let long_name = format!("{PLAIN},{}\n", "é".repeat(1000));
    let cases: [(&str, u8, usize); 13] = [
        (PLAIN, b',', 4),
        (
            "transaction_id,amount,merchant_id,card_number,timestamp\r\n",
            b',',
            5,
        ),
        (
            "\u{feff}transaction_id;amount;merchant_id;card_number\n",
            b';',
            4,
        ),
        (
            "transaction_id\tamount\tmerchant_id\tcard_number\n",
            b'\t',
            4,
        ),
        ("transaction_id|amount|merchant_id|card_number\n", b'|', 4),
        (
            " Transaction_ID , AMOUNT,\"Merchant_Id \",\tcard_number\u{a0}\n",
            b',',
            4,
        ),
        (
            "\u{feff}\"transaction_id\",\"amount\",\"merchant_id\",\"card_number\"\n",
            b',',
            4,
        ),
        (
            "\n\r\n\ntransaction_id,amount,merchant_id,card_number\n",
            b',',
            4,
        ),
        ("transaction_id\ramount\r", b',', 0),
        (
            "card_number;merchant_id;amount;transaction_id;a,b,c,d,e,f,g,h\n",
            b';',
            4,
        ),
        (
            "transaction_id,amount,merchant_id,card_number,\"two\nlines\"\n",
            b',',
            4,
        ),
        (&long_name, b',', 4),
        (
            "transaction_id,amount,merchant_id,card_number,reject_line,reject_codes\n",
            b',',
            4,
        ),
    ];
    for (file, delimiter, columns) in cases {
        match read(file.as_bytes()) {
            Ok(header) => {
                assert_eq!(
                    (header.delimiter(), header.columns().len()),
                    (delimiter, columns),
                    "{file}"
                );
            }
            Err(faults) => assert_eq!(columns, 0, "{file}: {faults}"),
        }
    }
}

#[test]
fn columns_are_found_in_any_order() {
    let header = read(b"x,card_number,Amount,merchant_id,mcc,transaction_id,Y,x\n").unwrap();
    let expected = [
        (Column::CardNumber, 1),
        (Column::Amount, 2),
        (Column::MerchantId, 3),
        (Column::Mcc, 4),
        (Column::TransactionId, 5),
    ];
    assert_eq!(header.columns(), expected);
    assert_eq!(header.width(), 8);
    assert_eq!(
        (header.unknown(), header.unknown_count()),
        (&["x".into(), "y".into()][..], 2)
    );
}

#[test]
fn the_rows_begin_behind_the_header() {
    let file = "\u{feff}\r\ntransaction_id,amount,merchant_id,card_number\r\nrow\r\n";
    let (_, from) = Header::read(file.as_bytes(), &Aliases::default()).unwrap();
    assert_eq!(
        from,
        Checkpoint {
            offset: 52,
            record: 1,
            line: 3
        }
    );
}

/// A file and why its header is refused.
type Refused = (Vec<u8>, Vec<HeaderFault>);

fn check_refused(cases: Vec<Refused>) {
    for (file, expected) in cases {
        let start = file.get(..60).unwrap_or(&file);
        assert_eq!(
            faults(&file),
            expected,
            "{:?}",
            String::from_utf8_lossy(start)
        );
    }
}

#[test]
fn files_that_are_no_text_in_utf_8_are_refused() {
    let utf_16 = || vec![HeaderFault::Encoding { encoding: "UTF-16" }];
    let utf_32 = || vec![HeaderFault::Encoding { encoding: "UTF-32" }];
    let little: Vec<u8> = PLAIN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = PLAIN.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let wide: Vec<u8> = PLAIN
        .chars()
        .flat_map(|c| u32::from(c).to_le_bytes())
        .collect();
    let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
    check_refused(vec![
        (marked(b"\xff\xfe", &little), utf_16()),
        (marked(b"\xfe\xff", &big), utf_16()),
        (marked(b"\xff\xfe\0\0", &wide), utf_32()),
        (little, utf_16()),
        (big, utf_16()),
        (wide, utf_32()),
        (
            format!("{PLAIN},\0\n").into(),
            vec![HeaderFault::Nul { line: 1 }],
        ),
        (
            [PLAIN.as_bytes(), b",Betr\xe4ge\n"].concat(),
            vec![HeaderFault::NotUtf8 { offset: 50 }],
        ),
    ]);
}

#[test]
fn files_without_a_header_are_refused() {
    use HeaderFault::{Empty, TooLong, TooManyColumns};
    let unclosed = crate::csv::Unclosed {
        line: 2,
        record: 0,
        offset: 47,
    };
    check_refused(vec![
        (b"".to_vec(), vec![Empty]),
        ("\u{feff}".into(), vec![Empty]),
        (b"\n\r\n\r".to_vec(), vec![Empty]),
        ("x".repeat(100_000).into(), vec![TooLong]),
        ("\n".repeat(100_000).into(), vec![TooLong]),
        (",".repeat(999).into(), vec![TooManyColumns { found: 1000 }]),
        (
            format!("\n{PLAIN},\"x\n1,2,3,4,5\n").into(),
            vec![HeaderFault::Unclosed(unclosed)],
        ),
    ]);
}

#[test]
fn headers_without_the_right_columns_are_refused() {
    use HeaderFault::{LooksLikeData, Missing, Twice};
    let missing = |column| Missing { column };
    let all_missing = Column::REQUIRED.map(missing).to_vec();
    let data = b"tx-1,12.30,m-1,4111 1111 1111 1111\ntx-2,1.00,m-1,4111111111111111\n";
    let twice = |column| vec![Twice { column }];
    check_refused(vec![
        (b"a,b\n1,2\n".to_vec(), all_missing.clone()),
        (data.to_vec(), [vec![LooksLikeData], all_missing].concat()),
        (
            b"transaction_id,amount,card_number\n".to_vec(),
            vec![missing(Column::MerchantId)],
        ),
        (format!("{PLAIN},Amount\n").into(), twice(Column::Amount)),
        (format!("{PLAIN},mcc, MCC\n").into(), twice(Column::Mcc)),
    ]);
}

#[test]
fn a_message_names_what_is_missing_and_echoes_no_number() {
    let message = read(b"4111111111111111,amount,<\x1b[2J>,4111-1111 1111.1111,reject_line\n")
        .expect_err("no header")
        .to_string();
    assert!(
        message.contains("put a row with the names of the columns"),
        "{message}"
    );
    assert!(
        message.contains("column transaction_id is missing"),
        "{message}"
    );
    assert!(message.contains("\"[redacted 16 digits]\""), "{message}");
    assert!(message.contains("<␛[2j>"), "{message}");
    assert!(
        !message.contains("1111") && !message.contains("reject"),
        "{message}"
    );
}

#[test]
fn a_fault_says_its_line_and_what_to_do() {
    let wide = ",x".repeat(256);
    for (file, line, hint) in [
        (&b""[..], None, "the first row must name"),
        (b"\xff\xfea\0", None, "in UTF-8"),
        (
            b"\n\namount,merchant_id\n",
            Some(3),
            "the first row must name",
        ),
        (
            b"\r\ntransaction_id,amount,amount,merchant_id,card_number\n",
            Some(2),
            "rename",
        ),
        (
            format!("{PLAIN}{wide}\n").as_bytes(),
            Some(1),
            "take out columns",
        ),
        (
            b"\ntransaction_id,\"amount\n",
            Some(2),
            "close the quoted field",
        ),
    ] {
        let faults = read(file).expect_err("no header");
        let shown = String::from_utf8_lossy(file);
        assert_eq!(faults.line(), line, "{shown:?}: {faults}");
        let first = faults.as_slice().first().unwrap();
        assert!(first.hint().contains(hint), "{shown:?}: {}", first.hint());
    }
}

#[test]
fn aliases() {
    let aliases = Aliases::new([("Betrag ", "Amount"), ("ÄNDERUNG", "timestamp")]).unwrap();
    let file = "transaction_id;betrag;merchant_id;card_number;änderung\n";
    let (header, _) = Header::read(file.as_bytes(), &aliases).unwrap();
    assert_eq!(header.columns().get(1), Some(&(Column::Amount, 1)));
    assert_eq!(header.columns().get(4), Some(&(Column::Timestamp, 4)));

    let both = "transaction_id;betrag;amount;merchant_id;card_number;änderung\n";
    let refused = Header::read(both.as_bytes(), &aliases).expect_err("amount twice");
    assert_eq!(
        refused.as_slice(),
        [HeaderFault::Twice {
            column: Column::Amount
        }]
    );

    let without = Header::read(PLAIN.as_bytes(), &aliases).expect_err("one name is absent");
    let absent = HeaderFault::AliasAbsent {
        theirs: "änderung".into(),
    };
    assert_eq!(without.as_slice(), [absent], "amount is there as ours");

    let swapped = Aliases::new([("amount", "mcc"), ("mcc", "amount")]).unwrap();
    let (header, _) = Header::read(format!("{PLAIN},mcc\n").as_bytes(), &swapped).unwrap();
    assert_eq!(header.columns().get(1), Some(&(Column::Mcc, 1)));
    let report = format!("{PLAIN},mcc,{}\n", OWN_COLUMNS.join(","));
    let (header, _) = Header::read(report.as_bytes(), &swapped).unwrap();
    assert_eq!(
        header.columns().get(1),
        Some(&(Column::Amount, 1)),
        "our report has our names"
    );
}

#[test]
fn aliases_that_are_refused() {
    let cases: [(&[(&str, &str)], AliasFault); 7] = [
        (
            &[("a", "amount"), ("a", "mcc")],
            AliasFault::Twice { theirs: "a".into() },
        ),
        (
            &[("4859,3267,6028,3112", "amount")],
            AliasFault::NoColumnName {
                theirs: "[redacted 16 digits]".into(),
            },
        ),
        (
            &[("a\u{1b}[31m", "amount")],
            AliasFault::NoColumnName {
                theirs: "a␛[31m".into(),
            },
        ),
        (
            &[("a", "pan 4111111111111111")],
            AliasFault::UnknownColumn {
                ours: "pan [redacted 16 digits]".into(),
            },
        ),
        (
            &[("a", "amount"), ("b", "amount")],
            AliasFault::TwoForOne {
                column: Column::Amount,
            },
        ),
        (
            &[("a", "amount"), ("A ", "mcc")],
            AliasFault::Twice {
                theirs: "A ".into(),
            },
        ),
        (
            &[(" ", "amount")],
            AliasFault::NoName {
                column: Column::Amount,
            },
        ),
    ];
    for (pairs, expected) in cases {
        assert_eq!(Aliases::new(pairs.iter().copied()), Err(expected));
    }
}

#[test]
fn unknown_columns_are_named_once_short_and_few() {
    let many: String = (0..100).map(|n| format!(",c{n},C{n}")).collect();
    let file = format!("{PLAIN}{many},{}\n", "y".repeat(5000));
    let header = read(file.as_bytes()).unwrap();
    assert_eq!(
        (header.unknown().len(), header.unknown_count()),
        (UNKNOWN_NAMES_MAX, 101)
    );
    let header = read(format!("{PLAIN},{},,\n", "y".repeat(5000)).as_bytes()).unwrap();
    assert_eq!(
        header.unknown(),
        [
            format!("{}…", "y".repeat(NAME_CHARS_MAX)),
            "(no name)".into()
        ]
    );
}

proptest! {
    #[test]
    fn no_bytes_upset_it(file in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(faults) = read(&file) {
            prop_assert!(!faults.to_string().is_empty());
        }
    }
}
