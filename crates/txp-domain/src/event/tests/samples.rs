//! Values of every type of event, the frozen files' among them.

use crate::card::{Brand, Fingerprint, Last4};
use crate::event::*;
use crate::finding::{
    CardSeen, ConflictSeen, Content, Finding, Hit, Inputs, Money, Numbers, ProfileSeen, Total,
    WindowSeen,
};
use crate::id::{EventId, UploadId};
use crate::money::{Amount, Currency};
use crate::row::{CardFacts, Column, Country, Facts, Mcc, TimeSource, TransactionType};
use crate::rule::Severity;
use crate::time::Timestamp;
use crate::violation::{Code, Note, Violation, Violations};

pub(crate) const KEY_ID: &str = "bcdfghjk";

pub(crate) fn upload_id() -> UploadId {
    UploadId::new(1_795_377_600_000, [1, 2, 3, 4, 5, 6])
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text.as_bytes()).unwrap()
}

pub(crate) fn arrival() -> Timestamp {
    at("2026-11-22T20:00:00.250Z")
}

fn card() -> CardFacts {
    CardFacts {
        last4: Last4(*b"4242"),
        brand: Brand::Visa,
        fingerprint: Fingerprint([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 254, 255]),
    }
}

/// A plain sale of 12.30 USD.
pub(crate) fn plain() -> Facts<'static> {
    Facts {
        transaction_id: "tx-1",
        merchant_id: "m-1",
        amount: Amount(1230),
        currency: Currency::USD,
        kind: TransactionType::Sale,
        original_transaction_id: None,
        terminal_id: None,
        country: None,
        mcc: None,
        timestamp: arrival(),
        time_source: TimeSource::Upload,
        card: card(),
    }
}

/// A refund with every field that is optional.
pub(crate) fn full() -> Facts<'static> {
    Facts {
        transaction_id: "TX_2.a:9",
        merchant_id: "shop-7",
        amount: Amount(1_234_567),
        currency: Currency::from_code(b"BHD").unwrap(),
        kind: TransactionType::Refund,
        original_transaction_id: Some("tx-1"),
        terminal_id: Some("till-3"),
        country: Country::parse(b"DE"),
        mcc: Mcc::parse(b"0742"),
        timestamp: at("2026-11-21T23:59:59.123456789Z"),
        time_source: TimeSource::File,
        card: CardFacts {
            last4: Last4(*b"0005"),
            brand: Brand::Amex,
            fingerprint: Fingerprint([0xab; 16]),
        },
    }
}

pub(crate) fn chargeback() -> Facts<'static> {
    Facts {
        transaction_id: "cb-1",
        amount: Amount(0),
        kind: TransactionType::Chargeback,
        original_transaction_id: Some("tx-1"),
        timestamp: at("2026-11-20T00:00:00Z"),
        time_source: TimeSource::File,
        ..plain()
    }
}

/// A row by its parts: what an encoder by hand takes, and serde.
#[derive(Clone, Debug)]
pub(crate) enum Row<'a> {
    Valid(Facts<'a>),
    Rejected(Option<(&'a str, &'a str)>, Violations),
}

impl Row<'_> {
    /// The JSON array of violations by serde alone.
    pub(crate) fn violations(&self) -> String {
        let Row::Rejected(_, violations) = self else {
            return "[]".to_owned();
        };
        let all: Vec<ViolationData<'_>> = violations
            .iter()
            .map(|v| ViolationData {
                code: v.code.name().into(),
                field: v.column.map(|column| column.name().into()),
                message: v.message().to_string().into(),
                hint: v.hint().into(),
            })
            .collect();
        serde_json::to_string(&all).unwrap()
    }

    pub(crate) fn event<'e>(&'e self, record: u64, line: u64, violations: &'e str) -> Event<'e> {
        let outcome = match self {
            Row::Valid(facts) => RowOutcome::Valid {
                facts: *facts,
                key_id: KEY_ID,
            },
            Row::Rejected(ids, _) => RowOutcome::Rejected(RejectedRow {
                ids: *ids,
                violations,
            }),
        };
        Event::Row(RowEvent {
            upload_id: upload_id(),
            uploaded_at: arrival(),
            record,
            line,
            outcome,
        })
    }

    pub(crate) fn encode(&self, record: u64, line: u64, out: &mut Vec<u8>) -> EncodedRow {
        let encoder = RowEncoder::new(upload_id(), arrival(), KEY_ID);
        match self {
            Row::Valid(facts) => encoder.valid(record, line, facts, out),
            Row::Rejected(ids, violations) => encoder.rejected(record, line, *ids, violations, out),
        }
    }
}

pub(crate) fn several_violations() -> Violations {
    let mut all = Violations::new();
    all.push(Violation::of(Code::ValueMissing, Column::Amount));
    all.push(Violation {
        code: Code::AmountDecimals,
        column: Some(Column::Amount),
        note: Note::Decimals {
            found: 3,
            currency: Currency::USD,
        },
    });
    all.push(Violation {
        code: Code::CardLength,
        column: Some(Column::CardNumber),
        note: Note::Count { found: 11 },
    });
    all
}

