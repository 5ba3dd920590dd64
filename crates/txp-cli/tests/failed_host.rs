//! A serve whose host has failed says so, refuses what it could not keep, still answers what it
//! knows, and ends with 3.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use std::fs::{self, File};
use std::process::Command;
use support::merchant::Merchant;
use support::{HEADER, Place, Server, TXP, VISA, wait_until};

const ROWS: usize = 8000;

/// Half a megabyte of file, some four of events: over the limit of two.
fn file() -> Vec<u8> {
    let rows = (0..ROWS).map(|number| format!("t{number},5.00,m1,{VISA},2025-01-01T00:00:00Z\n"));
    (HEADER.to_owned() + &rows.collect::<String>()).into_bytes()
}

/// The limit on the size of files stands for a disk that runs full.
fn start_limited(place: &Place) -> Server {
    let mut command = Command::new("sh");
    command
        .current_dir(place.path())
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"")
        .arg(TXP)
        .args(Server::ARGS);
    place.dress(&mut command);
    command.stderr(File::create(place.path().join("stderr")).unwrap());
    Server::of(command)
}

#[test]
fn a_host_that_failed_is_seen_refuses_uploads_and_ends_with_3() {
    let place = Place::new();
    let server = start_limited(&place);
    let shop = Merchant::new(&place, &server);
    assert_eq!(shop.ask("GET", "/health").0, 200);
    let small = shop.link();
    shop.put(
        &small,
        format!("{HEADER}first,5.00,m1,{VISA},\n").as_bytes(),
    );
    shop.completed(&small);
    let large = shop.link();
    shop.put(&large, &file());
    wait_until("the failure", || shop.ask("GET", "/health").0 == 503);

    for (method, path) in [("GET", "/health"), ("POST", "/upload")] {
        let (status, problem) = shop.ask(method, path);
        assert_eq!(status, 503, "{path}: {problem}");
        let kind = problem["type"].as_str().unwrap();
        assert!(kind.ends_with(":unavailable"), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("no room was left"), "{detail}");
        assert!(detail.contains("operator must make room"), "{detail}");
        assert!(!detail.contains("data"), "no paths: {detail}");
    }
    let (status, first) = shop.ask("GET", "/status/first");
    assert_eq!((status, &first["status"]), (200, &"validated".into()));
    assert_eq!(shop.ask("GET", "/uploads").0, 200);
    let told = || fs::read_to_string(place.path().join("stderr")).unwrap();
    wait_until("the message", || told().contains("recording has stopped"));
    assert_eq!(server.end(), Some(3));
    let told = told();
    assert_eq!(told.matches("recording has stopped").count(), 1, "{told}");
    assert!(!told.contains("is tried again"), "{told}");
    assert!(
        told.contains("error: ") && told.contains("no room left"),
        "{told}"
    );

    let server = Server::start(&place);
    let document = shop.at(&server).completed(&large);
    assert_eq!(document["state"], "completed");
    assert_eq!(document["counts"]["accepted"], ROWS, "{document}");
    assert_eq!(server.end(), Some(0));
    assert_eq!(place.find_leaks([VISA]), Vec::<String>::new());
}
