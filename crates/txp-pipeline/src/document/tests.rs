//! Documents of small states: what a merchant sees, and what he does not.

use super::*;
use serde_json::{Value, json};
use txp_domain::event::{RejectedRow, RowEvent, RowOutcome};
use txp_domain::id::UploadId;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::time::Timestamp;
use txp_domain::transaction::{Flag, Transaction};
use txp_domain::upload::{Ending, Upload, UploadState};

fn as_of() -> AsOfDocument {
    AsOfDocument::new(7, 1_795_478_343_021)
}

fn finding() -> String {
    json!({
        "id": "x:default-1:1", "event_id": "bbbbbbbbbbbbbbbbbbbbbbbb:1", "rule_set": "default-1",
        "facts_revision": 1, "transaction_id": "t", "merchant_id": "m",
        "card": {"fingerprint": "b".repeat(32), "last4": "4242", "brand": "visa"},
        "score": 612, "severity": "high",
        "hits": [
            {"rule": "card_velocity", "severity": "high", "strength": 612, "kind": "card_velocity",
             "observed": 9, "threshold": 5, "window_seconds": 600, "words": "9 sales on the card"},
            {"rule": "amount_high", "severity": "low", "strength": 500, "kind": "amount_high",
             "observed": {"amount": "10000.01", "currency": "USD"},
             "threshold": {"amount": "10000.00", "currency": "USD"}, "words": "amount is above"},
        ],
        "inputs": {"type": "sale", "amount": "10000.01", "currency": "USD",
                   "event_time": "2026-11-22T19:59:03Z"},
    })
    .to_string()
}

#[test]
fn a_merchant_sees_no_number_that_was_learnt_across_merchants() {
    let mut transaction = Transaction::empty("m", "t");
    transaction.flags.push(Flag {
        event: "x:default-1:1".into(),
        finding: finding().into(),
    });
    let document = |audience| {
        serde_json::to_value(transaction_document(&transaction, None, as_of(), audience)).unwrap()
    };
    let flags = document(Audience::Merchant)["flags"].clone();
    assert_eq!(flags[0]["rule"], "card_velocity");
    assert_eq!(
        flags[0]["words"],
        "more sales on the card in a short time than usual"
    );
    for hidden in ["numbers", "score"] {
        assert_eq!(flags[0].get(hidden), None, "{hidden}");
    }
    assert_eq!(flags[1]["words"], "amount is above");
    assert_eq!(
        flags[1]["numbers"]["threshold"],
        json!({"amount": "10000.00", "currency": "USD"})
    );
    assert_eq!(flags[1].get("score"), None);

    let flags = document(Audience::Operator)["flags"].clone();
    assert_eq!(flags[0]["score"], 612);
    assert_eq!(flags[0]["numbers"]["observed"], 9);
    assert_eq!(flags[0]["words"], "9 sales on the card");
}

#[test]
fn a_finding_of_a_later_version_shows_as_unreadable() {
    let mut transaction = Transaction::empty("m", "t");
    transaction.flags.push(Flag {
        event: "e".into(),
        finding: "{}".into(),
    });
    let document = transaction_document(&transaction, None, as_of(), Audience::Operator);
    assert_eq!(document.flags[0].rule, "unreadable");
    assert_eq!(document.flags[0].finding_id, "e");
}

