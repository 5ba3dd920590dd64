//! What scripts depend on: the keys of the stable JSON, and that the demo's advice works.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use support::{HEADER, MASTERCARD, Place, VISA, files_below};

const PROCESS_KEYS: [&str; 7] = [
    "files",
    "findings",
    "alerts",
    "seconds",
    "rows_per_second",
    "peak_rss_bytes",
    "data_dir",
];

const FILE_KEYS: [&str; 10] = [
    "file",
    "upload_id",
    "state",
    "rows",
    "accepted",
    "rejected",
    "duplicates",
    "conflicts",
    "rejected_by_code",
    "sha256",
];

const STATUS_KEYS: [&str; 10] = [
    "transaction_id",
    "merchant_id",
    "status",
    "amount",
    "currency",
    "card_last4",
    "brand",
    "flags",
    "history",
    "as_of",
];

fn assert_keys(document: &Value, keys: &[&str]) {
    let there: BTreeSet<_> = document
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for key in keys {
        assert!(there.contains(key), "{key} is missing in {document}");
    }
}

fn assert_process_document(document: &Value) {
    assert_keys(document, &PROCESS_KEYS);
    for file in document["files"].as_array().unwrap() {
        assert_keys(file, &FILE_KEYS);
    }
    assert!(
        document["findings"].is_u64() && document["alerts"].is_u64(),
        "{document}"
    );
    assert!(document["seconds"].is_f64(), "{document}");
}

#[test]
fn process_and_status_print_the_stable_keys() {
    let place = Place::new();
    let row = format!("{HEADER}t1,0.50,m1,{VISA},2025-01-01T00:00:00Z\n");
    let path = place.input("file.csv", row);
    let (code, document) = place.process(&path);
    assert_eq!(code, Some(0));
    assert_process_document(&document);
    assert_eq!(document["findings"], 1, "of this run");
    let (_, again) = place.process(&path);
    assert_eq!(again["findings"], 0, "of this run");
    let (_, status) = place.json(["status", "t1"]);
    assert_keys(&status, &STATUS_KEYS);
    assert_eq!(status["flags"][0]["rule"], "amount_low");
    let (code, failed) = place.json(["process", "missing.csv"]);
    assert_eq!(code, Some(3));
    assert_process_document(&failed);
}

