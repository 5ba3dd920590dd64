//! The blocking reader: faults of records and files, limits, resuming.

use super::*;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use txp_domain::row::Column;

const PLAIN: &str = "transaction_id,amount,merchant_id,card_number\n";

/// A source that gives a few bytes at a time, and sometimes says that it was interrupted.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(5) {
            return Err(ErrorKind::Interrupted.into());
        }
        let count = to.len().min(self.0.len()).min(1 + self.1 % 7);
        let (now, later) = self.0.split_at(count);
        to[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

type Seen = (Place, Option<Vec<u8>>, RecordFaults);

fn rows<R: Read>(reader: &mut RecordReader<R>) -> Result<Vec<Seen>, ReadError> {
    let mut seen = Vec::new();
    while let Some(row) = reader.next_row()? {
        let amount = row.raw.0[Column::Amount.index()].map(<[u8]>::to_vec);
        seen.push((row.place, amount, row.faults));
    }
    Ok(seen)
}

fn read_all(file: &[u8]) -> Result<Vec<Seen>, ReadError> {
    let mut reader = RecordReader::open(file, &Aliases::default(), None)?;
    rows(&mut reader)
}

fn with_rows(rows: &[&[u8]]) -> Vec<u8> {
    [PLAIN.as_bytes(), &rows.concat()].concat()
}

#[test]
fn record_faults() {
    let none = RecordFaults::default();
    let count = |found| RecordFaults {
        field_count: Some((found, 4)),
        ..none
    };
    let long = [&b"a,"[..], &b"1".repeat(70_000), b",b,c\n"].concat();
    let nul_row = b"t\0,1,m,4\n";
    let cases: [(&[u8], RecordFaults); 9] = [
        (b"t,1,m,4\n", none),
        (b"t,1,m\n", count(3)),
        (b"t,1,m,4,\n", count(5)),
        (b"t,\"1,000.00\",m,4\n", none),
        (b"t,1,000.00,m,4\n", count(5)),
        (
            b"t,1,m\xe4rz,4\n",
            RecordFaults {
                invalid_utf8: true,
                ..none
            },
        ),
        (
            b"\xff\n",
            RecordFaults {
                invalid_utf8: true,
                ..count(1)
            },
        ),
        (
            &long,
            RecordFaults {
                too_long: true,
                ..none
            },
        ),
        (nul_row, none),
    ];
    for (row, expected) in cases {
        let file = with_rows(&[b"t,1,m,4\n", row, "t,1,mö,4\n".as_bytes()]);
        let seen = read_all(&file).unwrap();
        let faults: Vec<_> = seen.iter().map(|(_, _, faults)| *faults).collect();
        assert_eq!(faults, [none, expected, none], "{:?}", row.get(..20));
    }
}

#[test]
fn a_header_alone_has_no_rows() {
    for file in [PLAIN, PLAIN.trim_end(), &format!("\u{feff}{PLAIN}\r\n\n")] {
        assert_eq!(read_all(file.as_bytes()).unwrap(), []);
    }
}

#[test]
fn latin_1_in_row_500_rejects_that_row_only() {
    let mut file = with_rows(&[]);
    for row in 1..=1000 {
        file.extend_from_slice(if row == 500 {
            b"t,1,caf\xe9,4\r\n"
        } else {
            b"t,1,m,4\r\n"
        });
    }
    let seen = read_all(&file).unwrap();
    let bad: Vec<_> = seen
        .iter()
        .filter(|(_, _, faults)| !faults.is_empty())
        .collect();
    let [(place, _, faults)] = bad[..] else {
        panic!("{bad:?}")
    };
    assert_eq!(
        (place.record, place.line, faults.invalid_utf8),
        (500, 501, true)
    );
    assert_eq!(seen.len(), 1000);
}

#[test]
fn an_unclosed_quote_stops_the_file_behind_the_rows_before_it() {
    let mut file = with_rows(&[]);
    for row in 1..=10_000 {
        file.extend_from_slice(if row == 7 {
            b"t,\"1,m,4\n"
        } else {
            b"t,1,m,4\n"
        });
    }
    let mut reader =
        RecordReader::open(&file[..], &Aliases::default(), Some(FileDigest::new())).unwrap();
    for _ in 1..7 {
        assert!(reader.next_row().unwrap().is_some());
    }
    for _ in 0..2 {
        let error = reader.next_row().err().expect("it goes no further");
        assert!(
            error.to_string().contains("opened on line 8 (record 7)"),
            "{error}"
        );
    }
    assert_eq!(reader.checkpoint().record, 7);
    let digest = reader.finish().unwrap().unwrap();
    assert_eq!(digest.bytes(), file.len() as u64);
    assert_eq!(digest.sha256(), <[u8; 32]>::from(Sha256::digest(&file)));
}

/// A header, then one line of 100 MB, then a row.
struct LongLine {
    at: usize,
}

impl LongLine {
    const BYTES: usize = 100_000_000;
    const LAST: &'static [u8] = b"\nt,2,m,4\n";
}

impl Read for LongLine {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let parts = [PLAIN.as_bytes(), &b"x,".repeat(8000), Self::LAST];
        let long_end = PLAIN.len() + Self::BYTES;
        let rest = if self.at < PLAIN.len() {
            &parts[0][self.at..]
        } else if self.at < long_end {
            &parts[1][..parts[1].len().min(long_end - self.at)]
        } else {
            &parts[2][self.at - long_end..]
        };
        let count = rest.len().min(to.len());
        to[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

#[test]
fn a_line_of_100_mb_is_one_fault_and_the_next_row_is_read() {
    let mut reader = RecordReader::open(LongLine { at: 0 }, &Aliases::default(), None).unwrap();
    let seen = rows(&mut reader).unwrap();
    let [(_, _, long), (place, amount, none)] = &seen[..] else {
        panic!("{}", seen.len())
    };
    assert!(long.too_long && none.is_empty());
    assert_eq!(
        (place.line, place.record, amount.as_deref()),
        (3, 2, Some(&b"2"[..]))
    );
    assert_eq!(reader.source.buffer.len(), BUFFER_BYTES);
}

fn varied() -> Vec<u8> {
    let mut file = String::from(PLAIN);
    for row in 0..40_000 {
        file += match row % 7 {
            0 => "t,\"1\n\r\n2\",m,4\r\n",
            1 => "\r\nt,\"a\"\"b\",mé,4\n",
            2 => "t,1\n",
            3 => "t,1,m,4\r",
            _ => "t-0123456789,100.00,merchant-1,4\n",
        };
    }
    file.into_bytes()
}

#[test]
fn small_reads_change_nothing() {
    let file = varied();
    let whole = read_all(&file).unwrap();
    assert_eq!(whole.len(), 40_000);
    let mut reader = RecordReader::open(
        Dribble(&file, 0),
        &Aliases::default(),
        Some(FileDigest::new()),
    )
    .unwrap();
    assert_eq!(rows(&mut reader).unwrap(), whole);
    let digest = reader.finish().unwrap().unwrap();
    assert_eq!(digest.sha256(), <[u8; 32]>::from(Sha256::digest(&file)));
}

#[test]
fn a_reader_resumes_at_a_checkpoint() {
    let file = varied();
    let mut first = RecordReader::open(&file[..], &Aliases::default(), None).unwrap();
    for _ in 0..12_345 {
        first.next_row().unwrap();
    }
    let from = first.checkpoint();
    assert_eq!(from.record, 12_346);
    let (before, rest) = file.split_at(from.offset as usize);
    let mut digest = FileDigest::new();
    digest.update(before);
    let mut second = RecordReader::resume(rest, first.header().clone(), from, Some(digest));
    assert_eq!(rows(&mut second).unwrap(), rows(&mut first).unwrap());
    let digest = second.finish().unwrap().unwrap();
    assert_eq!(digest.sha256(), <[u8; 32]>::from(Sha256::digest(&file)));
}

#[test]
fn a_failing_source_is_named_with_its_place() {
    #[derive(Debug)]
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let source = PLAIN.as_bytes().chain(Fails);
    let error = RecordReader::open(source, &Aliases::default(), None).expect_err("it fails");
    assert_eq!(error.to_string(), "reading the file failed at byte 46");
}

/// A source that gives what it is told to: so many bytes, or nothing yet.
struct Fits<'a> {
    rest: &'a [u8],
    pieces: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    waited: usize,
}

impl Read for Fits<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let piece = *self.pieces.next().unwrap();
        if piece == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = to.len().min(self.rest.len()).min(piece);
        let (now, later) = self.rest.split_at(count);
        to[..count].copy_from_slice(now);
        self.rest = later;
        Ok(count)
    }
}

