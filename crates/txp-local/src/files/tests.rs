//! What is read of files that are not in order, damaged, or no history at all.

use super::{FileSource, FolderArchive};
use crate::block_on::block_on;
use std::fs;
use std::path::Path;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_pipeline::history::{self, Recorded};
use txp_pipeline::port::{ErrorKind, EventSource as _, PortError, Progress, SourceBatch, Window};

fn line(bucket: u8, sequence: u64) -> String {
    let event = Recorded {
        position: Position {
            bucket: Bucket(bucket),
            sequence: Sequence::from(sequence),
            subsequence: 0,
        },
        arrival_millis: 1_700_000_000_000,
        bytes: format!("{{\"n\":{sequence}}}").into_bytes().leak(),
    };
    let mut line = Vec::new();
    history::write_line(&event, &mut line).unwrap();
    String::from_utf8(line).unwrap()
}

fn lines(sequences: impl IntoIterator<Item = u64>) -> String {
    sequences
        .into_iter()
        .map(|n| line((n % 3) as u8, n))
        .collect()
}

/// The numbers of the events, up to the end or an error.
fn read(path: &Path) -> (Vec<u64>, Option<PortError>) {
    let mut source = match FileSource::open(path, Window::default()) {
        Ok(source) => source,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let (mut given, mut batch) = (Vec::new(), SourceBatch::default());
    loop {
        match block_on(source.next(&mut batch)) {
            Ok(Progress::Ended) => return (given, None),
            Ok(_) => given.extend(
                batch
                    .events()
                    .map(|e| e.position.sequence.as_u64().unwrap()),
            ),
            Err(error) => {
                let again = block_on(source.next(&mut batch)).unwrap_err();
                assert_eq!(again.kind, error.kind, "it lasts");
                return (given, Some(error));
            }
        }
    }
}

fn read_text(text: &str) -> (Vec<u64>, Option<PortError>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.ndjson");
    fs::write(&path, text).unwrap();
    read(&path)
}

#[test]
fn repeats_are_dropped_and_disorder_is_refused() {
    let all: Vec<u64> = (1..=9).collect();
    let (given, error) = read_text(&lines(1..=9));
    assert!(error.is_none());
    assert_eq!(given, all);
    // As `zcat` puts overlapping objects together.
    let (given, error) = read_text(&[lines(1..=6), lines(4..=9)].concat());
    assert!(error.is_none());
    assert_eq!(given, all);
    let (given, error) = read_text(&[lines(4..=9), lines(1..=6)].concat());
    assert_eq!(given, (4..=9).collect::<Vec<_>>());
    let error = error.unwrap().to_string();
    assert!(error.starts_with("line 7 of "), "{error}");
}

#[test]
fn what_is_no_event_is_named_by_its_line() {
    for (text, line, what) in [
        ("nonsense\n", 1, "is no event"),
        ("{\"specversion\":\"1.0\"}\n", 1, "is no event"),
        (&format!("{}\n\n{{}}\n", line(1, 1)), 4, "is no event"),
        (
            &format!("{}{}", line(1, 1), &line(1, 2)[..20]),
            2,
            "is cut off",
        ),
        (
            &format!("{}{}", line(1, 1), "x".repeat(2 << 20)),
            2,
            "has more than",
        ),
    ] {
        let (given, error) = read_text(text);
        assert_eq!(
            given.len(),
            usize::from(line > 1),
            "what is before is given"
        );
        let error = error.unwrap();
        assert_eq!(error.kind, ErrorKind::Corrupt);
        let error = error.to_string();
        assert!(error.starts_with(&format!("line {line} of ")), "{error}");
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn blank_lines_and_a_missing_end_do_no_harm() {
    let text = format!("\n{}\r\n\n{}", line(1, 1).trim_end(), line(1, 2).trim_end());
    let (given, error) = read_text(&text);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(given, [1, 2]);
    assert_eq!(read_text("").0, [0_u64; 0]);
}

#[test]
fn what_is_packed_badly_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("a.gz", &b"\x1f\x8b\x08\x00garbage of some length"[..]),
        ("a.zst", b"\x28\xb5\x2f\xfdgarbage of some length"),
        ("b.zst", b"\x28\xb5\x2f\xfd"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let (given, error) = read(&path);
        assert!(given.is_empty() && error.is_some(), "{name}");
    }
}

#[test]
fn a_folder_holds_files_or_days_or_neither() {
    let dir = tempfile::tempdir().unwrap();
    let error = read(dir.path()).1.unwrap().to_string();
    assert!(error.contains("holds no day of an archive"), "{error}");
    assert!(FolderArchive::of(dir.path()).unwrap().is_none());
    fs::write(dir.path().join("notes.txt"), "not ours").unwrap();
    // Parts that overlap and interleave, cut without regard to names.
    fs::write(dir.path().join("a.ndjson"), lines([3, 4, 5, 9])).unwrap();
    fs::write(dir.path().join("b.ndjson"), lines([1, 4, 8])).unwrap();
    fs::write(dir.path().join("c.jsonl"), lines([2, 6, 7, 9])).unwrap();
    let (given, error) = read(dir.path());
    assert!(error.is_none());
    assert_eq!(given, (1..=9).collect::<Vec<_>>());
    fs::create_dir(dir.path().join("date=2026-01-01")).unwrap();
    assert!(FolderArchive::of(dir.path()).unwrap().is_some());
    let missing = read(&dir.path().join("none")).1.unwrap();
    assert_eq!(missing.kind, ErrorKind::Missing);
}
