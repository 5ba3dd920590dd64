//! The table read from its end says the same as a plain reading from its start.

use super::{AlertEntry, Delivery, Ledger, Newest, Trail};
use crate::block_on::block_on;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use txp_domain::alert::{Decision, Notice};
use txp_domain::event::AnomalyFlagged;
use txp_domain::finding::Finding;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::time::Timestamp;
use txp_pipeline::port::{AlertLedger as _, AlertRecord, Handed, Recorded};

const SECOND: i64 = 1_000_000_000;

fn at(second: u64) -> Timestamp {
    Timestamp(i64::try_from(second).unwrap() * SECOND)
}

fn finding(number: u64, merchant: &str) -> Finding {
    let digit_free = number
        .to_string()
        .bytes()
        .map(|digit| char::from(b'b' + digit - b'0'))
        .collect::<String>();
    serde_json::from_value(serde_json::json!({
        "id": format!("e{digit_free}"),
        "event_id": "bbbbbbbbbbbbbbbbbbbbbbbb:1",
        "rule_set": "r",
        "facts_revision": 1,
        "transaction_id": "t",
        "merchant_id": merchant,
        "card": { "fingerprint": "b".repeat(32), "last4": "1111", "brand": "visa" },
        "score": 500,
        "severity": "high",
        "hits": [],
        "inputs": {
            "type": "sale",
            "amount": "1.00",
            "currency": "USD",
            "event_time": "2025-01-01T00:00:00Z",
        },
    }))
    .unwrap()
}

fn record(number: u64, merchant: &str, decision: Decision) -> AlertRecord {
    AlertRecord {
        flagged: AnomalyFlagged {
            finding: finding(number, merchant),
            time: at(number),
        },
        decision,
        decided_at: at(number),
        position: Position {
            bucket: Bucket(7),
            sequence: Sequence::from(number),
            subsequence: 0,
        },
    }
}

fn read(dir: &Path) -> Vec<AlertEntry> {
    let mut newest = Newest::open(dir).unwrap();
    let mut entries: Vec<_> = std::iter::from_fn(|| newest.next_entry().unwrap()).collect();
    assert_eq!(newest.total().unwrap(), entries.len() as u64);
    entries.reverse();
    entries
}

/// A table of some hundred pieces, written as the alerts' stage writes: what was recorded, and what
/// is to be read from it.
fn fill(dir: &Path, alerts: u64) -> BTreeMap<u64, Delivery> {
    let (mut ledger, _) = Ledger::open(dir, at(0)).unwrap();
    let mut expected = BTreeMap::new();
    for number in 1..=alerts {
        let merchant = format!("m{}", number % 3);
        let (decision, delivery) = match number % 4 {
            0 => (Decision::RecordOnly, Delivery::Recorded),
            1 => (Decision::Send, Delivery::Sent),
            _ => (Decision::Digest, Delivery::Pending),
        };
        let record = record(number, &merchant, decision);
        block_on(ledger.record(std::slice::from_ref(&record))).unwrap();
        let notice = Notice::of(&record.flagged.finding);
        expected.insert(number, delivery);
        if delivery == Delivery::Sent && number + 4 <= alerts {
            let id = record.flagged.id().to_owned();
            block_on(ledger.mark(&[Handed::Alert { id }], at(number))).unwrap();
        } else if delivery == Delivery::Sent {
            // The last was recorded, and then came a crash.
            expected.insert(number, Delivery::Pending);
        }
        if number % 50 == 0 && number < alerts {
            let digest = Handed::Digest {
                id: format!("d{number}"),
                merchant_id: merchant.clone(),
                rule: notice.rule,
                count: 1,
                alerts: Vec::new(),
            };
            block_on(ledger.mark(&[digest], at(number))).unwrap();
            for (_, delivery) in expected.range_mut(..=number).filter(|(other, delivery)| {
                *other % 3 == number % 3 && *other % 4 > 1 && **delivery == Delivery::Pending
            }) {
                *delivery = Delivery::SentInDigest;
            }
        }
    }
    expected
}

fn number_of(entry: &AlertEntry) -> u64 {
    entry.record.position.sequence.as_u64().unwrap()
}

