//! What is written is read, and the encoder by hand writes what serde writes.

use super::samples::{self, KEY_ID, Row};
use crate::card::{Brand, Fingerprint, Last4};
use crate::event::*;
use crate::finding::{Finding, Inputs, ProfileSeen, Total};
use crate::money::{Amount, Currency};
use crate::row::{CardFacts, Column, Country, Facts, Mcc, TimeSource, TransactionType};
use crate::time::Timestamp;
use crate::violation::{CODE_COUNT, Code, Note, Violation, Violations};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const IDENTIFIER: &str = "[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}";

/// The texts of a row, owned, and its values.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    transaction: String,
    merchant: String,
    original: Option<String>,
    terminal: Option<String>,
    values: Facts<'static>,
}

impl Texts {
    pub(crate) fn facts(&self) -> Facts<'_> {
        let is_chargeback = self.values.kind == TransactionType::Chargeback;
        let original = self.original.as_deref();
        Facts {
            transaction_id: &self.transaction,
            merchant_id: &self.merchant,
            original_transaction_id: original.or(is_chargeback.then_some("o")),
            terminal_id: self.terminal.as_deref(),
            ..self.values
        }
    }
}

fn values() -> impl Strategy<Value = Facts<'static>> {
    let kinds = [
        TransactionType::Sale,
        TransactionType::Refund,
        TransactionType::Chargeback,
    ];
    let card = (any::<u16>(), 0..Brand::ALL.len(), any::<[u8; 16]>()).prop_map(
        |(last4, brand, fingerprint)| CardFacts {
            last4: Last4::parse(format!("{:04}", last4 % 10_000).as_bytes()).unwrap(),
            brand: Brand::ALL[brand],
            fingerprint: Fingerprint(fingerprint),
        },
    );
    (
        any::<u64>(),
        0..Currency::COUNT,
        select(kinds.to_vec()),
        0..=i64::MAX,
        any::<bool>(),
        option::of(select(vec!["US", "DE", "JP"])),
        option::of("[0-9]{4}"),
        card,
    )
        .prop_map(
            |(amount, currency, kind, at, given, country, mcc, card)| Facts {
                amount: Amount(amount),
                currency: Currency::all().nth(currency).unwrap(),
                kind,
                timestamp: Timestamp(at),
                time_source: if given {
                    TimeSource::File
                } else {
                    TimeSource::Upload
                },
                country: country.and_then(|code| Country::parse(code.as_bytes())),
                mcc: mcc.and_then(|code| Mcc::parse(code.as_bytes())),
                card,
                ..samples::plain()
            },
        )
}

pub(crate) fn texts() -> impl Strategy<Value = Texts> {
    (
        IDENTIFIER,
        IDENTIFIER,
        option::of(IDENTIFIER),
        option::of(IDENTIFIER),
        values(),
    )
        .prop_map(
            |(transaction, merchant, original, terminal, values)| Texts {
                transaction,
                merchant,
                original,
                terminal,
                values,
            },
        )
}

fn note() -> impl Strategy<Value = Note> {
    prop_oneof![
        Just(Note::None),
        any::<u32>().prop_map(|found| Note::Count { found }),
        any::<(u32, u32)>().prop_map(|(found, limit)| Note::Counts { found, limit }),
        (any::<u32>(), 0..Currency::COUNT).prop_map(|(found, at)| Note::Decimals {
            found,
            currency: Currency::all().nth(at).unwrap(),
        }),
    ]
}

pub(crate) fn violations() -> impl Strategy<Value = Violations> {
    let one = (0..CODE_COUNT, option::of(0..Column::ALL.len()), note()).prop_map(
        |(code, column, note)| Violation {
            code: Code::ALL[code],
            column: column.map(|at| Column::ALL[at]),
            note,
        },
    );
    vec(one, 0..6).prop_map(|all| {
        let mut violations = Violations::new();
        all.into_iter().for_each(|v| violations.push(v));
        violations
    })
}

/// Both encoders write the same, what they write is read back, and the places are the parts'.
fn check_row(row: &Row<'_>, record: u64, line: u64) {
    let violations = row.violations();
    let event = row.event(record, line, &violations);
    let (mut by_hand, mut by_serde) = (b"before".to_vec(), Vec::new());
    let at = row.encode(record, line, &mut by_hand);
    let by_hand = &by_hand[b"before".len()..];
    encode(&event, &mut by_serde).unwrap();
    assert_eq!(
        std::str::from_utf8(by_hand).unwrap(),
        std::str::from_utf8(&by_serde).unwrap()
    );
    assert_eq!(decode(by_hand).unwrap().event(), event);
    let plain = matches!(row, Row::Valid(_)).then_some(event);
    assert_eq!(read_plain_row(by_hand).map(Event::Row), plain);

    let part = |at: u32, text: &str| {
        assert_eq!(&by_hand[at as usize..][..text.len()], text.as_bytes());
    };
    match row {
        Row::Valid(facts) => {
            let letters = facts.card.fingerprint.letters();
            part(at.fingerprint_at, std::str::from_utf8(&letters).unwrap());
        }
        Row::Rejected(..) => {
            part(at.violations_at, &violations);
            assert_eq!(at.violations_len as usize, violations.len());
        }
    }
}

