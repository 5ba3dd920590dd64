//! The scanner against the csv crate and against itself, cut in any way.

use super::*;
use proptest::prelude::*;

/// A record as the tests compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    place: Place,
    fields: Vec<Vec<u8>>,
    count: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    End,
    Unclosed(Unclosed),
}

/// Scans `file` in windows that grow by `chunks` in turn; says the largest window there was.
fn scan(
    file: &[u8],
    from: Checkpoint,
    chunks: &[usize],
) -> (Vec<Seen>, Vec<Checkpoint>, Ended, usize) {
    let mut scanner = Scanner::new(b',', from);
    let mut chunks = chunks.iter().copied().cycle();
    let (mut seen, mut cuts) = (Vec::new(), Vec::new());
    let mut known = from.offset as usize;
    let mut largest = 0;
    loop {
        let offset = scanner.keep_from();
        let bytes = &file[offset as usize..known];
        largest = largest.max(bytes.len());
        let window = Window {
            bytes,
            offset,
            is_last: known == file.len(),
        };
        match scanner.step(window) {
            Step::Record(place) => {
                let record = scanner.record(window);
                assert_eq!(record.place, place);
                let fields: Vec<_> = record.fields().map(<[u8]>::to_vec).collect();
                if record.is_ascii {
                    assert!(record.bytes().is_ascii());
                }
                let count = record.field_count();
                seen.push(Seen {
                    place: record.place,
                    fields,
                    count,
                });
            }
            Step::TooLong(place) => seen.push(Seen {
                place,
                fields: Vec::new(),
                count: 0,
            }),
            Step::More => {
                assert!(known < file.len(), "more is asked for behind the end");
                known = file.len().min(known + chunks.next().unwrap().max(1));
                continue;
            }
            Step::Unclosed(unclosed) => return (seen, cuts, Ended::Unclosed(unclosed), largest),
            Step::End => return (seen, cuts, Ended::End, largest),
        }
        cuts.push(scanner.checkpoint());
    }
}

fn scan_whole(file: &[u8]) -> (Vec<Seen>, Ended) {
    let (seen, _, ended, _) = scan(file, Checkpoint::START, &[file.len()]);
    (seen, ended)
}

/// What the csv crate reads, with the offset where each record starts.
fn oracle(file: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(file);
    let records = reader.byte_records();
    records
        .map(|r| r.unwrap().iter().map(<[u8]>::to_vec).collect())
        .collect()
}

/// Whether a quoted field is open at the end, by the transitions of csv-core's automaton.
fn ends_in_quotes(file: &[u8]) -> bool {
    let (mut open, mut at_start, mut closing) = (false, true, false);
    for &byte in file {
        if open {
            closing = byte == b'"';
            open = !closing;
            at_start = false;
        } else if byte == b'"' && (at_start || closing) {
            (open, closing, at_start) = (true, false, false);
        } else {
            closing = false;
            at_start = matches!(byte, b',' | b'\r' | b'\n');
        }
    }
    open
}

fn csv_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => prop::sample::select(&b",,\"\"\r\n"[..]),
        2 => prop::sample::select(&b"ab1 ;\0"[..]),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn records_and_fields_are_those_of_the_csv_crate(file in csv_bytes()) {
        prop_assume!(!file.starts_with(b"\xef\xbb\xbf"));
        let (seen, ended) = scan_whole(&file);
        let mut expected = oracle(&file);
        if ends_in_quotes(&file) {
            // The csv crate makes a record of what stands there; the contract refuses it.
            prop_assert!(matches!(ended, Ended::Unclosed(_)));
            expected.pop();
        } else {
            prop_assert_eq!(ended, Ended::End);
        }
        let fields: Vec<_> = seen.iter().map(|s| s.fields.clone()).collect();
        prop_assert_eq!(fields, expected);
        for (at, seen) in seen.iter().enumerate() {
            prop_assert_eq!(seen.place.record, at as u64);
            prop_assert_eq!(seen.count, seen.fields.len());
        }
    }

    #[test]
    fn windows_and_checkpoints_change_nothing(
        file in csv_bytes(),
        chunks in prop::collection::vec(1usize..80, 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let (whole, cuts, ended, _) = scan(&file, Checkpoint::START, &[file.len()]);
        let (seen, cut_again, end, _) = scan(&file, Checkpoint::START, &chunks);
        prop_assert_eq!(&seen, &whole);
        prop_assert_eq!(&cut_again, &cuts);
        prop_assert_eq!(&end, &ended);
        if !cuts.is_empty() {
            let at = cut.index(cuts.len());
            let (rest, _, end, _) = scan(&file, cuts[at], &chunks);
            prop_assert_eq!(&rest[..], &whole[at + 1..]);
            prop_assert_eq!(&end, &ended);
        }
    }

    #[test]
    fn lines_are_counted_by_lf_crlf_and_cr(file in csv_bytes()) {
        for seen in scan_whole(&file).0 {
            let before = &file[..seen.place.start as usize];
            let lf = before.iter().filter(|byte| **byte == b'\n').count();
            let cr = before
                .iter()
                .enumerate()
                .filter(|(at, byte)| **byte == b'\r' && file.get(at + 1) != Some(&b'\n'))
                .count();
            prop_assert_eq!(seen.place.line, 1 + (lf + cr) as u64);
        }
    }
}

