//! Damage that only a reader meets: what was acknowledged and is no longer there is named, whichever
//! command looks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use support::{HEADER, Place, Server, VISA, files_below};

fn rows(count: u64) -> String {
    let row = |row| format!("t{row},0.50,m1,{VISA},2025-01-01T00:00:00Z\n");
    HEADER.to_owned() + &(0..count).map(row).collect::<String>()
}

fn segment(place: &Place) -> PathBuf {
    let log = files_below(&place.data().join("log"));
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|e| e == "log");
    log.iter().find(is_segment).unwrap().clone()
}

/// A damage to the log's only segment, by name.
type Damage = (&'static str, fn(&Path, &[u8]));

#[test]
fn a_log_that_ends_before_the_checkpoint_is_named_by_every_reader() {
    let place = Place::new();
    let path = place.input("file.csv", rows(300));
    assert_eq!(place.process(&path).0, Some(0));
    let log = segment(&place);
    let whole = fs::read(&log).unwrap();
    let damages: [Damage; 3] = [
        ("missing", |log, _| {
            fs::remove_dir_all(log.parent().unwrap()).unwrap()
        }),
        ("cut", |log, whole| {
            fs::write(log, &whole[..whole.len() - 5000]).unwrap()
        }),
        ("flipped", |log, whole| {
            let mut bytes = whole.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(log, bytes).unwrap();
        }),
    ];
    for (name, damage) in damages {
        damage(&log, &whole);
        for command in [
            vec!["events"],
            vec!["events", "--from", "2099-01-01"],
            vec!["status", "t1"],
            vec!["uploads"],
            vec!["alerts"],
        ] {
            let ended = place.run(&command);
            assert_eq!(ended.code, Some(3), "{name}: {command:?}: {ended:?}");
            let file = log.file_name().unwrap().to_str().unwrap();
            assert!(
                ended.stderr.contains(file) && ended.stderr.contains("restore that file"),
                "{name}: {command:?}: {ended:?}"
            );
        }
        let (code, doctor) = place.json(["doctor"]);
        assert_eq!(code, Some(1), "{name}: {doctor}");
        let problems = doctor["problems"].as_array().unwrap();
        assert_eq!(problems.len(), 1, "{name}: {doctor}");
        assert!(
            problems[0].as_str().unwrap().contains("the log is damaged"),
            "{doctor}"
        );
        assert!(doctor["as_of"]["sequence"].is_string(), "{name}: {doctor}");
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        fs::write(&log, &whole).unwrap();
    }
    assert_eq!(place.run(["doctor"]).code, Some(0));
    assert_eq!(place.run(["events", "--from", "2099-01-01"]).code, Some(0));
}

/// As after a crash before the first checkpoint: the log has the upload, the state knows nothing.
#[test]
fn doctor_names_uploads_that_only_the_log_knows_as_unfinished() {
    let place = Place::new();
    let path = place.input("file.csv", rows(300));
    assert_eq!(place.process(&path).0, Some(0));
    fs::remove_dir_all(place.data().join("state")).unwrap();
    let (code, doctor) = place.json(["doctor"]);
    assert_eq!(doctor["unfinished_uploads"], 0, "{code:?} {doctor}");
    let log = segment(&place);
    let whole = fs::read(&log).unwrap();
    let ends = b"upload.parsed";
    let at = whole.windows(ends.len()).position(|bytes| bytes == ends);
    fs::write(&log, &whole[..at.unwrap()]).unwrap();
    let (code, doctor) = place.json(["doctor"]);
    assert_eq!(code, Some(1), "{doctor}");
    assert_eq!(doctor["unfinished_uploads"], 1, "{doctor}");
    let problem = doctor["problems"][0].as_str().unwrap();
    assert!(
        problem.contains("of file.csv (local) was not read to its end"),
        "{doctor}"
    );
    let next = doctor["next"][0].as_str().unwrap();
    assert!(next.starts_with("txp process file.csv"), "{doctor}");
    let (code, document) = place.process(&path);
    assert_eq!(
        (code, &document["files"][0]["accepted"]),
        (Some(0), &300.into())
    );
    assert_eq!(place.run(["doctor"]).code, Some(0));
}

#[test]
fn a_bit_that_flipped_in_the_alert_table_or_a_table_that_is_gone_is_named() {
    let place = Place::new();
    let path = place.input("file.csv", rows(5));
    assert_eq!(place.process(&path).0, Some(0));
    let table = place.data().join("alerts/table.jsonl");
    let whole = fs::read_to_string(&table).unwrap();
    let last_line = whole.trim_end().rfind('\n').unwrap() + 1;
    let damages = [
        (
            "a value",
            whole.replacen("0.50", "0.51", 1),
            "is damaged at byte ",
        ),
        (
            "an id",
            whole.replacen("\"t3\"", "\"t2\"", 1),
            "is damaged at byte ",
        ),
        (
            "a checksum",
            whole.replacen("\"check\":\"", "\"chedk\":\"", 1),
            "is damaged at byte ",
        ),
        ("its end", whole[..last_line].to_owned(), ""),
        (
            "its beginning",
            whole.split_once('\n').unwrap().1.to_owned(),
            "has 4 alerts, and 5",
        ),
    ];
    for (what, damaged, words) in damages {
        assert_ne!(damaged, whole, "{what}");
        fs::write(&table, damaged).unwrap();
        let (code, doctor) = place.json(["doctor"]);
        assert_eq!(code, Some(1), "{what}: {doctor}");
        let problem = doctor["problems"][0].as_str().unwrap();
        assert!(problem.contains(words), "{what}: {doctor}");
        if words.contains("damaged") {
            let ended = place.run(["alerts"]);
            assert_eq!(ended.code, Some(3), "{what}: {ended:?}");
            assert!(ended.stderr.contains(words), "{what}: {ended:?}");
        }
    }
    fs::remove_file(&table).unwrap();
    let (code, doctor) = place.json(["doctor"]);
    assert_eq!(code, Some(1), "{doctor}");
    let ended = place.run(["alerts"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        ended.stderr.contains("is not there, and 5 findings"),
        "{ended:?}"
    );
    fs::write(&table, &whole).unwrap();
    assert_eq!(place.run(["doctor"]).code, Some(0));
    assert_eq!(place.run(["alerts"]).code, Some(0));
}

#[test]
fn a_damaged_control_record_is_named_before_serve_says_that_it_listens() {
    let place = Place::new();
    assert_eq!(place.run(["clients", "add", "shop"]).code, Some(0));
    assert_eq!(Server::start(&place).end(), Some(0));
    let control = place.data().join("control");
    for (name, words) in [
        ("links.key", "links.key is damaged: restore it"),
        ("clients.json", "clients.json is damaged: restore it"),
        (
            "links.jsonl",
            "links.jsonl is damaged in line 1: restore it",
        ),
    ] {
        let path = control.join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, "odd\n").unwrap();
        let (code, refused) = place.json(["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(code, Some(3), "{name}: {refused}");
        let error = refused["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{refused}"));
        assert!(error.contains(words), "{name}: {error}");
        assert!(!error.contains("must be able to write"), "{name}: {error}");
        fs::write(&path, whole).unwrap();
    }
    // When keys were last used decides nothing.
    fs::write(control.join("last-used.json"), "odd").unwrap();
    assert_eq!(place.run(["clients", "list"]).code, Some(0));
    assert_eq!(Server::start(&place).end(), Some(0));
}
