//! Invariant 8: memory does not grow with the file, nor with one line of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use support::{HEADER, Place, VISA};

/// What ten times the rows may take more: caches that fill up, to their limits.
const GROWTH_BYTES_MAX: u64 = 160 << 20;

/// What any run may take, however long its file.
const PEAK_BYTES_MAX: u64 = 256 << 20;

/// What a run may take that reads one line of 100 MB.
const LONG_LINE_PEAK_BYTES_MAX: u64 = 128 << 20;

const LONG_LINE_BYTES: usize = 100_000_000;

#[test]
fn invariant_8_memory_is_flat() {
    let peak_of = |rows: &str| {
        let place = Place::new();
        let made = place.run([
            "generate", "--rows", rows, "--seed", "8", "--out", "file.csv",
        ]);
        assert_eq!(made.code, Some(0), "{made:?}");
        let (code, document) = place.process(&place.path().join("file.csv"));
        assert_eq!(code, Some(0), "{document}");
        document["peak_rss_bytes"].as_u64().unwrap()
    };
    let (few, many) = (peak_of("50000"), peak_of("500000"));
    assert!(few > 0, "the system tells the peak");
    let shown = format!("{few} bytes for 50,000 rows, {many} for 500,000");
    assert!(many < few + GROWTH_BYTES_MAX, "{shown}");
    assert!(many < PEAK_BYTES_MAX, "{shown}");
}

/// Histories of hundreds of chunks fit as well as small ones: the peak hangs on neither size.
#[test]
fn memory_of_replay_and_verify_is_bounded() {
    let place = Place::new();
    let made = place.run([
        "generate", "--rows", "100000", "--seed", "7", "--out", "file.csv",
    ]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(place.process(&place.path().join("file.csv")).0, Some(0));
    let (code, done) = place.json(["replay", "--into", "local:copy"]);
    assert_eq!(code, Some(0), "{done}");
    let (code, report) = place.json(["verify", "--against", "local:copy"]);
    assert_eq!(
        (code, &report["drift"]),
        (Some(0), &serde_json::Value::from(0)),
        "{report}"
    );
    assert_eq!(report["uploads"], 1);
    for peak in [&done["peak_rss_bytes"], &report["peak_rss_bytes"]] {
        let peak = peak.as_u64().unwrap();
        assert!(peak > 0 && peak < PEAK_BYTES_MAX, "{peak}");
    }
}

#[test]
fn a_line_of_100_megabytes_is_passed_over_in_flat_memory() {
    let place = Place::new();
    let row = |id: &str| format!("{id},1.00,m1,{VISA},\n");
    let path = file_with_long_line(
        &place,
        "row.csv",
        &(HEADER.to_owned() + &row("t1")),
        &row("t2"),
    );
    let (code, document) = place.process(&path);
    assert_eq!(code, Some(0), "{document}");
    let report = &document["files"][0];
    assert_eq!(
        (&report["rows"], &report["accepted"]),
        (&3.into(), &2.into()),
        "{document}"
    );
    assert_eq!(
        report["rejected_by_code"],
        serde_json::json!({ "record_too_long": 1 })
    );
    let peak = document["peak_rss_bytes"].as_u64().unwrap();
    assert!(peak < LONG_LINE_PEAK_BYTES_MAX, "{peak}");

    let path = file_with_long_line(&place, "header.csv", "", &row("t3"));
    let (code, document) = place.process(&path);
    assert_eq!(code, Some(3), "{document}");
    assert_eq!(document["files"][0]["rows"], 0, "{document}");
    let peak = document["peak_rss_bytes"].as_u64().unwrap();
    assert!(peak < LONG_LINE_PEAK_BYTES_MAX, "{peak}");
    assert_eq!(place.find_leaks([VISA]), Vec::<String>::new());
}

fn file_with_long_line(place: &Place, name: &str, before: &str, after: &str) -> PathBuf {
    let path = place.path().join(name);
    let mut out = BufWriter::new(File::create(&path).unwrap());
    out.write_all(before.as_bytes()).unwrap();
    let part = [b'4'; 100_000];
    for _ in 0..LONG_LINE_BYTES / part.len() {
        out.write_all(&part).unwrap();
    }
    writeln!(out, "\n{}", after.trim_end()).unwrap();
    out.flush().unwrap();
    path
}
