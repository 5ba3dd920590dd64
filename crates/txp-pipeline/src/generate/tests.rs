//! The file is what its counts say, held to readers that know nothing of how it was made.

use super::*;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

fn file(rows: u64, seed: u64) -> (Vec<u8>, Expected) {
    let mut out = Vec::new();
    let expected = generate(rows, seed, Options::default(), &mut out).unwrap();
    (out, expected)
}

fn records(file: &[u8]) -> Vec<csv::ByteRecord> {
    csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(file)
        .byte_records()
        .map(Result::unwrap)
        .collect()
}

fn text(record: &csv::ByteRecord, column: usize) -> String {
    String::from_utf8_lossy(record.get(column).unwrap_or_default()).into_owned()
}

#[test]
fn the_bytes_are_frozen() {
    let (file, _) = file(1_000, 42);
    let digest: String = Sha256::digest(&file)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        digest,
        "b8413b87aaf0ab7fad14f07cbbec0d5ad7f87917130bdd92a3f050fcc1252d75"
    );
}

#[test]
fn counts_add_up_and_hold_for_a_reader_of_the_file() {
    let (file, expected) = file(50_000, 7);
    let total = expected.accepted + expected.rejected + expected.duplicates + expected.conflicts;
    assert_eq!(total, 50_000);
    assert_eq!(
        expected.rejected_by_code.values().sum::<u64>(),
        expected.rejected
    );
    let records = records(&file);
    assert_eq!(records.len() as u64, expected.rows);

    // Ids of good rows: seen once is accepted, again is a duplicate or a conflict.
    let mut first: HashMap<String, (String, String, String)> = HashMap::new();
    let (mut duplicates, mut conflicts) = (0, 0);
    for record in &records {
        let content = (text(record, 1), text(record, 2), text(record, 7));
        match first.get(&text(record, 0)) {
            None => drop(first.insert(text(record, 0), content)),
            Some(earlier) if *earlier == content => duplicates += 1,
            // The ids of bad rows have another shape and may come again.
            Some(_)
                if text(record, 0).as_bytes().get(5) == Some(&b'-')
                    && !text(record, 0).starts_with("order-") =>
            {
                conflicts += 1
            }
            Some(_) => {}
        }
    }
    assert_eq!(
        (duplicates, conflicts),
        (expected.duplicates, expected.conflicts)
    );
    let charged: HashSet<String> = records
        .iter()
        .filter(|record| text(record, 7) == "chargeback" && text(record, 8) != text(record, 0))
        .map(|record| text(record, 8))
        .filter(|original| !original.is_empty())
        .collect();
    assert_eq!(charged.len() as u64, expected.disputed);
}

#[test]
fn every_fault_occurs_and_shares_are_as_promised() {
    let (_, expected) = file(100_000, 3);
    let codes: HashSet<&str> = bad::FAULTS.iter().map(|(_, code)| *code).collect();
    assert_eq!(expected.rejected_by_code.len(), codes.len());
    assert_eq!(expected.rejected_by_code.get("record_too_long"), Some(&1));
    assert!((1_800..2_200).contains(&expected.rejected), "{expected:?}");
    assert!(
        (850..1_150).contains(&(expected.duplicates + expected.conflicts)),
        "{expected:?}"
    );
    assert!(
        expected.conflicts > 0 && expected.disputed > 0,
        "{expected:?}"
    );
}

#[test]
fn event_times_rise_and_end_where_asked() {
    let end = 1_800_000_000;
    let mut out = Vec::new();
    let options = Options {
        ending_at_seconds: Some(end),
    };
    generate(5_000, 1, options, &mut out).unwrap();
    let sales: Vec<String> = records(&out)
        .iter()
        .filter(|record| record.len() == 9 && matches!(record.get(7), Some(b"refund")))
        .map(|record| text(record, 1))
        .collect();
    assert!(sales.is_sorted(), "refunds happen in the order of the file");
    let mut last = Vec::new();
    text::Clock::new().put(&mut last, end);
    let last = String::from_utf8(last).unwrap();
    assert!(
        sales
            .iter()
            .all(|time| time.as_str() <= format!("{last}Z").as_str())
    );
    assert!(sales.last().is_some_and(|time| time[..10] == last[..10]));
}

#[test]
fn no_identifier_has_twelve_digits() {
    let (file, _) = file(20_000, 11);
    for record in records(&file) {
        let id = text(&record, 0);
        let digits = id.bytes().filter(u8::is_ascii_digit).count();
        assert!(
            digits < 12 || id.starts_with("order-"),
            "{digits} digits in an identifier"
        );
    }
}

#[test]
fn the_rules_have_something_to_find() {
    // A naive judge: high and low amounts in dollars, bursts on a card.
    let (file, _) = file(100_000, 5);
    let (mut high, mut low, mut bursts) = (0, 0, 0);
    let mut seen: HashMap<String, Vec<String>> = HashMap::new();
    for record in records(&file) {
        if record.len() != 9 || text(&record, 7) != "sale" {
            continue;
        }
        if let (b"USD", Ok(amount)) = (&record[3], text(&record, 2).parse::<f64>()) {
            high += u64::from(amount > 10_000.0);
            low += u64::from((0.0..1.0).contains(&amount));
        }
        // Equal up to the tens of minutes: a lower bound of what a window of ten minutes sees.
        let times = seen.entry(text(&record, 4)).or_default();
        let slot: String = text(&record, 1).chars().take(15).collect();
        times.push(slot.clone());
        bursts += u64::from(times.iter().filter(|time| **time == slot).count() == 6);
    }
    assert!((5..200).contains(&high), "high {high}");
    assert!((5..200).contains(&low), "low {low}");
    assert!((1..200).contains(&bursts), "bursts {bursts}");
}
