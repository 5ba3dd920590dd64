//! What a merchant does with rejected rows: mend the report and send it again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use std::fs;
use std::path::Path;
use support::{Ended, HEADER, Place, Server, VISA};

const PLAIN_HEADER: &str = "transaction_id,amount,merchant_id,card_number\n";

fn good_and_bad() -> String {
    format!("{HEADER}t1,1.00,m1,{VISA},\nt2,-1,m1,{VISA},\n")
}

/// Names of files that no run was asked for.
fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".part")).collect()
}

#[test]
fn the_report_is_never_written_over_what_is_read() {
    let place = Place::new();
    let bytes = good_and_bad();
    let refused = |ended: Ended, out: &str| {
        assert_eq!(ended.code, Some(2), "{out}: {ended:?}");
        assert!(ended.stderr.contains("--rejects: "), "{out}: {ended:?}");
        assert!(!place.data().exists(), "{out}: nothing was begun");
    };
    let path = place.input("rejects.csv", &bytes);
    let other = place.input("rejects-2.csv", &bytes);
    fs::hard_link(&path, place.path().join("in/hard.csv")).unwrap();
    std::os::unix::fs::symlink(&path, place.path().join("in/soft.csv")).unwrap();
    for out in [
        "in/rejects.csv",
        "in/../in/rejects.csv",
        "in/hard.csv",
        "in/soft.csv",
    ] {
        let args = ["process", "in/rejects.csv", "--rejects", out];
        refused(place.run(args), out);
        let args = ["process", "in/rejects.csv", "--dry-run", "--rejects", out];
        refused(place.run(args), out);
    }
    // The second file of rejected rows would have the name of one that is to be read.
    let files = ["process", "in/soft.csv", "in/rejects-2.csv"];
    let args = files.into_iter().chain(["--rejects", "in/rejects.csv"]);
    refused(place.run(args), "in/rejects.csv");
    fs::create_dir(place.path().join("in/folder")).unwrap();
    for out in ["in/folder", "/dev/null"] {
        refused(
            place.run(["process", "in/rejects.csv", "--rejects", out]),
            out,
        );
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), bytes);
    assert_eq!(fs::read_to_string(&other).unwrap(), bytes);
}

#[test]
fn what_lies_there_stays_until_the_run_is_over() {
    let place = Place::new();
    place.input("file.csv", good_and_bad());
    let out = place.input("out.csv", "of before\n");
    let args = ["process", "in/file.csv", "--rejects", "in/out.csv"];
    let server = Server::start(&place);
    assert_eq!(place.run(args).code, Some(3), "the directory is in use");
    assert_eq!(fs::read_to_string(&out).unwrap(), "of before\n");
    assert_eq!(server.end(), Some(0));
    assert_eq!(place.run(args).code, Some(0));
    let report = fs::read_to_string(&out).unwrap();
    assert!(report.starts_with(HEADER.trim_end()), "{report}");
    assert_eq!(report.lines().count(), 2, "{report}");
    assert_eq!(leftovers(&place.path().join("in")), Vec::<String>::new());
    // A link stays one, and a run without rejected rows leaves an empty report.
    let link = place.path().join("link.csv");
    std::os::unix::fs::symlink(&out, &link).unwrap();
    place.input("good.csv", format!("{PLAIN_HEADER}t9,1.00,m1,{VISA}\n"));
    let args = ["process", "in/good.csv", "--rejects", "link.csv"];
    assert_eq!(place.run(args).code, Some(0));
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 1);
}

/// Every amount of the report was sent by the merchant as an amount.
#[test]
fn a_shifted_row_does_not_come_back_as_another_one() {
    let place = Place::new();
    let rows = format!("{PLAIN_HEADER}r1,1,000.00,m1,{VISA}\nr2,12,50,m1,{VISA}\n");
    place.input("file.csv", rows);
    let (code, _) = place.json(["process", "in/file.csv", "--rejects", "in/again.csv"]);
    assert_eq!(code, Some(0));
    let report = fs::read_to_string(place.path().join("in/again.csv")).unwrap();
    let mended = report.replace("card_masked", VISA);
    let (_, document) = place.process(&place.input("mended.csv", mended));
    let file = &document["files"][0];
    assert_eq!(
        (&file["rows"], &file["accepted"]),
        (&2.into(), &0.into()),
        "{document}"
    );
}

/// The report has our names of the columns, whatever the file's were.
#[test]
fn a_report_is_sent_again_with_the_options_of_its_file() {
    let place = Place::new();
    let swapped = "id,amount,merchant_id,pan,terminal_id\n";
    place.input(
        "file.csv",
        format!("{swapped}t1,-1,till-1,{VISA},shop-1\nt2,1.00,till-1,{VISA},shop-1\n"),
    );
    let columns = [
        "id=transaction_id",
        "pan=card_number",
        "merchant_id=terminal_id",
        "terminal_id=merchant_id",
    ];
    let options = columns.iter().flat_map(|column| ["--column", column]);
    let args = |file| ["process", file].into_iter().chain(options.clone());
    let (code, document) = place.json(args("in/file.csv").chain(["--rejects", "in/again.csv"]));
    assert_eq!(
        (code, &document["files"][0]["rejected"]),
        (Some(0), &1.into())
    );
    let report = fs::read_to_string(place.path().join("in/again.csv")).unwrap();
    let mended = report.replace("card_masked", VISA).replace("'-1", "1");
    place.input("mended.csv", &mended);
    let (code, document) = place.json(args("in/mended.csv"));
    let file = &document["files"][0];
    assert_eq!(
        (code, &file["accepted"]),
        (Some(0), &1.into()),
        "{document}"
    );
    let (_, status) = place.json(["status", "t1"]);
    assert_eq!(
        (&status["merchant_id"], &status["terminal_id"]),
        (&"shop-1".into(), &"till-1".into()),
        "{mended}"
    );
}

#[test]
fn a_strict_refusal_counts_alike_wherever_it_is_asked() {
    let bad = format!("{HEADER}t1,7.00,m1,{VISA},\nt2,-1,m1,{VISA},\nt3,x,m1,{VISA},\n");
    let unclosed = format!("{bad}t4,\"1.00,m1,{VISA},\n");
    for (text, code) in [(bad, 1), (unclosed, 3)] {
        let place = Place::new();
        let path = place.input("file.csv", text);
        let path = path.to_str().unwrap();
        let (ended, document) = place.json(["process", path, "--strict"]);
        let file = &document["files"][0];
        assert_eq!(ended, Some(code), "{document}");
        let counts = |counts: &serde_json::Value| {
            ["accepted", "rejected", "duplicates", "conflicts"].map(|key| counts[key].as_u64())
        };
        let expected = [Some(0), Some(2), Some(0), Some(0)];
        assert_eq!(counts(file), expected, "{document}");
        let (_, listed) = place.json(["uploads"]);
        let upload = &listed["uploads"][0];
        assert_eq!(counts(&upload["counts"]), expected, "{listed}");
        assert_eq!(upload["sums"], serde_json::json!({}), "{listed}");
        let failed = place.run(["events", "--type", "upload.failed"]);
        let event: serde_json::Value = serde_json::from_str(&failed.stdout).unwrap();
        assert_eq!(event["data"]["rejected"], 2, "{event}");
        assert_eq!(event["data"]["sums"], serde_json::json!({}), "{event}");
        let (_, dry) = place.json(["process", path, "--strict", "--dry-run"]);
        assert_eq!(counts(&dry["files"][0]), expected, "{dry}");
    }
}
