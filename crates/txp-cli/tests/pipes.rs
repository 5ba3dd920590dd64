//! Files that are no files: what comes through a pipe is read once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use std::process::Command;
use support::{Ended, HEADER, Place, TXP, VISA};

fn rows() -> String {
    let row = |row| format!("t{row},5.00,m1,{VISA},2025-01-01T00:00:00Z\n");
    HEADER.to_owned() + &(0..2000).map(row).collect::<String>()
}

/// Runs a line of the shell with `txp` as `$0`.
fn shell(place: &Place, line: &str) -> Ended {
    let mut command = Command::new("bash");
    command.current_dir(place.path()).args(["-c", line, TXP]);
    place.dress(&mut command);
    place.finish(command)
}

#[test]
fn a_pipe_is_read_as_a_file_is() {
    for line in [
        "cat in/file.csv | \"$0\" process /dev/stdin --json",
        "\"$0\" process <(cat in/file.csv) --json",
        "\"$0\" process /dev/stdin --json < in/file.csv",
        "mkfifo fifo; cat in/file.csv > fifo & \"$0\" process fifo --json",
    ] {
        let place = Place::new();
        place.input("file.csv", rows());
        let ended = shell(&place, line);
        let document = ended.json();
        let file = &document["files"][0];
        assert_eq!(ended.code, Some(0), "{line}: {document}");
        assert_eq!(file["accepted"], 2000, "{line}: {document}");
        let ended = shell(
            &place,
            &line
                .replace("--json", "--json --dry-run")
                .replace("mkfifo fifo; ", ""),
        );
        assert_eq!(
            ended.json()["files"][0]["state"],
            "dry_run",
            "{line}: {ended:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_twice_is_refused_before_it_is_announced() {
    let place = Place::new();
    place.input("file.csv", rows());
    for line in [
        "cat in/file.csv | \"$0\" process in/file.csv /dev/stdin --strict",
        "\"$0\" process <(cat in/file.csv) --strict",
        "cat in/file.csv | \"$0\" process /dev/stdin --strict --dry-run",
    ] {
        let ended = shell(&place, line);
        assert_eq!(ended.code, Some(2), "{line}: {ended:?}");
        assert!(
            ended.stderr.contains("write it to a file first"),
            "{ended:?}"
        );
        assert!(!place.data().exists(), "{line}: nothing was begun");
    }
    let ended = shell(&place, "\"$0\" process /dev/stdin --strict < in/file.csv");
    assert_eq!(ended.code, Some(0), "a file is one by any name: {ended:?}");
}
