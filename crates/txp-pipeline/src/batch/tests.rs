//! A row of a batch is the event that its JSON decodes to.

use super::*;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::{RowEncoder, UploadEvent, UploadParsed, UploadTally, decode};
use txp_domain::row::Column;
use txp_domain::violation::{Code, Note, Violation, Violations};

const IDENTIFIER: &str = "[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}";

#[derive(Clone, Debug)]
enum Sent {
    Valid([String; 2], [Option<String>; 2], RowValues),
    Rejected(Option<(String, String)>, Violations),
    Parsed(u64),
}

fn values() -> impl Strategy<Value = RowValues> {
    let kinds = [TransactionType::Sale, TransactionType::Refund];
    (
        any::<u64>(),
        0..Currency::COUNT,
        select(kinds.to_vec()),
        0..i64::MAX,
        select(vec![TimeSource::File, TimeSource::Upload]),
        option::of(Just(Country::parse(b"DE").unwrap())),
        option::of(Just(Mcc(*b"0742"))),
        any::<[u8; 16]>(),
    )
        .prop_map(
            |(amount, currency, kind, at, time_source, country, mcc, fingerprint)| RowValues {
                amount: Amount(amount),
                currency: Currency::all().nth(currency).unwrap(),
                kind,
                time_source,
                country,
                mcc,
                timestamp: Timestamp(at),
                card: CardFacts {
                    last4: Last4(*b"0042"),
                    brand: Brand::Elo,
                    fingerprint: Fingerprint(fingerprint),
                },
            },
        )
}

fn sent() -> impl Strategy<Value = Sent> {
    let violation = (
        0..Code::ALL.len(),
        option::of(0..Column::ALL.len()),
        any::<u32>(),
    )
        .prop_map(|(code, column, found)| Violation {
            code: Code::ALL[code],
            column: column.map(|at| Column::ALL[at]),
            note: Note::Count { found },
        });
    let violations = prop::collection::vec(violation, 0..4).prop_map(|all| {
        let mut violations = Violations::new();
        all.into_iter().for_each(|v| violations.push(v));
        violations
    });
    let optional = || option::of(IDENTIFIER);
    prop_oneof![
        4 => (IDENTIFIER, IDENTIFIER, optional(), optional(), values()).prop_map(
            |(merchant, transaction, original, terminal, values)| {
                Sent::Valid([merchant, transaction], [original, terminal], values)
            }
        ),
        2 => (option::of((IDENTIFIER, IDENTIFIER)), violations)
            .prop_map(|(ids, violations)| Sent::Rejected(ids, violations)),
        1 => any::<u64>().prop_map(Sent::Parsed),
    ]
}

impl Sent {
    fn fingerprint(&self) -> Option<Fingerprint> {
        match self {
            Self::Valid(_, _, values) => Some(values.card.fingerprint),
            _ => None,
        }
    }
}

fn push(batch: &mut EventBatch, encoder: &RowEncoder, record: u64, sent: &Sent) {
    let start = batch.bytes.len();
    let line = record.saturating_add(1);
    match sent {
        Sent::Valid([merchant_id, transaction_id], [original, terminal], values) => {
            let facts: Facts<'_> = Facts {
                transaction_id,
                merchant_id,
                amount: values.amount,
                currency: values.currency,
                kind: values.kind,
                original_transaction_id: original.as_deref(),
                terminal_id: terminal.as_deref(),
                country: values.country,
                mcc: values.mcc,
                timestamp: values.timestamp,
                time_source: values.time_source,
                card: CardFacts {
                    fingerprint: Fingerprint([0; 16]),
                    ..values.card
                },
            };
            let at = encoder.valid(record, line, &facts, &mut batch.bytes);
            batch.push_valid(start, record, line, &facts, at);
        }
        Sent::Rejected(ids, violations) => {
            let ids = ids.as_ref().map(|(m, t)| (m.as_str(), t.as_str()));
            let at = encoder.rejected(record, line, ids, violations, &mut batch.bytes);
            batch.push_rejected(start, record, line, ids, at);
        }
        Sent::Parsed(records) => {
            let parsed = UploadParsed {
                upload_id: batch.upload.upload_id,
                uploaded_at: batch.upload.uploaded_at,
                trace: None,
                tally: UploadTally {
                    records: *records,
                    ..UploadTally::default()
                },
            };
            let event = Event::Upload(Box::new(UploadEvent::Parsed(parsed)));
            batch.push_event(event).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn an_event_is_what_its_json_says(
        all in prop::collection::vec((sent(), 1..=u64::MAX), 0..80),
        settle_every in 1_usize..80,
        first_sequence in 0..u64::MAX / 2,
    ) {
        let upload = Arc::new(UploadContext {
            upload_id: UploadId::new(1_795_377_600_000, [9; 6]),
            uploaded_at: Timestamp(1_795_377_600_250_000_000),
            key_id: "bcdfghjk".into(),
        });
        let encoder = RowEncoder::new(upload.upload_id, upload.uploaded_at, &upload.key_id);
        let mut batch = EventBatch::default();
        // Twice, so that nothing is left of what the batch held before.
        for _ in 0..2 {
            batch.restart(&upload);
            prop_assert!(batch.is_empty());
            let mut fingerprints = all.iter().filter_map(|(sent, _)| sent.fingerprint());
            let mut settled = Vec::new();
            for (at, (sent, record)) in all.iter().enumerate() {
                push(&mut batch, &encoder, *record, sent);
                if at % settle_every == 0 {
                    batch.settle(&mut fingerprints, |bucket, record| settled.push((bucket, record)));
                }
            }
            batch.settle(&mut fingerprints, |bucket, record| settled.push((bucket, record)));
            prop_assert_eq!(batch.unsettled(), 0);
            let rows = all.iter().zip(batch.entries());
            let rows = rows.filter(|((sent, _), _)| !matches!(sent, Sent::Parsed(_)));
            let told: Vec<_> = rows.map(|((_, record), entry)| (entry.bucket, *record)).collect();
            prop_assert_eq!(settled, told);
        }
        prop_assert_eq!(batch.len(), all.len());
        let mut end = 0;
        for (entry, sent) in batch.entries().iter().zip(&all) {
            prop_assert_eq!(entry.start, end);
            end = entry.end;
            let decoded = decode(batch.json(entry)).unwrap();
            prop_assert_eq!(&batch.event(entry), &decoded.event());
            if let (Event::Row(RowEvent { outcome: RowOutcome::Valid { facts, .. }, .. }), (sent, _)) = (decoded.event(), sent) {
                prop_assert_eq!(Some(facts.card.fingerprint), sent.fingerprint());
            }
            let key = decoded.event().partition_key();
            prop_assert_eq!(&batch.partition_key(entry), &key);
            prop_assert_eq!(entry.bucket, Bucket::of(key.as_bytes()));
        }
        prop_assert_eq!(end as usize, batch.bytes.len());
        let deliveries = batch.deliveries(first_sequence, 7);
        for ((delivery, entry), sequence) in deliveries.zip(batch.entries()).zip(first_sequence..) {
            prop_assert_eq!(delivery.position.sequence.as_u64(), Some(sequence));
            prop_assert_eq!(delivery.position.bucket, entry.bucket);
            prop_assert_eq!(delivery.arrival_millis, 7);
            prop_assert_eq!(delivery.event, batch.event(entry));
        }
        batch.clear();
        prop_assert!(batch.is_empty() && batch.bytes.is_empty());
    }
}