/// The frozen files of rows: name, row, record, line.
pub(crate) fn rows() -> Vec<(&'static str, Row<'static>, u64, u64)> {
    let mut without_ids = Violations::new();
    without_ids.push(Violation::of_record(
        Code::FieldCount,
        Note::Counts {
            found: 7,
            limit: 11,
        },
    ));
    vec![
        ("transaction.accepted.1.json", Row::Valid(full()), 17, 20),
        (
            "transaction.accepted.1.plain.json",
            Row::Valid(plain()),
            1,
            2,
        ),
        (
            "transaction.disputed.1.json",
            Row::Valid(chargeback()),
            18,
            21,
        ),
        (
            "row.rejected.1.json",
            Row::Rejected(Some(("m-1", "tx-1")), several_violations()),
            19,
            22,
        ),
        (
            "row.rejected.1.without-ids.json",
            Row::Rejected(None, without_ids),
            4_000_000_000,
            4_000_000_001,
        ),
    ]
}

/// The frozen files of all other events.
pub(crate) fn others() -> Vec<(&'static str, Event<'static>)> {
    let upload = |event| Event::Upload(Box::new(event));
    let mut all = failed();
    all.extend([
        (
            "upload.received.1.json",
            upload(UploadEvent::Received(received())),
        ),
        (
            "upload.received.1.plain.json",
            upload(UploadEvent::Received(UploadReceived {
                client_id: "local".into(),
                file: SourceFile {
                    name: "sales.csv".into(),
                    ..SourceFile::default()
                },
                options: UploadOptions::default(),
                merchants: Merchants::All,
                ..received()
            })),
        ),
        (
            "upload.received.1.traced.json",
            upload(UploadEvent::Received(UploadReceived {
                trace: Some(trace()),
                ..received()
            })),
        ),
        (
            "upload.parsed.1.traced.json",
            upload(UploadEvent::Parsed(UploadParsed {
                upload_id: upload_id(),
                uploaded_at: arrival(),
                trace: Some(trace()),
                tally: tally(),
            })),
        ),
        (
            "upload.parsed.1.json",
            upload(UploadEvent::Parsed(UploadParsed {
                upload_id: upload_id(),
                uploaded_at: arrival(),
                trace: None,
                tally: tally(),
            })),
        ),
    ]);
    all.extend(of_rules());
    all
}

/// What rules found, and which rules they are.
fn of_rules() -> [(&'static str, Event<'static>); 6] {
    [
        ("anomaly.flagged.1.json", flagged(finding())),
        ("anomaly.flagged.1.conflict.json", flagged(conflict())),
        (
            "anomaly.shadowed.1.json",
            Event::AnomalyShadowed(Box::new(AnomalyShadowed::new(finding(), arrival()))),
        ),
        (
            "ruleset.activated.1.json",
            Event::RulesetActivated(Box::new(RulesetActivated {
                activation: 2,
                version: "default-1".into(),
                sha256: "0123456789abcdef".repeat(4),
                activated_by: "operator".into(),
                activated_at: arrival(),
                rules: serde_json::json!({
                    "version": "default-1",
                    "rules": [{ "id": "amount_high", "thresholds": { "USD": 1_000_000 } }],
                }),
            })),
        ),
        (
            "ruleset.shadowed.1.json",
            Event::RulesetShadowed(Box::new(shadowing())),
        ),
        (
            "ruleset.shadowed.1.ended.json",
            Event::RulesetShadowed(Box::new(shadowing().ended("analyst", arrival()))),
        ),
    ]
}

fn shadowing() -> RulesetShadowed {
    RulesetShadowed {
        change: 3,
        version: "next-1".into(),
        sha256: "0123456789abcdef".repeat(4),
        shadowed_by: "operator".into(),
        shadowed_at: arrival(),
        rules: Some(serde_json::json!({
            "version": "next-1",
            "rules": [{ "id": "amount_high", "thresholds": { "USD": 500_000 } }],
        })),
    }
}

fn failed() -> Vec<(&'static str, Event<'static>)> {
    let upload = |event| Event::Upload(Box::new(event));
    vec![
        (
            "upload.failed.1.json",
            upload(UploadEvent::Failed(UploadFailed {
                upload_id: upload_id(),
                uploaded_at: arrival(),
                trace: None,
                reason: FailureReason {
                    code: "quote_open".into(),
                    message: "a quoted field is never closed".into(),
                    hint: "close the \"quote\"".into(),
                    line: Some(7),
                },
                tally: UploadTally {
                    sha256: None,
                    ..tally()
                },
            })),
        ),
        (
            "upload.failed.1.header.json",
            upload(UploadEvent::Failed(UploadFailed {
                upload_id: upload_id(),
                uploaded_at: arrival(),
                trace: None,
                reason: FailureReason {
                    code: "column_missing".into(),
                    message: "the header has no column amount".into(),
                    hint: "name every required column".into(),
                    line: None,
                },
                tally: UploadTally::default(),
            })),
        ),
    ]
}