/// `--json` prints one JSON document, whatever is refused and wherever: scripts read nothing else.
#[test]
fn with_json_every_refusal_is_one_document_that_says_why() {
    let place = Place::new();
    let row = format!("{HEADER}t1,0.50,m1,{VISA},2025-01-01T00:00:00Z\n");
    let path = place.input("file.csv", row);
    assert_eq!(place.process(&path).0, Some(0));
    let rules = place.input("rules.yaml", "{}");
    let rules = rules.to_str().unwrap();
    let given = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let listen = format!("serve --listen {VISA}");
    for (code, line) in [
        (2, ""),
        (2, "nothing"),
        (2, "status"),
        (2, "demo --rows 1 --file x.csv"),
        (2, "process x.csv --column id"),
        (2, "events"),
        (2, "events --follow"),
        (2, "events --type nothing"),
        (2, "events --format parquet"),
        (2, "events --source s3://bucket"),
        (2, "generate --rows 3"),
        (2, &listen),
        (2, "clients add UPPER"),
        (1, "status t9"),
        (1, "uploads bcdfghjklmnpqrstbcdfghjk"),
        (1, "alerts --before nothing"),
        (3, "status t1 --data-dir missing"),
        (3, "uploads --data-dir missing"),
        (3, "alerts --data-dir missing"),
        (3, "events --out x --data-dir missing"),
        (3, "rules show missing.yaml"),
    ] {
        let args = given(line).into_iter().filter(|arg| !arg.is_empty());
        let (ended, document) = place.json(args);
        let error = document["error"].as_str();
        let error = error.unwrap_or_else(|| panic!("{line}: {ended:?} {document}"));
        assert_eq!(ended, Some(code), "{line}: {document}");
        assert!(
            !error.is_empty() && !error.contains('\n'),
            "{line}: {error}"
        );
    }
    let (_, unsound) = place.json(["rules", "show", rules]);
    assert!(unsound["error"].is_string(), "{unsound}");
    let table = place.data().join("alerts/table.jsonl");
    std::fs::write(&table, "{}\n").unwrap();
    let (code, document) = place.json(["alerts"]);
    assert_eq!(code, Some(3), "{document}");
    assert!(document["error"].is_string(), "{document}");
    // What is asked for is no refusal, and not every `--json` is one.
    assert_eq!(place.run(["--json", "--help"]).code, Some(0));
    let ended = place.run(["status", "t1", "t2", "--", "--json"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert_eq!(place.find_leaks([VISA]), Vec::<String>::new());
}

#[test]
fn alerts_come_newest_first_and_page_by_page() {
    let place = Place::new();
    let rows: String = (1..=5)
        .map(|number| format!("t{number},0.50,m1,{VISA},2025-01-01T00:00:0{number}Z\n"))
        .collect();
    let (code, _) = place.process(&place.input("file.csv", HEADER.to_owned() + &rows));
    assert_eq!(code, Some(0));
    let (_, all) = place.json(["alerts"]);
    assert_eq!(
        (&all["total"], &all["next_before"]),
        (&5.into(), &Value::Null)
    );
    let ids = |page: &Value| -> Vec<_> {
        let alerts = page["alerts"].as_array().unwrap().iter();
        alerts
            .map(|alert| alert["transaction_id"].clone())
            .collect()
    };
    assert_eq!(ids(&all), ["t5", "t4", "t3", "t2", "t1"]);
    let (_, page) = place.json(["alerts", "--limit", "2"]);
    assert_eq!(ids(&page), ["t5", "t4"]);
    let before = page["next_before"].as_str().unwrap();
    assert_eq!(page["alerts"][1]["id"], before);
    let (_, rest) = place.json(["alerts", "--before", before]);
    assert_eq!(ids(&rest), ["t3", "t2", "t1"]);
    assert_eq!(rest["next_before"], Value::Null);
    let (code, refused) = place.json(["alerts", "--before", "nothing"]);
    assert_eq!(code, Some(1), "{refused}");
}

/// The generator counts by construction, without the validator: each is held against the other.
#[test]
fn a_generated_file_comes_to_what_was_expected() {
    let place = Place::new();
    let path = place.input("generated.csv", "");
    let file = path.to_str().unwrap();
    let (code, expected) =
        place.json(["generate", "--rows", "100000", "--seed", "1", "--out", file]);
    assert_eq!(code, Some(0));
    let (code, document) = place.process(&path);
    assert_eq!(code, Some(0));
    for key in [
        "rows",
        "accepted",
        "rejected",
        "duplicates",
        "conflicts",
        "rejected_by_code",
    ] {
        assert_eq!(document["files"][0][key], expected[key], "{key}");
    }
}

/// Every unfinished upload is found again by its file, whichever process is asked.
#[test]
fn a_killed_process_is_resumed_by_the_same_command() {
    let place = Place::new();
    let mut text = HEADER.to_owned();
    for row in 0..60_000 {
        text.push_str(&format!(
            "t{row},5.00,m{},{VISA},2025-01-01T00:00:00Z\n",
            row % 7
        ));
    }
    let path = place.input("file.csv", text);
    let mut child = place
        .command([std::ffi::OsStr::new("process"), path.as_os_str()])
        .spawn()
        .unwrap();
    let log = place.data().join("log");
    support::wait_until("the first rows", || {
        let bytes: u64 = files_below(&log)
            .iter()
            .map(|p| p.metadata().map_or(0, |m| m.len()))
            .sum();
        bytes > 100_000 || child.try_wait().unwrap().is_some()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, document) = place.process(&path);
    assert_eq!(code, Some(0), "{document}");
    let (_, uploads) = place.json(["uploads"]);
    let uploads = uploads["uploads"].as_array().unwrap();
    let accepted: u64 = uploads
        .iter()
        .map(|u| u["counts"]["accepted"].as_u64().unwrap())
        .sum();
    assert_eq!(accepted, 60_000, "{uploads:?}");
    // One upload, unless the first process had ended before it could be killed.
    let sum = document["files"][0]["accepted"].as_u64().unwrap()
        + document["files"][0]["duplicates"].as_u64().unwrap();
    assert_eq!(sum, 60_000, "{document}");
}

#[test]
fn the_demo_shows_the_whole_pipeline_and_its_advice_works() {
    let place = Place::new();
    let demo = |args: &[&str]| {
        let mut command = place.command(["demo", "--rows", "3000"]);
        command
            .args(args)
            .env_remove("TXP_DATA_DIR")
            .env("TMPDIR", place.path());
        place.finish(command)
    };
    let ended = demo(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for words in [
        "3,000  rows read",
        "accepted",
        "rejected",
        "duplicates",
        "conflicts",
        "rows/s",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
    let advice: Vec<_> = ended
        .stdout
        .lines()
        .skip_while(|line| *line != "try next:")
        .skip(1)
        .collect();
    assert_eq!(advice.len(), 3, "{}", ended.stdout);
    assert!(advice[0].contains(" status "), "{advice:?}");
    for line in advice {
        let (command, _) = line.split_once('#').unwrap();
        let words: Vec<_> = command.split_whitespace().collect();
        assert_eq!(words[0], support::TXP);
        let ran = place.run(&words[1..]);
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        if words[1] == "status" {
            assert!(ran.stdout.contains("flagged"), "{}", ran.stdout);
        }
    }

    let ended = demo(&["--json", "--data-dir", "demo-data"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let document = ended.json();
    assert_process_document(&document);
    assert_eq!(document["data_dir"], "demo-data");
    assert!(
        document["alerts"].as_u64().unwrap() > 0,
        "event times end now: {document}"
    );
    let left = files_below(&place.path().join("demo-data/uploads"));
    assert_eq!(
        left,
        Vec::<std::path::PathBuf>::new(),
        "the spool is emptied"
    );
}

#[test]
fn the_demo_takes_a_file() {
    let place = Place::new();
    let row = |id: &str, card: &str| format!("{id},20000.00,m1,{card},2025-01-01T00:00:00Z\n");
    let good = place.input(
        "mine.csv",
        HEADER.to_owned() + &row("t1", VISA) + &row("t2", MASTERCARD),
    );
    let (code, document) = place.json(["demo", "--file", good.to_str().unwrap()]);
    assert_eq!(
        (code, &document["files"][0]["accepted"]),
        (Some(0), &2.into()),
        "{document}"
    );
    assert_eq!(document["files"][0]["file"], "mine.csv");
    let bad = place.input("bad.csv", "nothing,of,use\n1,2,3\n");
    let (code, document) = place.json(["demo", "--file", bad.to_str().unwrap()]);
    assert_eq!(
        (code, &document["files"][0]["state"]),
        (Some(3), &"failed".into()),
        "{document}"
    );
    assert_eq!(place.find_leaks([VISA, MASTERCARD]), Vec::<String>::new());
}
