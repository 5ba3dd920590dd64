//! Every command of `txp` in RUNBOOK.md is one that there is and does its work: run against a data
//! directory that has been used. Those of AWS are tried where there is an emulator
//! (`pulumi/tests/test_runbook.py`); here only that nothing else stands there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is how a test says no"
)]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

/// The lines of every block of commands.
fn commands() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../RUNBOOK.md");
    let page = std::fs::read_to_string(path).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    lines.map(str::to_owned).collect()
}

fn txp(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_txp"));
    command
        .args(arguments)
        .current_dir(dir)
        .env("TXP_DATA_DIR", dir.join("data"))
        .env("XDG_CONFIG_HOME", dir.join("config"));
    command.output().unwrap()
}

#[test]
fn every_command_of_the_runbook_does_its_work() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let file = "transaction_id,amount,merchant_id,card_number\nt1,20000.00,m1,4111111111111111\nt2,x,m1,1\n";
    std::fs::write(dir.join("sales.csv"), file).unwrap();
    let processed = txp(dir, &["process", "sales.csv", "--json"]);
    assert!(processed.status.success(), "{processed:?}");
    let report: Value = serde_json::from_slice(&processed.stdout).unwrap();
    let upload_id = report["files"][0]["upload_id"].as_str().unwrap();

    let mut tried = 0;
    for line in commands() {
        let filled = line
            .replace("UPLOAD_ID", upload_id)
            .replace("TRANSACTION_ID", "t1");
        let words: Vec<&str> = filled.split_whitespace().collect();
        match words.as_slice() {
            ["aws", ..] => {}
            // Of a deployment: whether it is asked for rightly is told before it is looked at.
            ["txp", .., "--env", _] => tried += 1,
            ["txp", arguments @ ..] => {
                let output = txp(dir, arguments);
                assert!(output.status.success(), "{line}: {output:?}");
                assert!(!output.stdout.is_empty(), "{line}");
                tried += 1;
            }
            _ => panic!("`{line}` is neither txp nor aws"),
        }
    }
    assert!(tried >= 5, "only {tried} commands were tried");
}

/// A queue of webhooks that cannot be read is a problem; one that was moved aside is to be known of.
#[test]
fn the_doctor_knows_of_damaged_queues_of_webhooks() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    std::fs::write(dir.join("sales.csv"), "transaction_id\n").unwrap();
    txp(dir, &["process", "sales.csv", "--json"]);
    let webhooks = dir.join("data/webhooks");
    std::fs::create_dir_all(&webhooks).unwrap();
    std::fs::write(webhooks.join("queue.jsonl"), "{\n").unwrap();
    std::fs::write(webhooks.join("queue.damaged.jsonl"), "{\n").unwrap();
    let examined = txp(dir, &["doctor", "--json"]);
    assert_eq!(examined.status.code(), Some(1), "{examined:?}");
    let report: Value = serde_json::from_slice(&examined.stdout).unwrap();
    let of = |key: &str| report[key].to_string();
    assert!(
        of("problems").contains("queue of webhooks is damaged"),
        "{report}"
    );
    assert!(of("notes").contains("queue.damaged.jsonl"), "{report}");
}

/// What is in a deployment is told and changed by a `txp` that can reach it, and that is asked rightly.
#[test]
fn a_deployment_wants_the_feature_and_what_is_asked_for() {
    let redrive = ["redrive", "quarantine", "list", "--env", "nowhere"];
    let [mut preview, mut run] = [redrive; 2];
    (preview[2], run[2]) = ("preview", "run");
    of_a_deployment(
        &["alerts", "suppress", "list", "--env", "nowhere"],
        3,
        "alerts-nowhere",
    );
    of_a_deployment(&redrive, 3, "s3://transaction-reports-nowhere/quarantine/");
    of_a_deployment(&preview, 2, "--source s3://BUCKET/PREFIX");
    of_a_deployment(
        &run,
        2,
        "txp replay --source SOURCE --into dynamodb:NEW_TABLE",
    );
    let upload = txp_domain::id::UploadId::new(1, [7; 6]).to_string();
    let rows = [
        "redrive", "rows", "preview", "--upload", &upload, "--env", "nowhere",
    ];
    of_a_deployment(
        &[&rows[..], &["--file", "f", "--max", "5001"]].concat(),
        2,
        "1 to 5000",
    );
    of_a_deployment(
        &[&rows[..], &["--file", "f"]].concat(),
        3,
        "uploads-nowhere",
    );
}

/// With the feature this code and these words; without it always the same.
fn of_a_deployment(arguments: &[&str], code: i32, words: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_txp"));
    command
        .args(arguments)
        .current_dir(scratch.path())
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let (code, wanted) = match cfg!(feature = "aws") {
        true => (code, words),
        false => (2, "--features aws"),
    };
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(wanted), "{told}");
}

#[test]
fn without_the_feature_a_deployment_is_not_looked_at() {
    let scratch = tempfile::tempdir().unwrap();
    if cfg!(feature = "aws") {
        // Nothing listens there: it says of each part that it cannot be looked at, and ends.
        let mut command = Command::new(env!("CARGO_BIN_EXE_txp"));
        command
            .args(["doctor", "--env", "nowhere", "--json"])
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["sound"], false);
        assert!(
            report["problems"].as_array().unwrap().len() >= 5,
            "{report}"
        );
        return;
    }
    let output = txp(scratch.path(), &["doctor", "--env", "dev"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("--features aws"), "{told}");
}
