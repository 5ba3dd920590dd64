//! What the command line is told (names of files, columns, merchants, mistyped arguments): no card
//! number in it is kept or told, and no control character reaches a terminal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use std::fs;
use support::{HEADER, MASTERCARD, Place, VISA, files_below};

/// A public test number that no row of these tests has.
const NUMBER: &str = "4012888888881881";

/// What no text may have, once all but letters and digits is taken out.
const PART: &str = "40128888";

/// The number as people and spreadsheets write it.
const SPELLINGS: [&str; 7] = [
    NUMBER,
    "4012-8888-8888-1881",
    "4012,8888,8888,1881",
    "4012+8888+8888+1881",
    "4012(8888(8888(1881",
    "4012*8888*8888*1881",
    "4012\u{301}8888\u{301}8888\u{301}1881",
];

fn rows() -> String {
    format!("{HEADER}t1,1.00,m1,{VISA},\nt2,-1,m1,{VISA},\n")
}

fn holds_number(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    plain.contains(PART)
}

/// What lies in the data directory.
fn assert_kept_clean(place: &Place, what: &str) {
    for path in files_below(&place.data()) {
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!holds_number(&text), "{what}: {}", path.display());
    }
}

fn assert_told_clean(ended: &support::Ended, what: &str) {
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!holds_number(text), "{what}: {text}");
        let is_steering = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(is_steering), "{what}: {text:?}");
    }
}

#[test]
fn file_names_are_shown_without_numbers_and_controls() {
    let place = Place::new();
    let names = SPELLINGS.map(|spelling| format!("sales {spelling}.csv"));
    let steering = "\u{1b}[31mred\nline\u{202e}.csv".to_owned();
    for name in names.into_iter().chain([steering]) {
        let path = place.input(&name, rows());
        let path = path.to_str().unwrap();
        for args in [
            vec!["process", path],
            vec!["process", path, "--dry-run"],
            vec!["uploads"],
            vec!["uploads", "--json"],
            vec!["status", "t1"],
        ] {
            let ended = place.run(&args);
            assert_eq!(ended.code, Some(0), "{name:?}: {ended:?}");
            assert_told_clean(&ended, &name);
        }
        fs::remove_file(path).unwrap();
        for args in [
            vec!["process", path],
            vec!["process", path, "--strict", "--json"],
            vec!["rules", "check", path],
            vec!["demo", "--file", path],
        ] {
            let ended = place.run(&args);
            assert_eq!(ended.code, Some(3), "{name:?}: {ended:?}");
            assert_told_clean(&ended, &name);
        }
    }
    assert_kept_clean(&place, "names of files");
}

#[test]
fn names_of_columns_hold_no_card_number() {
    let place = Place::new();
    place.input("file.csv", rows());
    for spelling in SPELLINGS.into_iter().chain(["a\u{1b}[31m", "a\nb"]) {
        let column = format!("{spelling}=mcc");
        let ended = place.run(["process", "in/file.csv", "--column", &column]);
        assert_eq!(ended.code, Some(2), "{spelling}: {ended:?}");
        assert_told_clean(&ended, spelling);
        assert!(ended.stderr.contains("--column: "), "{ended:?}");
    }
    assert!(!place.data().exists(), "nothing was begun");
}

#[test]
fn one_name_for_two_columns_is_refused() {
    let place = Place::new();
    place.input("file.csv", rows());
    for (first, second) in [("id=transaction_id", "id=mcc"), ("id=mcc", "ID=country")] {
        let columns = ["--column", first, "--column", second];
        let ended = place.run(["process", "in/file.csv"].into_iter().chain(columns));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("is given twice"), "{ended:?}");
        let args = ["process", "in/file.csv", "--json"];
        let document = place.run(args.into_iter().chain(columns)).json();
        assert!(document["error"].is_string(), "{document}");
    }
}

#[test]
fn what_is_mistyped_is_told_without_numbers() {
    let place = Place::new();
    place.input("file.csv", rows());
    for spelling in SPELLINGS {
        for args in [
            vec![spelling],
            vec!["events", "--type", spelling],
            vec!["events", "--from", spelling],
            vec!["serve", "--listen", spelling],
            vec!["process", "in/file.csv", "--column", spelling],
            vec!["process", "in/file.csv", "--default-currency", spelling],
            vec!["process", "in/file.csv", "--time-zone", spelling],
            vec!["status", "t1", spelling],
            vec!["clients", "add", spelling],
        ] {
            let ended = place.run(&args);
            assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
            assert_told_clean(&ended, spelling);
            assert!(ended.stdout.is_empty(), "{ended:?}");
            let ended = place.run(args.iter().chain(&["--json"]));
            assert!(ended.json()["error"].is_string(), "{ended:?}");
            assert_told_clean(&ended, spelling);
        }
    }
    assert_kept_clean(&place, "arguments");
}

#[test]
fn a_merchant_that_is_a_card_number_is_kept_for_the_exempted_only() {
    let place = Place::new();
    let merchants = format!("m1,{MASTERCARD}");
    let args = ["clients", "add", "shop", "--merchants", &merchants];
    let ended = place.run(args);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("--allow-long-number-ids"),
        "{ended:?}"
    );
    assert_eq!(place.find_leaks([MASTERCARD]), Vec::<String>::new());
    let ended = place.run(args.into_iter().chain(["--allow-long-number-ids"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_rule_file_says_no_card_number_in_words() {
    let place = Place::new();
    for spelling in SPELLINGS {
        for text in [
            format!(r#"{{"version":"v1","description":"{spelling}","rules":[]}}"#),
            format!(
                r#"{{"version":"v1","rules":[{{"kind":"amount_high","id":"a","description":"{spelling}","thresholds":{{"USD":5}}}}]}}"#
            ),
        ] {
            let path = place.input("rules.json", text);
            let path = path.to_str().unwrap();
            for command in ["check", "show"] {
                let ended = place.run(["rules", command, path]);
                assert_eq!(ended.code, Some(1), "{ended:?}");
                let told = format!("{}{}", ended.stdout, ended.stderr);
                assert!(told.contains("description: "), "{told}");
                assert_told_clean(&ended, spelling);
            }
        }
    }
}

#[test]
fn a_directory_s_name_is_told_without_a_card_number() {
    let place = Place::new();
    place.input("file.csv", rows());
    let dir = format!("data-{NUMBER}");
    for args in [
        vec!["process", "in/file.csv", "--data-dir", &dir],
        vec!["process", "in/file.csv", "--data-dir", &dir, "--json"],
        vec!["doctor", "--data-dir", &dir],
        vec!["doctor", "--data-dir", &dir, "--json"],
    ] {
        assert_told_clean(&place.run(&args), &dir);
    }
}