#[test]
fn a_rejected_transaction_tells_its_reasons() {
    let upload_id = UploadId::new(1, [1; 6]);
    let violations = r#"[{"code":"amount_sign","field":"amount","message":"m","hint":"h"}]"#;
    let row = RowEvent {
        upload_id,
        uploaded_at: Timestamp::EPOCH,
        record: 3,
        line: 4,
        outcome: RowOutcome::Rejected(RejectedRow {
            ids: Some(("m", "t")),
            violations,
        }),
    };
    let position = Position {
        bucket: Bucket(9),
        sequence: Sequence::from(5),
        subsequence: 0,
    };
    let mut transaction = Transaction::empty("m", "t");
    transaction.apply_row(&row, &position, 1_000);
    let document = transaction_document(&transaction, None, as_of(), Audience::Merchant);
    assert_eq!(upload_of(&transaction), None, "no row stands");
    let value = serde_json::to_value(&document).unwrap();
    assert_eq!(value["status"], "rejected");
    assert_eq!(value["amount"], Value::Null);
    assert_eq!(value["rejection"]["row"], 3);
    assert_eq!(value["rejection"]["reasons"][0]["code"], "amount_sign");
    assert_eq!(
        value["history"],
        json!([{
            "id": format!("{upload_id}:3"), "type": "row.rejected", "class": "rejected",
            "time": "1970-01-01T00:00:01Z",
            "position": {"bucket": 9, "sequence": "5", "subsequence": 0},
        }])
    );
    assert_eq!(value["as_of"]["sequence"], "7");
    assert_eq!(
        serde_json::from_value::<TransactionDocument>(value).unwrap(),
        document
    );
}

#[test]
fn an_upload_s_document_follows_its_state() {
    let id = UploadId::new(1, [1; 6]);
    let mut upload = Upload::new(id);
    let document = upload_document(&upload, UploadSource::default());
    assert_eq!(document.state, StateName::Processing);
    assert_eq!((document.percent, document.poll_after_s), (None, Some(1)));

    let mut tally = txp_domain::event::UploadTally {
        records: 200,
        ..Default::default()
    };
    tally.last_record_by_bucket.0.insert(3, 200);
    upload.ending = Some(Ending::Parsed(tally));
    upload.counts.accepted = 51;
    let document = upload_document(&upload, UploadSource::default());
    assert_eq!(
        (document.state, document.percent),
        (StateName::Parsed, Some(25))
    );
    assert_eq!(document.receipt, None);

    upload.watermarks = None;
    let dry = UploadSource {
        is_dry_run: true,
        ..UploadSource::default()
    };
    let document = upload_document(&upload, dry);
    assert_eq!(
        (document.upload_id, document.state),
        (None, StateName::DryRun)
    );
    let document = upload_document(&upload, UploadSource::default());
    assert_eq!(upload.state(), UploadState::Completed);
    assert_eq!((document.percent, document.poll_after_s), (Some(100), None));
}

#[test]
fn a_refused_strict_upload_tells_what_was_rejected_and_no_money() {
    let tally = txp_domain::event::UploadTally {
        records: 3,
        valid: 1,
        rejected: 2,
        ..Default::default()
    };
    let mut upload = Upload::new(UploadId::new(1, [1; 6]));
    upload.ending = Some(Ending::Failed(Default::default(), tally));
    let document = upload_document(&upload, UploadSource::default());
    assert_eq!(document.state, StateName::Failed);
    assert_eq!((document.rows, document.counts.rejected), (Some(3), 2));
    assert_eq!(document.counts.accepted, 0);
    assert!(document.sums.is_empty());
}

#[test]
fn a_problem_shows_no_long_number() {
    let fault = FieldFault::new(
        "/4111*1111,1111\u{301}1111",
        "4111 1111 1111 1111 is unknown",
    );
    let problem =
        Problem::new(ProblemKind::InvalidBody, "4111-1111-1111-1111").with_errors(vec![fault]);
    let text = serde_json::to_string(&problem).unwrap();
    assert!(!text.contains("1111"), "{text}");
    assert!(text.contains("urn:transaction-processor:problem:invalid_body"));
}

#[test]
fn every_kind_of_problem_has_a_name_of_its_own() {
    for (at, kind) in ProblemKind::ALL.iter().enumerate() {
        assert!((400..600).contains(&kind.status()), "{}", kind.name());
        let later = &ProblemKind::ALL[at + 1..];
        assert!(later.iter().all(|other| other.name() != kind.name()));
    }
}
