//! A dry run that a signal ends leaves nothing behind and says how it ended.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{HEADER, Place, VISA, files_below, signal_child, wait_until};

fn temporary(place: &Place) -> PathBuf {
    let folder = place.path().join("temporary");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn start(place: &Place, options: &[&str], file: &Path) -> Child {
    let mut command = place.command(["process", "--dry-run"]);
    command.args(options).arg(file);
    command.env("TMPDIR", temporary(place));
    command.spawn().unwrap()
}

fn names_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_dry_run_stops_at_a_signal() {
    let place = Place::new();
    let rows: String = (0..200_000)
        .map(|number| format!("t{number},5.00,m1,{VISA},2025-01-01T00:00:00Z\n"))
        .collect();
    let file = place.input("file.csv", HEADER.to_owned() + &rows);
    for (signal, code, options) in [
        (Signal::INT, 130, &[][..]),
        (Signal::TERM, 143, &["--strict"]),
        (Signal::TERM, 143, &["--json"]),
    ] {
        let child = start(&place, options, &file);
        wait_until("the dry run", || {
            !files_below(&temporary(&place)).is_empty()
        });
        signal_child(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(names_in(&temporary(&place)), Vec::<PathBuf>::new());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("interrupted"), "{told}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let is_json = options.contains(&"--json");
        assert_eq!(printed.starts_with("{\"error\""), is_json, "{printed}");
        assert_eq!(printed.lines().count(), usize::from(is_json), "{printed}");
    }
    assert!(!place.data().exists());
}

/// Nobody writes to the pipe, so that the work itself never comes to look.
#[test]
fn a_dry_run_that_waits_for_a_pipe_ends_at_a_signal_too() {
    let place = Place::new();
    let pipe = place.path().join("pipe");
    let made = Command::new("mkfifo")
        .arg(&pipe)
        .stdin(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let child = start(&place, &[], &pipe);
    wait_until("the dry run", || !names_in(&temporary(&place)).is_empty());
    signal_child(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(names_in(&temporary(&place)), Vec::<PathBuf>::new());
}