#[test]
fn from_its_end_a_table_reads_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read(dir.path()).is_empty(), "no table, no alerts");
    let expected = fill(dir.path(), 301);
    let entries = read(dir.path());
    let found: Vec<_> = entries.iter().map(|e| (number_of(e), e.delivery)).collect();
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    assert_eq!(entries[41].record, record(42, "m0", Decision::Digest));
}

/// Also in a table of many stretches, where it is halved, and of a finding that is not in it.
#[test]
fn one_alert_is_found_with_what_became_of_it() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Trail::open(dir.path()).unwrap().is_none());
    let expected = fill(dir.path(), 1201);
    let bytes = fs::metadata(dir.path().join("table.jsonl")).unwrap().len();
    assert!(bytes > 512 << 10, "{bytes}");
    let trail = Trail::open(dir.path()).unwrap().unwrap();
    for (number, delivery) in expected {
        let id = finding(number, "m").id;
        let trace = trail.of(&id, number).unwrap().unwrap();
        assert_eq!(trace.delivery, delivery, "{number}");
        let is_handed = matches!(delivery, Delivery::Sent | Delivery::SentInDigest);
        assert_eq!(trace.handed_at.is_some(), is_handed, "{number}");
        assert_eq!(trace.digest.is_some(), delivery == Delivery::SentInDigest);
        assert_eq!(trace.record.position.sequence.as_u64(), Some(number));
    }
    for (id, sequence) in [("other", 7), ("other", 1202), ("other", 0)] {
        assert!(trail.of(id, sequence).unwrap().is_none());
    }
}

#[test]
fn a_restart_takes_up_what_is_pending_and_the_last_that_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let expected = fill(dir.path(), 301);
    let (mut ledger, mut waiting) = Ledger::open(dir.path(), at(200)).unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| waiting.next_entry().unwrap()).collect();
    let pending = expected
        .iter()
        .filter(|(_, delivery)| **delivery == Delivery::Pending)
        .map(|(number, _)| *number);
    // Of each of three merchants the last; 301 was not marked.
    let mut wanted: Vec<_> = pending.chain([289, 293, 297]).collect();
    wanted.sort_unstable();
    let numbers: Vec<_> = taken.iter().map(number_of).collect();
    assert_eq!(numbers, wanted);
    assert!(taken.iter().all(|entry| entry.record.decided_at >= at(1)));
    for (number, expected) in [(301, Recorded::Yes), (302, Recorded::No)] {
        let position = record(number, "m", Decision::Send).position;
        let recorded = block_on(ledger.look_up("", &position)).unwrap();
        assert_eq!(recorded, expected, "{number}");
    }
}

#[test]
fn a_torn_line_is_cut_and_a_damaged_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 9);
    let path = dir.path().join("table.jsonl");
    let whole = fs::read(&path).unwrap();
    let append = |bytes: &[u8]| {
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(bytes).unwrap();
    };
    append(b"{\"kind\":\"handed\",\"id");
    assert_eq!(read(dir.path()).len(), 9);
    Ledger::open(dir.path(), at(0)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole);

    append(b"{\"kind\"]\n");
    let named = format!("damaged at byte {}", whole.len());
    let mut newest = Newest::open(dir.path()).unwrap();
    assert!(newest.total().unwrap_err().to_string().contains(&named));
    assert!(
        newest
            .next_entry()
            .unwrap_err()
            .to_string()
            .contains(&named)
    );
    let refused = Ledger::open(dir.path(), at(0)).unwrap_err();
    assert!(refused.to_string().contains(&named), "{refused}");
}

#[test]
fn what_is_held_of_a_long_table_is_a_piece_of_it() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 300);
    let path = dir.path().join("table.jsonl");
    let table = fs::read(&path).unwrap().repeat(10);
    fs::write(&path, &table).unwrap();
    let mut newest = Newest::open(dir.path()).unwrap();
    let (mut held_max, mut found) = (0, 0);
    while newest.next_entry().unwrap().is_some() {
        held_max = held_max.max(newest.held_bytes());
        found += 1;
    }
    assert_eq!(found, 3000);
    let of = table.len();
    assert!(held_max < 160 << 10 && of > 1 << 20, "{held_max} of {of}");
}
