//! Rows that were rejected by mistake, read again: the history is as whole as before, and every reader of it
//! says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use serde_json::{Value, json};
use support::{HEADER, Place, VISA};

/// Three rows have no zone; the number of one of these is no card's.
fn sales() -> String {
    let at = "2026-11-01T10:00:00";
    format!(
        "{HEADER}t1,1.00,m1,{VISA},{at}Z\nt2,2.00,m1,{VISA},{at}\nt3,3.00,m1,1234,{at}\n\
         t4,4.00,m1,{VISA},{at}\n"
    )
}

/// A step with the zone that was missing.
fn step(place: &Place, step: &str, upload: &str, more: &[&str]) -> Value {
    let zone = ["--file", "in/sales.csv", "--time-zone", "+01:00"];
    let args = ["redrive", "rows", step, "--upload", upload];
    let (code, told) = place.json([&args[..], &zone, more].concat());
    assert_eq!(code, Some(0), "{told}");
    told
}

#[test]
fn a_history_with_redriven_rows_is_whole() {
    let place = Place::new();
    let file = place.input("sales.csv", sales());
    let (_, processed) = place.process(&file);
    let first = processed["files"][0]["upload_id"].as_str().unwrap();

    let (_, listed) = place.json(["redrive", "rows", "list", "--upload", first]);
    assert_eq!(listed["rejected"], 3);
    assert_eq!(listed["by_code"]["card_length"], 1);
    let previewed = step(&place, "preview", first, &[]);
    let found = (&previewed["tried"], &previewed["valid"]);
    assert_eq!(found, (&json!(3), &json!(2)));
    assert_eq!(previewed["counts"]["accepted"], 2);
    let one = step(&place, "run", first, &["--max", "1"]);
    let found = (&one["counts"]["accepted"], &one["left_out"]);
    assert_eq!(found, (&json!(1), &json!(1)));
    let other = step(&place, "run", first, &[]);
    assert_eq!(other["counts"]["accepted"], 1);
    let nothing = step(&place, "run", first, &[]);
    assert_eq!(nothing["redriven_before"], 2);
    assert_eq!(nothing["redrive_upload_id"], Value::Null);
    let (_, listed) = place.json(["redrive", "rows", "list", "--upload", first]);
    let redrives = [&one, &other].map(|told| told["redrive_upload_id"].clone());
    assert_eq!(listed["redrives"], json!(redrives));

    let against = format!("local:{}", place.data().display());
    let (code, verified) = place.json(["verify", "--against", &against]);
    assert_eq!(code, Some(0), "{verified}");
    let found = (&verified["uploads"], &verified["incomplete"]);
    assert_eq!(found, (&json!(3), &json!([])));
    let (code, parity) = place.json(["backtest", "--parity"]);
    assert_eq!(code, Some(0), "{parity}");
    let (code, replayed) = place.json(["replay", "--into", "local:again"]);
    assert_eq!(code, Some(0), "{replayed}");
    let (code, verified) = place.json(["verify", "--against", "local:again"]);
    assert_eq!(code, Some(0), "{verified}");
    let (_, status) = place.json(["status", "t2"]);
    assert_eq!(status["status"], "validated");
}

#[test]
fn another_file_is_refused_and_nothing_is_begun() {
    let place = Place::new();
    let file = place.input("sales.csv", sales());
    let (_, processed) = place.process(&file);
    let first = processed["files"][0]["upload_id"].as_str().unwrap();
    place.input("sales.csv", sales().replace("2.00", "2.01"));
    for step in ["preview", "run"] {
        let args = ["redrive", "rows", step, "--upload", first];
        let refused = place.run([&args[..], &["--file", "in/sales.csv"]].concat());
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let told = "is not the file of upload";
        assert!(refused.stderr.contains(told), "{refused:?}");
        assert!(!refused.stderr.contains(VISA), "{refused:?}");
    }
    let (_, uploads) = place.json(["uploads"]);
    assert_eq!(uploads["uploads"].as_array().unwrap().len(), 1);
}
