//! `txp replay --plan` of sources other than a directory, and what a replayed directory shows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use serde_json::Value;
use support::Place;

/// Two files of four sales each: one of them is invalid, and one is there already.
fn history(place: &Place) {
    for name in ["one", "two"] {
        let rows = ["a,1.00", "b,x", "c,2.00", "shared,3.00"];
        let rows = rows.map(|row| {
            let row = match row.starts_with("shared") {
                true => row.to_owned(),
                false => format!("{name}-{row}"),
            };
            format!("{row},m-1,4242424242424242,2026-01-01T00:00:00Z\n")
        });
        let header = "transaction_id,amount,merchant_id,card_number,timestamp\n";
        let path = place.input(&format!("{name}.csv"), header.to_owned() + &rows.concat());
        assert_eq!(place.process(&path).0, Some(0));
    }
}

fn replay(place: &Place) -> Option<i32> {
    let args = ["replay", "--source", "local:data", "--into", "local:copy"];
    place.run(args).code
}

/// They are read through for it. That of objects and streams nothing is fetched is seen end to end.
#[test]
fn a_plan_counts_the_events_of_files() {
    let place = Place::new();
    history(&place);
    let events = place.run(["events"]).stdout;
    let lines = events.lines().count();
    let file = place.input("history.ndjson", events);
    let source = format!("file:{}", file.display());
    let args = [
        "replay",
        "--source",
        &source,
        "--into",
        "local:copy",
        "--plan",
    ];
    let (code, plan) = place.json(args);
    assert_eq!((code, &plan["events"]), (Some(0), &lines.into()), "{plan}");
    assert_eq!(plan["is_counted"], true);
    assert_eq!(plan["events_from"], "counted: the files were read through");
}

/// Uploads are a fold as well: what a replay has made of them is shown as the directory's own are.
#[test]
fn uploads_of_a_replayed_directory_are_shown() {
    let place = Place::new();
    history(&place);
    assert_eq!(replay(&place), Some(0));
    let (code, own) = place.json(["uploads"]);
    assert_eq!(code, Some(0));
    let (code, replayed) = place.json(["uploads", "--data-dir", "copy"]);
    assert_eq!(code, Some(0), "{replayed}");
    let told = |uploads: &Value| {
        let uploads = uploads["uploads"].as_array().unwrap().iter();
        let told = |upload: &Value| {
            ["upload_id", "state", "rows", "counts", "rejected_by_code"]
                .map(|key| upload[key].clone())
        };
        uploads.map(told).collect::<Vec<_>>()
    };
    assert!(told(&own).len() > 1);
    assert_eq!(told(&replayed), told(&own));
}