#[test]
fn records_and_fields() {
    let cases: [(&str, &[&[&str]]); 14] = [
        ("", &[]),
        ("\n\r\n\r", &[]),
        ("a", &[&["a"]]),
        ("a,", &[&["a", ""]]),
        ("a,b\r\nc,d\r\n", &[&["a", "b"], &["c", "d"]]),
        ("a\rb", &[&["a"], &["b"]]),
        ("a\n\n\nb\n", &[&["a"], &["b"]]),
        ("\"\"\n", &[&[""]]),
        ("\"a,\nb\",c", &[&["a,\nb", "c"]]),
        ("\"a\"\"b\"", &[&["a\"b"]]),
        ("\"\"\"\"\"\"", &[&["\"\""]]),
        ("\"a\"b\"c,d", &[&["ab\"c", "d"]]),
        ("a\"b,c", &[&["a\"b", "c"]]),
        (" \"a,b", &[&[" \"a", "b"]]),
    ];
    for (file, expected) in cases {
        let (seen, ended) = scan_whole(file.as_bytes());
        let fields: Vec<Vec<_>> = seen
            .iter()
            .map(|s| {
                s.fields
                    .iter()
                    .map(|f| std::str::from_utf8(f).unwrap())
                    .collect()
            })
            .collect();
        assert_eq!(fields, expected, "{file:?}");
        assert_eq!(ended, Ended::End, "{file:?}");
    }
}

#[test]
fn places() {
    let file = b"h\r\n\r\n\"a\r\nb\rc\"\r\n\nd,e\r\nf";
    let (seen, _) = scan_whole(file);
    let places: Vec<_> = seen.iter().map(|s| s.place).collect();
    let place = |record, line, start, end| Place {
        record,
        line,
        start,
        end,
    };
    assert_eq!(
        places,
        [
            place(0, 1, 0, 3),
            place(1, 3, 5, 15),
            place(2, 7, 16, 21),
            place(3, 8, 21, 22)
        ]
    );
}

const MAX: usize = RECORD_BYTES_MAX as usize;

#[test]
fn a_record_of_the_longest_size_is_read_and_a_longer_one_skipped() {
    for line_end in ["\n", "\r\n", "\r", ""] {
        for (length, is_read) in [(MAX, true), (MAX + 1, false), (3 * MAX, false)] {
            let file = format!("a\n{}{line_end}", "x".repeat(length));
            for chunk in [1000, MAX - 1, file.len()] {
                let (seen, _, ended, _) = scan(file.as_bytes(), Checkpoint::START, &[chunk]);
                let counts: Vec<_> = seen.iter().map(|s| s.count).collect();
                assert_eq!(
                    counts,
                    [1, usize::from(is_read)],
                    "{line_end:?} {length} {chunk}"
                );
                assert_eq!(ended, Ended::End);
            }
        }
    }
}

#[test]
fn a_long_line_is_skipped_in_flat_memory_quotes_and_all() {
    let long = "x\"x,\"y\n\ry\",\"\"\"z\"\"\",".repeat(20_000);
    let file = format!("a,b\n{long}\nc,d\n");
    let (seen, _, ended, largest) = scan(file.as_bytes(), Checkpoint::START, &[4096]);
    assert_eq!(ended, Ended::End);
    assert!(largest <= MAX + 2 * 4096, "{largest}");
    let [a, long, c] = &seen[..] else {
        panic!("{}", seen.len())
    };
    assert_eq!((a.count, long.count, c.count), (2, 0, 2));
    assert_eq!(
        (long.place.line, c.place.line, c.place.record),
        (2, 40_003, 2)
    );
}

#[test]
fn a_quoted_field_of_the_longest_size_is_read_and_a_longer_one_stops_the_scan() {
    for (inside, is_read) in [
        (MAX - 2, true),
        (MAX - 1, false),
        (MAX, false),
        (3 * MAX, false),
    ] {
        let file = format!("a\n\"{}\"\nb\n", "x".repeat(inside));
        for chunk in [999, MAX, file.len()] {
            let (seen, _, ended, largest) = scan(file.as_bytes(), Checkpoint::START, &[chunk]);
            assert!(largest <= MAX + 4 + 2 * chunk);
            if is_read || inside + 2 <= MAX + 1 {
                // Closed in time, but the record around it is a byte too long.
                assert_eq!(ended, Ended::End, "{inside} {chunk}");
                assert_eq!(seen[1].count, usize::from(is_read));
            } else {
                let unclosed = Unclosed {
                    line: 2,
                    record: 1,
                    offset: 2,
                };
                assert_eq!(ended, Ended::Unclosed(unclosed), "{inside} {chunk}");
                assert_eq!(seen.len(), 1);
            }
        }
    }
}

#[test]
fn an_unclosed_quote_is_named_by_its_line() {
    let mut file = String::from("h,i\n");
    for row in 1..=10_000 {
        file += if row == 7 { "7,\"x\n" } else { "1,2\n" };
    }
    let (seen, ended) = scan_whole(file.as_bytes());
    assert_eq!(seen.len(), 7, "the header and six records stand before it");
    assert_eq!(
        ended,
        Ended::Unclosed(Unclosed {
            line: 8,
            record: 7,
            offset: 30
        })
    );
}

#[test]
fn fields_beyond_the_most_columns_are_counted_not_kept() {
    let file = format!("{}\n", ",".repeat(999));
    let (seen, _) = scan_whole(file.as_bytes());
    assert_eq!((seen[0].count, seen[0].fields.len()), (1000, COLUMNS_MAX));
}
