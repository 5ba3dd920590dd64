//! What the place of the work can do to it: no room, no permission, a second process, the same file
//! at the same time, a flipped byte, a name that is a card number.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};
use support::merchant::Merchant;
use support::{HEADER, MASTERCARD, Place, Server, TXP, VISA, files_below, signal_child};

fn rows(count: u64) -> Vec<u8> {
    let mut text = HEADER.to_owned();
    for row in 0..count {
        let amount = row % 900 + 100;
        text.push_str(&format!(
            "t{row},{amount}.00,m1,{VISA},2025-01-01T00:00:00Z\n"
        ));
    }
    text.into_bytes()
}

/// Under a shell's limit on the size of files, in blocks of 512 or 1024 bytes, the log runs full as
/// it does on a full disk: the write fails with "file too large", which is handled as one thing.
#[test]
fn a_full_disk_fails_clearly_and_the_next_run_completes_the_file() {
    let place = Place::new();
    let count = 20_000;
    let path = place.input("file.csv", rows(count));
    let mut limited = Command::new("sh");
    limited
        .current_dir(place.path())
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 2048; exec \"$0\" process \"$1\" --json")
        .args([std::ffi::OsStr::new(TXP), path.as_os_str()]);
    place.dress(&mut limited);
    let ended = place.finish(limited);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let document = ended.json();
    let report = &document["files"][0];
    assert_eq!(report["state"], "failed", "{document}");
    let error = report["error"].as_str().unwrap();
    assert!(
        error.contains("no room left") && error.contains("free space"),
        "{error}"
    );

    let (code, document) = place.process(&path);
    assert_eq!(code, Some(0), "{document}");
    let again = &document["files"][0];
    assert_eq!(
        again["upload_id"], report["upload_id"],
        "resumed, not read as another upload"
    );
    assert_eq!(
        (&again["state"], &again["accepted"]),
        (&"completed".into(), &count.into())
    );
    let (code, doctor) = place.json(["doctor"]);
    assert_eq!(code, Some(0), "{doctor}");
    let events = place.run(["events", "--type", "transaction.accepted"]);
    assert_eq!(events.stdout.lines().count() as u64, count, "each row once");
    assert_eq!(place.find_leaks([VISA]), Vec::<String>::new());
}

/// What stops everyone: a path below a regular file, and a directory of somebody else's files.
#[test]
fn a_directory_that_cannot_be_used_is_named_with_what_to_do() {
    let place = Place::new();
    let path = place.input("file.csv", rows(1));
    let path = path.to_str().unwrap();
    let below_a_file = format!("{path}/data");
    for command in [
        vec!["process", path],
        vec!["serve", "--listen", "127.0.0.1:0"],
        vec!["clients", "add", "shop"],
    ] {
        let mut args = command.clone();
        args.extend(["--data-dir", &below_a_file]);
        let ended = place.run(&args);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.stderr.contains("file.csv/data"), "{}", ended.stderr);
    }
    let ended = place.run(["process", path, "--data-dir", "in"]);
    assert_eq!(ended.code, Some(3));
    assert!(
        ended
            .stderr
            .contains("not a data directory of txp and not empty"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        files_below(&place.path().join("in")).len(),
        1,
        "nothing was written there"
    );
    for command in [
        vec!["status", "t1"],
        vec!["uploads"],
        vec!["alerts"],
        vec!["events"],
        vec!["clients", "list"],
    ] {
        let ended = place.run(command.iter().chain(&["--data-dir", "missing"]));
        assert_eq!(ended.code, Some(3), "{command:?}: {ended:?}");
        assert!(
            ended.stderr.contains("missing is no data directory"),
            "{}",
            ended.stderr
        );
        assert!(!place.path().join("missing").exists(), "{command:?}");
    }
}

#[test]
fn a_second_writer_is_told_who_holds_the_directory_and_readers_are_not_held_up() {
    let place = Place::new();
    let path = place.input("file.csv", rows(10));
    let server = Server::start(&place);
    let (code, document) = place.process(&path);
    assert_eq!(code, Some(3), "{document}");
    let report = &document["files"][0];
    assert_eq!(report["state"], "failed");
    let error = report["error"].as_str().unwrap();
    assert!(
        error.contains("(txp serve) since 2") && error.contains("process "),
        "{error}"
    );
    assert!(!error.contains("redacted"), "{error}");
    for command in [
        vec!["uploads"],
        vec!["alerts"],
        vec!["events"],
        vec!["doctor"],
        vec!["clients", "add", "shop"],
    ] {
        let ended = place.run(&command);
        assert_eq!(ended.code, Some(0), "{command:?}: {ended:?}");
    }
    let (_, doctor) = place.json(["doctor"]);
    assert!(
        doctor["writer"].as_str().unwrap().contains("txp serve"),
        "{doctor}"
    );
    assert_eq!(server.end(), Some(0), "SIGTERM ends it well");
    let (code, document) = place.process(&path);
    assert_eq!(
        (code, &document["files"][0]["accepted"]),
        (Some(0), &10.into())
    );
}