pub(crate) fn trace() -> TraceParent {
    let text = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
    TraceParent::parse(text).unwrap()
}

pub(crate) fn received() -> UploadReceived {
    UploadReceived {
        upload_id: upload_id(),
        uploaded_at: arrival(),
        trace: None,
        client_id: "client-1".into(),
        file: SourceFile {
            name: "sales \"käse\" [redacted 16 digits].csv".into(),
            bytes: Some(1024),
            identity: Some("bcdfghjklmnpqrst".into()),
        },
        options: UploadOptions {
            strict: true,
            defaults: Defaults {
                currency: Some("EUR".into()),
                time_zone: Some("Europe/Berlin".into()),
            },
            columns: [("betrag".to_owned(), "amount".to_owned())].into(),
            long_number_ids_allowed: true,
            redrive: None,
        },
        merchants: Merchants::Only(vec!["m-1".into(), "shop-7".into()]),
    }
}

pub(crate) fn tally() -> UploadTally {
    let sums = CurrencySums {
        sale: Some("12.30".into()),
        refund: None,
        chargeback: Some("0.00".into()),
    };
    UploadTally {
        records: 19,
        valid: 18,
        rejected: 1,
        rejected_by_code: [("amount_decimals".to_owned(), 1), ("card_length".into(), 1)].into(),
        bytes: 2048,
        sha256: Some("0f".repeat(32)),
        sums: [("USD".to_owned(), sums)].into(),
        last_record_by_bucket: BucketRecords([(0, 19), (9, 3), (10, 17), (255, 18)].into()),
        unknown_columns: vec!["note".into()],
    }
}

fn flagged(finding: Finding) -> Event<'static> {
    Event::AnomalyFlagged(Box::new(AnomalyFlagged {
        finding,
        time: arrival(),
    }))
}

fn usd(minor: u64) -> Money {
    Money {
        amount: Amount(minor),
        currency: Currency::USD,
    }
}

fn total(minor: u128) -> Total {
    Total {
        minor,
        currency: Currency::USD,
    }
}

fn hit(rule: &str, severity: Severity, numbers: Numbers, words: &str) -> Hit {
    Hit {
        rule: rule.into(),
        severity,
        strength: 700,
        numbers,
        words: words.into(),
    }
}

/// A finding of every rule that looks at a sale.
pub(crate) fn finding() -> Finding {
    let event_id = EventId {
        upload_id: upload_id(),
        record: 17,
    };
    let high = Numbers::AmountHigh {
        observed: usd(1_234_567),
        threshold: usd(1_000_000),
    };
    let low = Numbers::AmountLow {
        observed: usd(1_234_567),
        threshold: usd(2_000_000),
    };
    let velocity = Numbers::CardVelocity {
        observed: 5,
        threshold: 5,
        window_seconds: 600,
    };
    let deviation = Numbers::AmountDeviation {
        observed: usd(1_234_567),
        times: 10,
        after: 10,
        sales: 12,
        sum: total(123_456_789),
    };
    Finding {
        id: Finding::id_of(event_id, "default-1", 1),
        event_id,
        rule_set: "default-1".into(),
        facts_revision: 1,
        transaction_id: "tx-1".into(),
        merchant_id: "m-1".into(),
        card: CardSeen::from(card()),
        score: 812,
        severity: Severity::Critical,
        hits: vec![
            hit("amount_high", Severity::High, high, "it is high"),
            hit("amount_low", Severity::Low, low, "it is low"),
            hit("card_velocity", Severity::Medium, velocity, "it is fast"),
            hit("amount_deviation", Severity::Medium, deviation, "it is far"),
        ],
        inputs: Inputs {
            content: Content {
                kind: TransactionType::Sale,
                money: usd(1_234_567),
            },
            event_time: at("2026-11-22T19:59:03Z"),
            profile: Some(ProfileSeen {
                revision: 12,
                sum: total(123_456_789),
            }),
            windows: vec![WindowSeen {
                window_seconds: 600,
                earlier: 5,
            }],
            conflict: None,
        },
    }
}

fn conflict() -> Finding {
    let first = Content {
        kind: TransactionType::Sale,
        money: usd(1230),
    };
    let second = Content {
        kind: TransactionType::Refund,
        money: usd(1240),
    };
    let base = finding();
    Finding {
        id: Finding::id_of(base.event_id, "default-1", 2),
        facts_revision: 2,
        hits: vec![hit(
            "conflicting_resubmission",
            Severity::Medium,
            Numbers::ConflictingResubmission { first, second },
            "it was sent again",
        )],
        inputs: Inputs {
            content: first,
            event_time: arrival(),
            profile: None,
            windows: Vec::new(),
            conflict: Some(ConflictSeen {
                event_id: EventId {
                    record: 18,
                    ..base.event_id
                },
                content: second,
                event_time: at("2026-11-22T19:59:04Z"),
            }),
        },
        ..base
    }
}
