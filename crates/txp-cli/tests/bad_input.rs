//! The bad files of which the outcome is written down: name, bytes, and what must come of them.
//!
//! Every file is processed twice into an empty directory, as it is and as a dry run. What was
//! planted in it must occur in nothing that is written or printed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]
mod support;
#[path = "bad_input/table.rs"]
mod table;

use serde_json::Value;
use support::{AMEX, MASTERCARD, Place, VISA};
use table::Case;

#[test]
fn files_and_their_headers() {
    table::files().iter().for_each(check);
}

#[test]
fn shapes_of_rows() {
    table::shapes().iter().for_each(check);
}

#[test]
fn ids_sent_again_and_many_rejects() {
    table::ids().iter().for_each(check);
}

#[test]
fn values_of_fields() {
    table::values().iter().for_each(check);
}

/// Numbers that must come out nowhere, whichever file they were in.
const PLANTED: [&str; 6] = [
    VISA,
    MASTERCARD,
    AMEX,
    "4111111111111112",
    "41111111111111111111",
    "378282246310005",
];

fn check(case: &Case) {
    let place = Place::new();
    let path = place.input("file.csv", &case.bytes);
    let mut args = vec!["process", path.to_str().unwrap()];
    args.extend(case.args);
    let (code, document) = place.json(&args);
    let report = &document["files"][0];
    check_report(case, code, report, case.state);
    let id = report["upload_id"].as_str();
    assert!(id.is_some(), "{}: {document}", case.name);
    check_report_of_rejects(case, &place, report);
    // The same against an empty state, with nothing kept.
    args.extend(["--dry-run", "--data-dir", "none"]);
    let (code, document) = place.json(&args);
    let report = &document["files"][0];
    let state = if case.state == "completed" {
        "dry_run"
    } else {
        case.state
    };
    check_report(case, code, report, state);
    assert!(report["upload_id"].is_null(), "{}: {document}", case.name);
    assert!(!place.path().join("none").exists(), "{}", case.name);
    assert_eq!(
        place.find_leaks(PLANTED),
        Vec::<String>::new(),
        "{}",
        case.name
    );
}

fn check_report(case: &Case, code: Option<i32>, report: &Value, state: &str) {
    let name = case.name;
    assert_eq!(code, Some(case.exit), "{name}: {report}");
    assert_eq!(report["state"], state, "{name}: {report}");
    let counts = ["accepted", "rejected", "duplicates", "conflicts"].map(|key| {
        report[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {report}"))
    });
    assert_eq!(counts, case.counts, "{name}: {report}");
    let is_refused = case.exit == 1;
    if !is_refused {
        let sum: u64 = counts.iter().sum();
        assert_eq!(report["rows"].as_u64(), Some(sum), "{name}: {report}");
    }
    if case.state == "failed" {
        let error = report["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {report}"));
        assert!(error.contains(case.says), "{name}: {error}");
        return;
    }
    let codes: Vec<_> = report["rejected_by_code"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(code, count)| format!("{code}={count}"))
        .collect();
    assert_eq!(codes.join(" "), case.says, "{name}");
}

/// There is a report if rows were rejected, with a line for each and nothing that a spreadsheet
/// would run.
fn check_report_of_rejects(case: &Case, place: &Place, report: &Value) {
    let rejects = report["rejects"].as_str();
    assert_eq!(
        rejects.is_some(),
        case.counts[1] > 0,
        "{}: {report}",
        case.name
    );
    let Some(rejects) = rejects else { return };
    let text = std::fs::read_to_string(place.path().join(rejects)).unwrap();
    assert_eq!(
        text.lines().count() as u64,
        case.counts[1] + 1,
        "{}",
        case.name
    );
    for field in text.lines().flat_map(|line| line.split(',')) {
        let field = field.trim_start_matches('"');
        assert!(
            !field.starts_with(['=', '+', '@', '-', '\t', '\r']),
            "{}: {field}",
            case.name
        );
    }
}