#[test]
fn the_same_file_put_twice_at_the_same_time_is_accepted_once() {
    let place = Place::new();
    let server = Server::start(&place);
    let merchant = Merchant::new(&place, &server);
    let (body, links) = (rows(2000), [merchant.link(), merchant.link()]);
    std::thread::scope(|scope| {
        for link in &links {
            scope.spawn(|| merchant.put(link, &body));
        }
    });
    let documents = links.map(|link| merchant.completed(&link));
    let sum = |key: &str| {
        documents
            .iter()
            .map(|d| d["counts"][key].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(
        (sum("accepted"), sum("duplicates")),
        (2000, 2000),
        "{documents:?}"
    );
    assert_eq!((sum("rejected"), sum("conflicts")), (0, 0), "{documents:?}");
    for document in &documents {
        assert_eq!(document["state"], "completed");
        assert_eq!(document["rows"], 2000);
    }
    assert_eq!(server.end(), Some(0));
    assert_eq!(
        files_below(&place.data().join("uploads")).len(),
        0,
        "the spool is emptied"
    );
    assert_eq!(place.find_leaks([VISA]), Vec::<String>::new());
    let (code, doctor) = place.json(["doctor"]);
    assert_eq!(code, Some(0), "{doctor}");
}

#[test]
fn the_same_file_twice_one_after_the_other_gives_duplicates_only() {
    let place = Place::new();
    let path = place.input("file.csv", rows(500));
    let path = path.to_str().unwrap();
    let (code, document) = place.json(["process", path, path]);
    assert_eq!(code, Some(0), "{document}");
    assert_eq!(document["files"][0]["accepted"], 500);
    assert_eq!(document["files"][1]["duplicates"], 500);
    let (_, again) = place.json(["process", path]);
    assert_eq!(again["files"][0]["duplicates"], 500, "{again}");
    assert_eq!(again["findings"], 0, "{again}");
}

#[test]
fn a_flipped_byte_in_the_log_is_named_with_its_file_and_place() {
    let place = Place::new();
    let path = place.input("file.csv", rows(3000));
    assert_eq!(place.process(&path).0, Some(0));
    let (_, before) = place.json(["doctor"]);
    let log = files_below(&place.data().join("log"));
    let segment = log
        .iter()
        .find(|p| p.extension().is_some_and(|e| e == "log"))
        .unwrap();
    flip(segment, 5000);
    let ended = place.run(["events", "--out", "events.ndjson"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(
        ended.stderr.contains(name) && ended.stderr.contains("at byte "),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("events "), "{}", ended.stderr);
    // The state at its checkpoint answers all the same.
    assert_eq!(place.run(["status", "t1"]).code, Some(0));
    // Where the state must be folded again, the damage is met at the start and named there.
    fs::remove_dir_all(place.data().join("state")).unwrap();
    let (code, document) = place.process(&path);
    assert_eq!(code, Some(3), "{document}");
    let error = document["files"][0]["error"].as_str().unwrap();
    assert!(
        error.contains(name) && error.contains("at byte "),
        "{error}"
    );
    let (code, doctor) = place.json(["doctor"]);
    assert_eq!(code, Some(1), "{before} {doctor}");
    // The byte put back, nothing is lost.
    flip(segment, 5000);
    let (code, document) = place.process(&path);
    assert_eq!(
        (code, &document["files"][0]["duplicates"]),
        (Some(0), &3000.into())
    );
}

fn flip(path: &std::path::Path, at: u64) {
    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    byte[0] ^= 0x10;
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&byte).unwrap();
}

#[test]
fn a_card_number_in_the_files_name_goes_nowhere() {
    let place = Place::new();
    let name = format!("sales {VISA} 5555-5555-5555-4444.csv");
    let path = place.input(&name, rows(3));
    let (code, document) = place.process(&path);
    assert_eq!(code, Some(0), "{document}");
    let shown = document["files"][0]["file"].as_str().unwrap();
    assert!(shown.contains("[redacted"), "{shown}");
    assert_eq!(place.run(["uploads"]).code, Some(0));
    let missing = format!("no such {VISA}.csv");
    assert_eq!(place.process(&place.path().join(missing)).0, Some(3));
    assert_eq!(place.find_leaks([VISA, MASTERCARD]), Vec::<String>::new());
}

#[test]
fn following_shows_each_event_once_and_ends_well() {
    let place = Place::new();
    let first = place.input("first.csv", rows(5));
    assert_eq!(place.process(&first).0, Some(0));
    let mut follower = place.command(["events", "--follow"]).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut ids = Vec::new();
    let mut read = |count: usize| {
        for line in lines.by_ref().take(count) {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            assert!(event["position"]["sequence"].is_string() && event["arrival"].is_string());
            ids.push(event["id"].as_str().unwrap().to_owned());
        }
        ids.clone()
    };
    // The rules, the upload's beginning and end, five rows.
    read(8);
    let second = place.input("second.csv", rows(7));
    assert_eq!(place.process(&second).0, Some(0));
    let ids = read(9);
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    signal_child(&follower, rustix::process::Signal::TERM);
    assert_eq!(follower.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let place = Place::new();
    let path = place.input("file.csv", rows(5000));
    assert_eq!(place.process(&path).0, Some(0));
    for args in [
        vec!["events"],
        vec!["generate", "--rows", "50000"],
        vec!["uploads"],
    ] {
        let mut child = place.command(&args).stderr(Stdio::piped()).spawn().unwrap();
        let mut few = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut few).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{args:?}: {output:?}");
    }
}
