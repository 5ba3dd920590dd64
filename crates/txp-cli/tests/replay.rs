//! Replay and verify, as a user runs them: what a replay makes, what it leaves alone, what it refuses;
//! and what verify finds when a state or a history is not what it was.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use support::{HEADER, MASTERCARD, Place, Server, VISA, files_below};
use txp_domain::money::Amount;
use txp_local::state::State;
use txp_pipeline::port::TransactionStore;

/// Every kind of thing: findings, a repeat, a conflict, a rejection that stays and one that is mended,
/// chargebacks whose originals are there, come later, and never come.
fn everything(place: &Place) {
    let file = HEADER.replace("timestamp", "timestamp,type,original_transaction_id")
        + &[
            format!("high,20000.00,m1,{VISA},2026-01-01T00:00:00Z,sale,"),
            format!("a,1.50,m1,{VISA},2026-01-01T00:00:01Z,sale,"),
            format!("a,1.50,m1,{VISA},2026-01-01T00:00:01Z,sale,"),
            format!("a,9.50,m1,{VISA},2026-01-01T00:00:01Z,sale,"),
            format!("a,1.50,m2,{MASTERCARD},2026-01-01T00:00:02Z,sale,"),
            format!("bad,x,m1,{VISA},2026-01-01T00:00:03Z,sale,"),
            format!("mended,x,m1,{VISA},2026-01-01T00:00:03Z,sale,"),
            format!("mended,3.00,m1,{VISA},2026-01-01T00:00:03Z,sale,"),
            format!("?,3.00,m1,{VISA},2026-01-01T00:00:03Z,sale,"),
            format!("c1,1.50,m1,{VISA},2026-01-02T00:00:00Z,chargeback,a"),
            format!("c2,1.50,m1,{VISA},2026-01-02T00:00:00Z,chargeback,later"),
            format!("c3,1.50,m1,{VISA},2026-01-02T00:00:00Z,chargeback,never"),
            format!("later,1.50,m1,{VISA},2026-01-01T00:00:09Z,sale,"),
        ]
        .map(|row| row + "\n")
        .concat();
    let path = place.input("everything.csv", file);
    assert_eq!(place.process(&path).0, Some(0));
    let rows: String = (0..400)
        .map(|n| format!("r{n},{n}.25,m3,{VISA},2026-02-01T00:00:00Z\n"))
        .collect();
    let path = place.input("rows.csv", HEADER.to_owned() + &rows);
    assert_eq!(place.process(&path).0, Some(0));
}

/// Items: 8 + 400, and the placeholder `never`.
const TRANSACTIONS: u64 = 410;

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(folder).into_iter();
    files
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

fn replay(place: &Place, into: &str) -> (Option<i32>, Value) {
    place.json(["replay", "--source", "local:data", "--into", into])
}

fn verify(place: &Place, source: &str, against: &str) -> (Option<i32>, Value) {
    place.json(["verify", "--source", source, "--against", against])
}

#[track_caller]
fn assert_sound(place: &Place, source: &str, against: &str) {
    let (code, report) = verify(place, source, against);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["transactions"], TRANSACTIONS, "{report}");
    assert_eq!(report["drift"], 0, "{report}");
}