#[test]
fn our_own_words_need_no_escapes() {
    let plain = |text: &str| {
        assert_eq!(serde_json::to_string(text).unwrap(), format!("\"{text}\""));
    };
    for code in Code::ALL {
        plain(code.name());
        plain(code.message());
        plain(code.hint());
        for column in Column::ALL {
            plain(column.name());
            let mut violations = Violations::new();
            violations.push(Violation::of(code, column));
            check_row(&Row::Rejected(None, violations.clone()), 1, 2);
            check_row(&Row::Rejected(Some(("m", "t")), violations), 1, 2);
        }
    }
    Brand::ALL.iter().for_each(|brand| plain(brand.name()));
}

fn roundtrip(event: &Event<'_>) {
    let mut written = Vec::new();
    encode(event, &mut written).unwrap();
    assert_eq!(&decode(&written).unwrap().event(), event);
}

fn tally() -> impl Strategy<Value = UploadTally> {
    let sums = option::of("[0-9]{1,20}\\.[0-9]{2}");
    (
        any::<[u64; 4]>(),
        btree_map("[a-z_]{1,20}", any::<u64>(), 0..4),
        option::of("[0-9a-f]{64}"),
        btree_map("[A-Z]{3}", (sums.clone(), sums.clone(), sums), 0..3),
        btree_map(any::<u8>(), any::<u64>(), 0..9),
        vec(any::<String>(), 0..3),
    )
        .prop_map(
            |(numbers, by_code, sha256, sums, buckets, unknown_columns)| {
                let [records, valid, rejected, bytes] = numbers;
                let sums = sums.into_iter().map(|(code, (sale, refund, chargeback))| {
                    let sums = CurrencySums {
                        sale,
                        refund,
                        chargeback,
                    };
                    (code, sums)
                });
                UploadTally {
                    records,
                    valid,
                    rejected,
                    rejected_by_code: by_code,
                    bytes,
                    sha256,
                    sums: sums.collect(),
                    last_record_by_bucket: BucketRecords(buckets),
                    unknown_columns,
                }
            },
        )
}

fn received() -> impl Strategy<Value = UploadReceived> {
    (
        any::<(String, String, Option<u64>, Option<String>)>(),
        any::<(bool, Option<String>, Option<String>, bool)>(),
        btree_map(any::<String>(), any::<String>(), 0..3),
        option::of(vec(IDENTIFIER, 0..3)),
        option::of(vec(1..=u64::MAX, 0..5)),
    )
        .prop_map(|(file, options, columns, merchants, redrive)| {
            let (client_id, name, bytes, identity) = file;
            let (strict, currency, time_zone, long_number_ids_allowed) = options;
            UploadReceived {
                client_id,
                file: SourceFile {
                    name,
                    bytes,
                    identity,
                },
                options: UploadOptions {
                    strict,
                    defaults: Defaults {
                        currency,
                        time_zone,
                    },
                    columns,
                    long_number_ids_allowed,
                    redrive: redrive.map(|records| Redrive {
                        upload_id: samples::upload_id(),
                        records: RecordSpans::of(records),
                    }),
                },
                merchants: merchants.map_or(Merchants::All, Merchants::Only),
                trace: long_number_ids_allowed.then(samples::trace),
                ..samples::received()
            }
        })
}

/// Whatever the reader by hand reads, serde reads alike.
fn check_plain(json: &[u8]) {
    if let Some(row) = read_plain_row(json) {
        let decoded = decode(json).expect("what is read by hand is an event");
        assert_eq!(decoded.event(), Event::Row(row));
    }
}