impl ObjectSource for Fits<'_> {
    async fn more(&mut self) -> Result<(), PortError> {
        self.waited += 1;
        Ok(())
    }
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// All rows, by a reader that stops wherever the source has nothing yet.
fn rows_in_fits(reader: &mut RecordReader<Fits<'_>>) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        match rows_until_pending(reader, &mut seen) {
            Ok(()) => return seen,
            Err(ReadError::Pending) => at_once(reader.more()).unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn rows_until_pending(
    reader: &mut RecordReader<Fits<'_>>,
    seen: &mut Vec<Seen>,
) -> Result<(), ReadError> {
    while let Some(row) = reader.next_row()? {
        let amount = row.raw.0[Column::Amount.index()].map(<[u8]>::to_vec);
        seen.push((row.place, amount, row.faults));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_source_that_must_be_waited_for_changes_nothing(
        kinds in prop::collection::vec(0..9_u8, 0..60),
        pieces in prop::collection::vec(prop_oneof![Just(0), 1..9_usize, 100..100_000_usize], 1..20),
        resume_at: usize,
    ) {
        let mut file = PLAIN.as_bytes().to_vec();
        for kind in &kinds {
            file.extend_from_slice(&match kind {
                0 => b"t,\"1\n\r\n2\",m,4\r\n".to_vec(),
                1 => "\r\nt,\"a\"\"b\",mé,4\n".as_bytes().to_vec(),
                2 => b"t,1\r".to_vec(),
                3 => [&b"t,"[..], &b"1".repeat(70_000), b",m,4\n"].concat(),
                4 => [&b"t,\""[..], &b"1\n".repeat(20_000), b"\",m,4\n"].concat(),
                _ => b"t-0123456789,100.00,merchant-1,4\n".to_vec(),
            });
        }
        // Some piece gives bytes, or the file never comes.
        let pieces: Vec<_> = pieces.into_iter().chain([7_000]).collect();
        let source = |rest| Fits { rest, pieces: pieces.iter().cycle(), waited: 0 };
        let whole = read_all(&file).unwrap();

        let (none, digest) = (Aliases::default(), Some(FileDigest::new()));
        let open = RecordReader::open_object(source(&file), &none, digest);
        let mut reader = at_once(open).unwrap().unwrap();
        prop_assert_eq!(&rows_in_fits(&mut reader), &whole);
        let (rest, digest) = reader.into_rest();
        prop_assert!(rest.rest.is_empty());
        prop_assert_eq!(digest.unwrap().sha256(), <[u8; 32]>::from(Sha256::digest(&file)));

        // And from the middle, with the digest as it is put away.
        let mut first = RecordReader::open(&file[..], &Aliases::default(), Some(FileDigest::new())).unwrap();
        let done = resume_at % (whole.len() + 1);
        for _ in 0..done {
            first.next_row().unwrap();
        }
        let digest = FileDigest::restore(&first.digest().unwrap().state()).unwrap();
        let from = first.checkpoint();
        let offset = resume_offset(&from, Some(&digest)) as usize;
        let header = first.header().clone();
        let mut second = RecordReader::resume(source(&file[offset..]), header, from, Some(digest));
        prop_assert_eq!(&rows_in_fits(&mut second), &whole[done..]);
        let (_, digest) = second.into_rest();
        prop_assert_eq!(digest.unwrap().sha256(), <[u8; 32]>::from(Sha256::digest(&file)));
    }
}
