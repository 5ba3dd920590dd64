//! A directory that may be read and not written: readers work, writers say what is in the way.
//!
//! Permissions do not bind a superuser, so under one the commands run as nobody; as anyone else the
//! directory's own mode does it. Either way the test first makes sure that it is bound.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Ended, HEADER, Place, TXP, VISA};

/// User and group that own nothing.
const NOBODY: u32 = 65_534;

/// Directories may be entered and read, files read; nothing may be written.
fn protect(path: &Path) {
    let mut mode = 0o444;
    if path.is_dir() {
        mode = 0o555;
        for entry in fs::read_dir(path).unwrap() {
            protect(&entry.unwrap().path());
        }
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// So that the temporary directory can be removed again.
struct Unprotect<'a>(&'a Path);

impl Drop for Unprotect<'_> {
    fn drop(&mut self) {
        let mut left = vec![self.0.to_path_buf()];
        while let Some(path) = left.pop().filter(|path| path.is_dir()) {
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            left.sort_by_key(|path| path.is_dir());
        }
    }
}

fn unprivileged(command: &mut Command) {
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// A copy that nobody may run, wherever the build lies.
fn program(place: &Place) -> PathBuf {
    let path = place.path().join("txp");
    if fs::hard_link(TXP, &path).is_err() {
        fs::copy(TXP, &path).unwrap();
    }
    path
}

fn run(place: &Place, program: &Path, args: &[&str]) -> Ended {
    let mut command = Command::new(program);
    command.args(args).current_dir(place.path());
    place.dress(&mut command);
    unprivileged(&mut command);
    place.finish(command)
}

#[test]
fn a_read_only_directory_is_read_and_writers_are_told() {
    let place = Place::new();
    let program = program(&place);
    let rows = format!("{HEADER}t1,5.00,m1,{VISA},2025-01-01T00:00:00Z\n");
    let file = place.input("file.csv", rows);
    assert_eq!(place.process(&file).0, Some(0));
    fs::create_dir(place.path().join("empty")).unwrap();
    let before = support::files_below(place.path());
    let _unprotect = Unprotect(place.path());
    protect(&place.data());
    protect(&place.path().join("empty"));
    for name in ["", "in"] {
        let mode = Permissions::from_mode(0o555);
        fs::set_permissions(place.path().join(name), mode).unwrap();
    }
    for name in ["key", "in/file.csv"] {
        let mode = Permissions::from_mode(0o444);
        fs::set_permissions(place.path().join(name), mode).unwrap();
    }
    let mut touch = Command::new("touch");
    touch
        .arg(place.data().join("touched"))
        .stderr(Stdio::null());
    unprivileged(&mut touch);
    assert!(
        !touch.status().unwrap().success(),
        "permissions do not bind here, so this test would prove nothing"
    );

    for args in [
        &["status", "t1"][..],
        &["uploads"],
        &["alerts"],
        &["events"],
        &["rules", "show"],
        &["clients", "list"],
        &["doctor"],
    ] {
        let ended = run(&place, &program, args);
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
    }
    for data in ["data", "empty", "missing"] {
        for args in [
            &["process", "in/file.csv"][..],
            &["serve", "--listen", "127.0.0.1:0"],
            &["clients", "add", "shop"],
        ] {
            let ended = run(&place, &program, &[args, &["--data-dir", data]].concat());
            assert_eq!(ended.code, Some(3), "{args:?} {data}: {ended:?}");
            let told = &ended.stderr;
            assert!(told.contains(data), "{args:?} {data}: {told}");
            assert!(told.contains("ermission denied"), "{args:?} {data}: {told}");
        }
    }
    assert_eq!(support::files_below(place.path()), before);
}