#[test]
fn what_is_not_as_it_is_written_is_left_to_serde() {
    let mut written = Vec::new();
    Row::Valid(samples::full()).encode(7, 9, &mut written);
    let written = String::from_utf8(written).unwrap();
    assert!(read_plain_row(written.as_bytes()).is_some());
    for (from, to) in [
        (r#""id":"#, r#" "id":"#),
        ("TX_2.a:9\",\"time", "TX_2.a:8\",\"time"),
        (":7\",", ":07\","),
        (r#""record":7"#, r#""record":8"#),
        (r#""record":7"#, r#""record":07"#),
        (r#"accepted/1.json"#, r#"accepted/2.json"#),
        (r#""type":"refund""#, r#""type":"chargeback""#),
        ("shop-7\",\"amount", "shop-\u{e9}\",\"amount"),
        ("}}", "}} "),
        ("}}", ",\"more\":1}}"),
    ] {
        let other = written.replacen(from, to, 1);
        assert_ne!(other, written, "{from}");
        assert_eq!(read_plain_row(other.as_bytes()), None, "{from}");
    }
}

proptest! {
    #[test]
    fn any_byte_changed_is_read_as_serde_reads_it(
        texts in texts(), record in 1_u64..1000, at: prop::sample::Index, byte: u8
    ) {
        let mut written = Vec::new();
        Row::Valid(texts.facts()).encode(record, record, &mut written);
        let at = at.index(written.len());
        written[at] = byte;
        check_plain(&written);
        written.truncate(at);
        check_plain(&written);
    }

    #[test]
    fn valid_rows(texts in texts(), record in 1..=u64::MAX, line: u64) {
        check_row(&Row::Valid(texts.facts()), record, line);
    }

    #[test]
    fn rejected_rows(
        ids in option::of((IDENTIFIER, IDENTIFIER)),
        violations in violations(),
        record in 1..=u64::MAX,
        line: u64,
    ) {
        let ids = ids.as_ref().map(|(m, t)| (m.as_str(), t.as_str()));
        check_row(&Row::Rejected(ids, violations), record, line);
    }

    #[test]
    fn rows_by_serde_alone_are_read(texts in texts(), record in 1..=u64::MAX, line: u64) {
        let row = RowEvent {
            upload_id: samples::upload_id(),
            uploaded_at: samples::arrival(),
            record,
            line,
            outcome: RowOutcome::Valid { facts: texts.facts(), key_id: KEY_ID },
        };
        roundtrip(&Event::Row(row));
    }

    #[test]
    fn uploads_received(received in received()) {
        roundtrip(&Event::Upload(Box::new(UploadEvent::Received(received))));
    }

    #[test]
    fn uploads_ended(tally in tally(), words in any::<[String; 3]>(), line: Option<u64>) {
        let upload_id = samples::upload_id();
        let uploaded_at = samples::arrival();
        let trace = line.map(|_| samples::trace());
        let parsed = UploadParsed { upload_id, uploaded_at, trace: trace.clone(), tally: tally.clone() };
        roundtrip(&Event::Upload(Box::new(UploadEvent::Parsed(parsed))));
        let [code, message, hint] = words;
        let reason = FailureReason { code, message, hint, line };
        let failed = UploadFailed { upload_id, uploaded_at, trace, reason, tally };
        roundtrip(&Event::Upload(Box::new(UploadEvent::Failed(failed))));
    }

    #[test]
    fn findings(texts in texts(), score: u16, revision: u64, sum: u128, words: String) {
        let facts = texts.facts();
        let base = samples::finding();
        let mut hits = base.hits.clone();
        hits.iter_mut().for_each(|hit| hit.words.clone_from(&words));
        let finding = Finding {
            transaction_id: facts.transaction_id.into(),
            merchant_id: facts.merchant_id.into(),
            card: facts.card.into(),
            score,
            hits,
            inputs: Inputs {
                profile: Some(ProfileSeen { revision, sum: Total { minor: sum, currency: facts.currency } }),
                ..base.inputs
            },
            ..base
        };
        let (flagged, time) = (finding.clone(), facts.timestamp);
        roundtrip(&Event::AnomalyFlagged(Box::new(AnomalyFlagged { finding: flagged, time })));
        let shadowed = AnomalyShadowed::new(finding.clone(), time);
        assert_eq!(shadowed.as_judged(), finding);
        roundtrip(&Event::AnomalyShadowed(Box::new(shadowed)));
    }

    #[test]
    fn activations(activation: u64, words in any::<[String; 4]>(), number: i64) {
        let [version, sha256, activated_by, text] = words;
        let rules = serde_json::json!({ "text": text, "list": [number, null, true] });
        let activated_at = samples::arrival();
        let shadowed = RulesetShadowed {
            change: activation,
            version: version.clone(),
            sha256: sha256.clone(),
            shadowed_by: activated_by.clone(),
            shadowed_at: activated_at,
            rules: (number > 0).then(|| rules.clone()),
        };
        roundtrip(&Event::RulesetShadowed(Box::new(shadowed)));
        roundtrip(&Event::RulesetActivated(Box::new(RulesetActivated {
            activation, version, sha256, activated_by, activated_at, rules,
        })));
    }
}
