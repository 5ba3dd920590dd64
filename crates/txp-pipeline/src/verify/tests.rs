//! What is told of items that differ, and of uploads that lack records.

use super::*;
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::{
    Merchants, RecordSpans, Redrive, RejectedRow, RowEvent, RowOutcome, SourceFile, UploadEvent,
    UploadOptions, UploadParsed, UploadReceived, UploadTally,
};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::row::{CardFacts, Facts, TimeSource, TransactionType};
use txp_domain::time::Timestamp;
use txp_domain::transaction::Writer;

fn upload() -> UploadId {
    UploadId::new(5, [5; 6])
}

fn item(minor: u64) -> Transaction {
    let facts = Facts {
        transaction_id: "t",
        merchant_id: "m",
        amount: Amount(minor),
        currency: Currency::USD,
        kind: TransactionType::Sale,
        original_transaction_id: None,
        terminal_id: None,
        country: None,
        mcc: None,
        timestamp: Timestamp(7_000_000_000),
        time_source: TimeSource::File,
        card: CardFacts {
            last4: Last4(*b"4242"),
            brand: Brand::Visa,
            fingerprint: Fingerprint([7; 16]),
        },
    };
    let row = RowEvent {
        upload_id: upload(),
        uploaded_at: Timestamp(9),
        record: 1,
        line: 2,
        outcome: RowOutcome::Valid {
            facts,
            key_id: "bcdfghjk",
        },
    };
    let position = Position {
        bucket: Bucket(3),
        sequence: Sequence::from(4),
        subsequence: 0,
    };
    let mut item = Transaction::empty("m", "t");
    item.apply_row(&row, &position, 1_000);
    item
}

fn names(differences: &[Difference]) -> Vec<&str> {
    differences.iter().map(|d| &*d.field).collect()
}

#[test]
fn fields_that_differ_are_named_and_who_wrote_is_not_one() {
    let expected = item(100);
    assert_eq!(differences(&expected, &expected), []);
    let mut found = item(100);
    found.writer = Writer::Replay("x".into());
    assert_eq!(differences(&expected, &found), []);
    let found = item(250);
    let differing = differences(&expected, &found);
    assert_eq!(names(&differing), ["amount"]);
    assert_eq!(differing[0].expected, "1.00");
    assert_eq!(differing[0].found, "2.50");
    let mut found = item(100);
    if let Some(first) = &mut found.first {
        first.content.fingerprint = Fingerprint([8; 16]);
    }
    assert_eq!(names(&differences(&expected, &found)), ["card_fingerprint"]);
    let mut found = item(100);
    found.as_of = None;
    found.revision = 9;
    assert_eq!(
        names(&differences(&expected, &found)),
        ["as_of", "revision"]
    );
}

#[test]
fn links_of_others_are_no_difference_and_their_revisions_neither() {
    let expected = item(100);
    let mut found = item(100);
    let event = |record| txp_domain::id::EventId {
        upload_id: upload(),
        record,
    };
    for record in 10..14 {
        found.link_dispute(event(record));
    }
    assert_eq!(differences(&expected, &found), []);
    found.revision += 1;
    assert_eq!(names(&differences(&expected, &found)), ["revision"]);
    for record in 20..60 {
        found.link_dispute(event(record));
    }
    // How many of so many links made a revision depends on their order.
    assert_eq!(differences(&expected, &found), []);
}

#[test]
fn a_drift_tells_the_events_that_explain_it() {
    let (expected, found) = (item(100), item(250));
    let drift = Drift::of(DriftKind::Differs, "m", "t", Some(&expected), Some(&found));
    assert_eq!(drift.events.len(), 1);
    assert_eq!(drift.events[0].position.sequence, "4");
    let mut report = Report::default();
    assert!(report.is_sound());
    for _ in 0..=DRIFTS_TOLD_MAX {
        report.tell(drift.clone());
    }
    assert!(!report.is_sound());
    assert_eq!(
        (report.drift, report.drifts.len()),
        (DRIFTS_TOLD_MAX as u64 + 1, DRIFTS_TOLD_MAX)
    );
}