#[test]
fn invariant_7_replay_changes_nothing_outside_its_target_and_alerts_no_one() {
    let place = Place::new();
    everything(&place);
    let (_, alerts) = place.json(["alerts"]);
    assert_ne!(
        alerts["alerts"].as_array().unwrap().len(),
        0,
        "findings alert"
    );
    let before = contents(place.path());
    let (code, done) = replay(&place, "local:copy");
    assert_eq!(code, Some(0), "{done}");
    assert_ne!(done["findings"], 0, "{done}");
    assert_eq!(done["alerts"], 0);
    let copy = place.path().join("copy");
    let mut after = contents(place.path());
    after.retain(|path, _| !path.starts_with(&copy));
    assert_eq!(before, after, "nothing outside of the target");
    assert!(!copy.join("log").exists() && !copy.join("alerts").exists());
    let (code, alerts) = place.json(["alerts", "--data-dir", "copy"]);
    assert_eq!(
        (code, &alerts["alerts"]),
        (Some(0), &Value::Array(Vec::new()))
    );

    // It says what the original says, but for who wrote it.
    assert_sound(&place, "local:data", "local:copy");
    assert_sound(&place, "local:data", "local:data");
    for id in ["high", "c1", "later", "never", "bad", "mended", "r7"] {
        let of = |dir: &str| {
            let (code, mut document) = place.json(["status", id, "--data-dir", dir]);
            assert_eq!(code, Some(0), "{document}");
            let writer = document["writer"].take();
            document["as_of"].take();
            (writer, document)
        };
        let ((live, original), (replayed, copied)) = (of("data"), of("copy"));
        assert_eq!(live, "live");
        assert!(
            replayed.as_str().unwrap().starts_with("replay:"),
            "{replayed}"
        );
        assert_eq!(original, copied);
    }

    // Again: nothing to do, and nothing changes.
    let before = contents(&copy);
    let (code, again) = replay(&place, "local:copy");
    assert_eq!(
        (code, &again["events"]),
        (Some(0), &Value::from(0)),
        "{again}"
    );
    let mut after = contents(&copy);
    for (path, bytes) in &before {
        let name = path.file_name().unwrap();
        if name == "LOCK" || name == "CHECKPOINT" {
            // Who holds it, and the number of the next run.
            after.insert(path.clone(), bytes.clone());
        }
    }
    assert_eq!(before, after);

    // What comes later is folded when it is asked for, and only that.
    let more = place.input("more.csv", format!("{HEADER}z,1.00,m1,{VISA},\n"));
    assert_eq!(place.process(&more).0, Some(0));
    let (code, caught_up) = replay(&place, "local:copy");
    assert_eq!(code, Some(0));
    let events = caught_up["events"].as_u64().unwrap();
    assert!((3..10).contains(&events), "{caught_up}");
    let (code, report) = verify(&place, "local:data", "local:copy");
    assert_eq!(
        (code, &report["drift"]),
        (Some(0), &Value::from(0)),
        "{report}"
    );
    assert_eq!(report["transactions"], TRANSACTIONS + 1);
    assert_eq!(place.find_leaks([VISA, MASTERCARD]), [""; 0]);
}

#[test]
fn a_replay_is_refused_where_it_would_do_harm() {
    let place = Place::new();
    everything(&place);
    let other = place.input("other.csv", format!("{HEADER}z,1.00,m1,{VISA},\n"));
    let made = place.run(["process", other.to_str().unwrap(), "--data-dir", "other"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    fs::create_dir(place.path().join("full")).unwrap();
    fs::write(place.path().join("full/thesis.doc"), "x").unwrap();
    assert_eq!(replay(&place, "local:copy").0, Some(0));
    let before = contents(place.path());
    let refusals: [(&[&str], i32, &str); 10] = [
        (&["--into", "local:data"], 2, "the directory that is read"),
        (
            &["--into", "local:./in/../data"],
            2,
            "the directory that is read",
        ),
        (&["--into", "local:data/copy"], 2, "one lies in the other"),
        (&["--into", "local:other"], 3, "a history of its own"),
        (
            &["--into", "local:full"],
            3,
            "not a data directory of txp and not empty",
        ),
        (
            &["--into", "local:copy", "--to", "2026-01-01"],
            3,
            "holds a replay of",
        ),
        (&["--into", "copy"], 2, "no target"),
        (&["--into", "kinesis:x"], 2, "no target"),
        (
            &["--into", "local:new", "--overwrite-live"],
            2,
            "is about dynamodb",
        ),
        (
            &["--into", "local:new", "--source", "local:nowhere"],
            3,
            "no data directory",
        ),
    ];
    for (args, code, why) in refusals {
        for plan in [&[][..], &["--plan"]] {
            let source: &[&str] = match args.contains(&"--source") {
                true => &[],
                false => &["--source", "local:data"],
            };
            let all = [&["replay"][..], source, args, plan].concat();
            let ended = place.run(&all);
            assert_eq!(ended.code, Some(code), "{all:?}: {ended:?}");
            assert!(ended.stderr.contains(why), "{all:?}: {}", ended.stderr);
        }
    }
    assert_eq!(before, contents(place.path()));
}

/// A target is no data directory that could go on, and has no history that could be read.
#[test]
fn a_target_is_written_by_its_replay_alone() {
    let place = Place::new();
    everything(&place);
    assert_eq!(replay(&place, "local:copy").0, Some(0));
    let before = contents(place.path());
    for (command, code, why) in [
        (
            vec!["process", "in/rows.csv", "--data-dir", "copy"],
            3,
            "no history of its own",
        ),
        (
            vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", "copy"],
            3,
            "no history of its own",
        ),
        (
            vec!["clients", "add", "x", "--data-dir", "copy"],
            3,
            "no history of its own",
        ),
        (vec!["events", "--source", "local:copy"], 2, "read that one"),
        (
            vec!["trace", "a-1", "--source", "local:copy"],
            2,
            "read that one",
        ),
        (
            vec!["replay", "--source", "local:copy", "--into", "local:new"],
            2,
            "read that one",
        ),
        (
            vec![
                "verify",
                "--source",
                "local:copy",
                "--against",
                "local:copy",
            ],
            2,
            "read that one",
        ),
    ] {
        let ended = place.run(&command);
        assert_eq!(ended.code, Some(code), "{command:?}: {ended:?}");
        assert!(ended.stderr.contains(why), "{command:?}: {}", ended.stderr);
    }
    assert_eq!(before, contents(place.path()));
}

#[test]
fn a_plan_says_what_it_would_take_and_does_nothing() {
    let place = Place::new();
    everything(&place);
    let before = contents(place.path());
    let args = [
        "replay",
        "--source",
        "local:data",
        "--into",
        "local:copy",
        "--plan",
    ];
    let (code, plan) = place.json(args);
    assert_eq!(code, Some(0), "{plan}");
    assert!(plan["events"].as_u64().unwrap() > 413, "{plan}");
    assert_eq!(
        (&plan["is_counted"], &plan["micro_usd"]),
        (&true.into(), &0.into())
    );
    assert_eq!(plan["side_effects"], Value::Array(Vec::new()));
    assert_eq!(plan["target"], "a new directory");
    assert_eq!(plan["events_from"], "counted in the log's index");
    let text = place.run(args).stdout;
    for line in ["events", "time", "cost on AWS", "side effects  none"] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(before, contents(place.path()));
    // A window has the events of its time, all others, and none before all of them.
    let of = |bounds: &[&str]| {
        let (code, plan) = place.json([&args[..], bounds].concat());
        assert_eq!(code, Some(0), "{plan}");
        plan["events"].as_u64().unwrap()
    };
    assert_eq!(of(&["--to", "2020-01-01"]), 0);
    assert_eq!(of(&["--from", "2099-01-01"]), 0);
    assert_eq!(
        of(&["--from", "2020-01-01"]),
        plan["events"].as_u64().unwrap()
    );
}

#[test]
fn a_part_of_a_history_is_verified_as_that_part() {
    let place = Place::new();
    everything(&place);
    let args = [
        "replay",
        "--source",
        "local:data",
        "--into",
        "local:none",
        "--to",
        "2020-01-01",
    ];
    assert_eq!(place.json(args).1["events"], 0);
    let (code, report) = verify(&place, "local:data", "local:none");
    assert_eq!(
        (code, &report["transactions"]),
        (Some(0), &Value::from(0)),
        "{report}"
    );
    let args = [
        "replay",
        "--source",
        "local:data",
        "--into",
        "local:all",
        "--from",
        "2020-01-01",
    ];
    assert_eq!(place.json(args).0, Some(0));
    assert_sound(&place, "local:data", "local:all");
}

#[test]
fn verify_works_beside_a_writer() {
    let place = Place::new();
    everything(&place);
    let server = Server::start(&place);
    assert_sound(&place, "local:data", "local:data");
    assert_eq!(replay(&place, "local:copy").0, Some(0));
    assert_sound(&place, "local:data", "local:copy");
    assert_eq!(server.end(), Some(0));
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a directory never waits"),
    }
}

/// Changes a row of a state, as nobody should.
fn edit(dir: &Path, merchant_id: &str, transaction_id: &str, amount: u64) {
    let mut state = State::open(&dir.join("state")).unwrap();
    let meta = state.meta().unwrap().to_vec();
    let load = TransactionStore::load(&mut state, merchant_id, transaction_id);
    let mut item = now(load).unwrap().unwrap();
    let revision = item.revision;
    item.first.as_mut().unwrap().content.amount = Amount(amount);
    let stored = TransactionStore::store(&mut state, &item, revision);
    assert_eq!(now(stored).unwrap(), txp_pipeline::port::Written::Stored);
    state.checkpoint(&meta).unwrap();
}

/// The middle of the log's only segment.
fn flip(dir: &Path) -> PathBuf {
    let log = files_below(&dir.join("log"));
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|e| e == "log");
    let path = log.iter().find(is_segment).unwrap().clone();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn an_edited_row_and_a_flipped_byte_of_history_are_both_named() {
    let place = Place::new();
    everything(&place);
    let data = place.data();
    edit(&data, "m1", "a", 777);
    let (code, report) = verify(&place, "local:data", "local:data");
    assert_eq!(
        (code, &report["drift"]),
        (Some(1), &Value::from(1)),
        "{report}"
    );
    let drift = &report["drifts"][0];
    assert_eq!(
        (&drift["transaction_id"], &drift["merchant_id"]),
        (&"a".into(), &"m1".into())
    );
    assert_eq!(drift["kind"], "differs");
    assert_eq!(drift["fields"][0]["field"], "amount");
    assert_eq!(drift["fields"][0]["expected"], "1.50");
    assert_eq!(drift["fields"][0]["found"], "7.77");
    assert_eq!(drift["fields"].as_array().unwrap().len(), 1, "{drift}");
    assert_eq!(drift["events"][0]["type"], "transaction.accepted");
    let in_words = || {
        let sides = ["--source", "local:data", "--against", "local:data"];
        place.run(["verify"].into_iter().chain(sides))
    };
    let text = in_words();
    assert_eq!(text.code, Some(1));
    assert!(
        text.stdout.contains("transaction a of m1 differs"),
        "{}",
        text.stdout
    );
    assert!(
        text.stdout
            .contains(r#"amount: "1.50" by the history, "7.77" in the state"#)
    );
    // A replay of the same history is sound: it is the state that drifts.
    assert_eq!(replay(&place, "local:copy").0, Some(0));
    assert_sound(&place, "local:data", "local:copy");

    let segment = flip(&data);
    let (code, report) = verify(&place, "local:data", "local:data");
    assert_eq!(code, Some(1), "{report}");
    let damage = report["damage"][0].as_str().unwrap();
    let name = segment.file_name().unwrap().to_str().unwrap();
    for part in [name, "at byte", "events", "checksum"] {
        assert!(damage.contains(part), "{damage}");
    }
    let drifts = report["drifts"].as_array().unwrap();
    let edited = |drift: &&Value| drift["transaction_id"] == "a" && drift["merchant_id"] == "m1";
    assert_eq!(drifts.iter().filter(edited).count(), 1, "{report}");
    // What the damaged place held can be no drift: nobody knows.
    assert_eq!(report["drift"], 1, "{report}");
    assert!(report["unverifiable"].as_u64().unwrap() > 0, "{report}");
    let text = in_words();
    assert!(
        text.stdout.contains("damaged: the log is damaged in"),
        "{}",
        text.stdout
    );
    // A replay of it is refused where it comes to the place, and what is before is kept.
    let (code, refused) = replay(&place, "local:new");
    assert_eq!(code, Some(3), "{refused}");
    assert!(
        refused["error"].as_str().unwrap().contains(name),
        "{refused}"
    );
}

#[test]
fn damage_of_a_state_is_named_wherever_it_is() {
    let place = Place::new();
    everything(&place);
    assert_eq!(replay(&place, "local:copy").0, Some(0));
    let state = place.path().join("copy/state");
    for path in files_below(&state) {
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 7 + 1) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let (code, report) = verify(&place, "local:data", "local:copy");
            // Profiles and uploads lie in runs of their own, which are not compared.
            let is_named = code == Some(1) && report["damage"][0].is_string()
                || code == Some(3) && report["error"].is_string()
                || code == Some(0) && report["transactions"] == TRANSACTIONS;
            assert!(
                is_named,
                "byte {at} of {}: {code:?} {report}",
                path.display()
            );
        }
        fs::write(&path, &whole).unwrap();
    }
    // What is damaged is folded again by the replay itself.
    let manifest = state.join("CHECKPOINT");
    let mut bytes = fs::read(&manifest).unwrap();
    bytes[20] ^= 1;
    fs::write(&manifest, bytes).unwrap();
    let again = place.run(["replay", "--source", "local:data", "--into", "local:copy"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(
        again.stderr.contains("folded again from the start"),
        "{again:?}"
    );
    assert_sound(&place, "local:data", "local:copy");
}

#[test]
fn a_state_of_another_history_drifts_in_every_item() {
    let place = Place::new();
    everything(&place);
    let other = place.input("other.csv", format!("{HEADER}z,1.00,m1,{VISA},\n"));
    let made = place.run(["process", other.to_str().unwrap(), "--data-dir", "other"]);
    assert_eq!(made.code, Some(0));
    let (code, report) = verify(&place, "local:data", "local:other");
    assert_eq!(code, Some(1), "{report}");
    let kinds: Vec<_> = report["drifts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["kind"])
        .collect();
    assert!(kinds.contains(&&Value::from("unexplained")), "{report}");
    for (args, code) in [
        (
            [
                "verify",
                "--source",
                "local:nowhere",
                "--against",
                "local:data",
            ],
            3,
        ),
        (
            [
                "verify",
                "--source",
                "local:data",
                "--against",
                "local:nowhere",
            ],
            3,
        ),
        (["verify", "--source", "local:data", "--against", "data"], 2),
        (
            [
                "verify",
                "--source",
                "dynamodb:x",
                "--against",
                "local:data",
            ],
            2,
        ),
    ] {
        let ended = place.run(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
    }
}

/// An event that nobody can read is passed over by replay and verify alike, and named.
#[test]
fn an_unknown_event_is_quarantined_as_the_running_fold_does() {
    use txp_domain::position::Bucket;
    use txp_local::log::{FrameBuilder, LogWriter, OpenOptions};
    let place = Place::new();
    everything(&place);
    let (mut log, _) = LogWriter::open(&place.data().join("log"), &OpenOptions::default()).unwrap();
    let mut frame = FrameBuilder::new();
    frame.push(Bucket(1), br#"{"specversion":"9.9"}"#).unwrap();
    log.append(1, &mut frame).unwrap();
    log.sync().unwrap();
    drop(log);
    // Folded, and put in quarantine, by whoever writes next.
    let more = place.input("more.csv", format!("{HEADER}z,1.00,m1,{VISA},\n"));
    assert_eq!(place.process(&more).0, Some(0));
    let ended = place.run(["replay", "--source", "local:data", "--into", "local:copy"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("cannot be read and is passed over"),
        "{ended:?}"
    );
    let of =
        |dir: &str| fs::read_to_string(place.path().join(dir).join("quarantine.jsonl")).unwrap();
    let sequence =
        |text: &str| -> Value { serde_json::from_str::<Value>(text).unwrap()["sequence"].clone() };
    assert_eq!(sequence(&of("copy")), sequence(&of("data")));
    let (code, report) = verify(&place, "local:data", "local:copy");
    assert_eq!(
        (code, &report["unreadable"]),
        (Some(0), &Value::from(1)),
        "{report}"
    );
    assert_eq!(report["transactions"], TRANSACTIONS + 1);
}