fn row(record: u64) -> RowEvent<'static> {
    RowEvent {
        upload_id: upload(),
        uploaded_at: Timestamp(9),
        record,
        line: record + 1,
        outcome: RowOutcome::Rejected(RejectedRow {
            ids: None,
            violations: "[]",
        }),
    }
}

fn received() -> UploadReceived {
    UploadReceived {
        upload_id: upload(),
        uploaded_at: Timestamp(9),
        trace: None,
        client_id: "c".to_owned(),
        file: SourceFile::default(),
        options: UploadOptions::default(),
        merchants: Merchants::All,
    }
}

fn parsed(records: u64) -> UploadEvent {
    UploadEvent::Parsed(UploadParsed {
        upload_id: upload(),
        uploaded_at: Timestamp(9),
        trace: None,
        tally: UploadTally {
            records,
            ..UploadTally::default()
        },
    })
}

#[test]
fn records_are_counted_once_each_wherever_the_ending_stands() {
    for ending_at in 0..=4 {
        let mut seen = UploadsSeen::default();
        for (at, record) in [1, 2, 3, 4].into_iter().enumerate() {
            if at == ending_at {
                seen.apply(&parsed(4));
            }
            let bucket = Bucket(u8::try_from(record % 2).unwrap());
            assert!(!seen.is_repeat(&row(record), bucket));
            assert!(seen.is_repeat(&row(record), bucket));
        }
        if ending_at == 4 {
            seen.apply(&parsed(4));
        }
        assert_eq!((seen.parsed(), seen.incomplete().count()), (1, 0));
        assert!(seen.is_repeat(&row(1), Bucket(0)), "it is complete");
    }
}

/// Rows that are read again keep their numbers: those that are named are all there are.
#[test]
fn the_records_of_a_redrive_are_those_that_it_names() {
    let mut received = received();
    received.options.redrive = Some(Redrive {
        upload_id: UploadId::default(),
        records: RecordSpans::of([2, 4, 5]),
    });
    let received = UploadEvent::Received(received);
    for (there, missing) in [(&[2, 4, 5][..], 0), (&[2, 5], 1), (&[1, 2, 3], 1)] {
        for received_at in [0, there.len()] {
            let mut seen = UploadsSeen::default();
            for (at, record) in there.iter().enumerate() {
                if at == received_at {
                    seen.apply(&received);
                }
                assert!(!seen.is_repeat(&row(*record), Bucket(0)));
            }
            seen.apply(&received);
            seen.apply(&parsed(3));
            let found = (seen.parsed(), seen.incomplete().count());
            assert_eq!(found, (1, missing), "{there:?}");
        }
    }
}

#[test]
fn a_missing_record_and_one_in_two_buckets_are_seen() {
    for (records, places) in [
        (3, vec![(1, 0), (3, 0)]),
        (3, vec![(1, 0), (1, 1), (3, 0)]),
        (2, vec![(1, 0), (2, 0), (3, 0)]),
    ] {
        let mut seen = UploadsSeen::default();
        for (record, bucket) in &places {
            assert!(!seen.is_repeat(&row(*record), Bucket(*bucket)));
        }
        seen.apply(&parsed(records));
        let incomplete: Vec<_> = seen.incomplete().collect();
        if records == 2 {
            // Three rows where two were counted.
            assert_eq!(incomplete[0].found, 3);
        }
        assert_eq!((seen.parsed(), incomplete.len()), (1, 1), "{places:?}");
    }
    let mut seen = UploadsSeen::default();
    assert!(!seen.is_repeat(&row(1), Bucket(0)));
    assert_eq!(
        (seen.parsed(), seen.incomplete().count()),
        (0, 0),
        "it goes on"
    );
}
