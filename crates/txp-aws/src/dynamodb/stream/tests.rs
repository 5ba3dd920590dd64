//! What the stream makes due is judged as what the embedded host folds, and what makes no sense is
//! put aside.

use super::*;
use crate::dynamodb::transactions::codec;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::base64;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::{AnomalyFlagged, RejectedRow, UploadEvent};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::profile::Profile;
use txp_domain::row::{CardFacts, TimeSource, TransactionType};
use txp_domain::time::Timestamp;
use txp_domain::transaction::{CONFLICTS_MAX, FreshTransaction};
use txp_pipeline::port::{
    Advance, PortError, ProfileKey, ProfileStore, TransactionStore, UploadStore, Written,
};
use txp_pipeline::rulefile::default_rules;
use txp_pipeline::stage::aggregate::Aggregator;
use txp_pipeline::stage::detect::{Detector, Found};

const SECOND: i64 = 1_000_000_000;
const NOON: i64 = 1_700_000_000 * SECOND;

fn json_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(blob) => json!({ "B": base64::encode(blob) }),
        AttributeValue::Bool(is_true) => json!({ "BOOL": is_true }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(json_of).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": image_of(map) }),
        other => panic!("not used: {other:?}"),
    }
}

fn image_of(item: &Item) -> Value {
    let attributes = item
        .iter()
        .map(|(name, value)| (name.clone(), json_of(value)));
    Value::Object(attributes.collect())
}

/// The record that DynamoDB makes of a write.
fn record_of(old: Option<&Transaction>, new: &Transaction) -> StreamRecord {
    let image = |item: &Transaction| image_of(&codec::encode(item));
    let mut parts = json!({
        "ApproximateCreationDateTime": 1_700_000_000,
        "Keys": {
            "transaction_id": { "S": new.key.transaction_id },
            "merchant_id": { "S": new.key.merchant_id },
        },
        "NewImage": image(new),
        "SequenceNumber": "4421584500000000017450439091",
        "SizeBytes": 1,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    });
    if let Some(old) = old {
        parts["OldImage"] = image(old);
    }
    let name = if old.is_some() { "MODIFY" } else { "INSERT" };
    StreamRecord(json!({ "eventName": name, "eventVersion": "1.1", "dynamodb": parts }))
}

/// Transactions in memory, and the stream of what was written.
#[derive(Default)]
struct Table {
    items: BTreeMap<(String, String), Transaction>,
    stream: Vec<StreamRecord>,
}

impl Table {
    fn write(&mut self, item: Transaction) {
        let key = &item.key;
        let key = (key.merchant_id.to_string(), key.transaction_id.to_string());
        let old = self.items.insert(key, item.clone());
        self.stream.push(record_of(old.as_ref(), &item));
    }
}

impl TransactionStore for Table {
    async fn insert_new(
        &mut self,
        items: &[FreshTransaction<'_>],
        inserted: &mut Vec<bool>,
    ) -> Result<(), PortError> {
        inserted.clear();
        for item in items.iter().map(FreshTransaction::to_transaction) {
            let key = &item.key;
            let stored = self.load(&key.merchant_id, &key.transaction_id).await?;
            inserted.push(stored.is_none());
            if stored.is_none() {
                self.write(item);
            }
        }
        Ok(())
    }

    async fn load(
        &mut self,
        merchant_id: &str,
        transaction_id: &str,
    ) -> Result<Option<Transaction>, PortError> {
        let key = (merchant_id.to_owned(), transaction_id.to_owned());
        Ok(self.items.get(&key).cloned())
    }

    async fn store(&mut self, item: &Transaction, _: u64) -> Result<Written, PortError> {
        self.write(item.clone());
        Ok(Written::Stored)
    }
}

impl UploadStore for Table {
    async fn watermark(&mut self, _: UploadId, _: Bucket) -> Result<u64, PortError> {
        Ok(0)
    }

    async fn advance(&mut self, _: &Advance, _: i64) -> Result<Written, PortError> {
        Ok(Written::Stored)
    }

    async fn apply(&mut self, _: &UploadEvent, _: i64) -> Result<(), PortError> {
        Ok(())
    }
}

#[derive(Default)]
struct Cards(BTreeMap<ProfileKey, Profile>);

impl ProfileStore for Cards {
    async fn load(&mut self, key: ProfileKey) -> Result<Profile, PortError> {
        Ok(self.0.get(&key).cloned().unwrap_or_default())
    }

    async fn store(
        &mut self,
        key: ProfileKey,
        profile: Profile,
        _: u64,
    ) -> Result<Written, PortError> {
        self.0.insert(key, profile);
        Ok(Written::Stored)
    }
}

/// A row of few transactions and cards, so that they meet.
#[derive(Clone, Debug)]
struct Row {
    transaction: usize,
    kind: TransactionType,
    minor: u64,
    card: u8,
    minute: i64,
    is_valid: bool,
}

const IDS: [&str; 6] = ["t-0", "t-1", "t-2", "t-3", "t-4", "t-5"];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let kinds = prop_oneof![
        5 => Just(TransactionType::Sale),
        1 => Just(TransactionType::Refund),
        2 => Just(TransactionType::Chargeback),
    ];
    let amounts = prop_oneof![Just(50), Just(2_000), Just(2_000_000)];
    let row = (0..IDS.len(), kinds, amounts, 0..3_u8, 0..20_i64, 0..8_u8);
    let row = row.prop_map(|(transaction, kind, minor, card, minute, luck)| Row {
        transaction,
        kind,
        minor,
        card,
        minute,
        is_valid: luck > 0,
    });
    proptest::collection::vec(row, 1..60)
}

fn event_of(record: u64, row: &Row) -> RowEvent<'static> {
    let transaction_id = IDS[row.transaction];
    let facts = Facts {
        transaction_id,
        merchant_id: "m-1",
        amount: Amount(row.minor),
        currency: Currency::USD,
        kind: row.kind,
        original_transaction_id: (row.kind != TransactionType::Sale)
            .then(|| IDS[(row.transaction + 1) % IDS.len()]),
        terminal_id: None,
        country: None,
        mcc: None,
        timestamp: Timestamp(NOON + row.minute * 60 * SECOND),
        time_source: TimeSource::File,
        card: CardFacts {
            last4: Last4(*b"1111"),
            brand: Brand::Visa,
            fingerprint: Fingerprint([row.card; 16]),
        },
    };
    let outcome = if row.is_valid {
        RowOutcome::Valid {
            facts,
            key_id: "bcdfghjk",
        }
    } else {
        RowOutcome::Rejected(RejectedRow {
            ids: Some(("m-1", transaction_id)),
            violations: "[]",
        })
    };
    RowEvent {
        upload_id: UploadId::new(1, [2; 6]),
        uploaded_at: Timestamp(NOON + i64::try_from(record).unwrap() * SECOND),
        record,
        line: record + 1,
        outcome,
    }
}

fn position_at(sequence: u64) -> Position {
    Position {
        bucket: Bucket(7),
        sequence: Sequence::parse(&format!("49590338271490256608{sequence:036}")).unwrap(),
        subsequence: sequence % 5,
    }
}

fn delivery_of(sequence: u64, event: Event<'static>) -> Delivery<'static> {
    Delivery {
        position: position_at(sequence),
        arrival_millis: 1_700_000_000_000,
        event,
    }
}

fn told(found: Vec<Found>, deliveries: &[Delivery<'_>]) -> Vec<(Position, AnomalyFlagged)> {
    let position = |found: &Found| deliveries[found.delivery].position.clone();
    found
        .into_iter()
        .filter_map(|found| Some((position(&found), found.verdict.flagged()?.clone())))
        .collect()
}

/// Folds rows one after the other as the aggregator does, judges what it hands on as the embedded
/// host does, and what the stream says as the function does.
async fn judge_both_ways(rows: &[Row]) {
    let rules = default_rules().unwrap().rules;
    let (mut aggregator, mut table) = (Aggregator::default(), Table::default());
    let (mut embedded, mut function) = (Cards::default(), Cards::default());
    let mut detector = Detector::default();
    let mut sequence = 0;
    for (record, row) in (1..).zip(rows) {
        sequence += 1;
        let deliveries = [delivery_of(sequence, Event::Row(event_of(record, row)))];
        let outcome = aggregator.fold(&mut table, &deliveries).await;
        assert!(outcome.failed.is_none());
        let changes = &outcome.changes;
        let found = detector.judge(&mut embedded, &rules, &deliveries, changes);
        let expected = told(found.await.unwrap(), &deliveries);

        let stream = std::mem::take(&mut table.stream);
        let feed = Feed::read(&stream);
        assert!(feed.poison.is_empty(), "{:?}", feed.poison);
        // Delivered twice, it is judged alike.
        for _ in 0..2 {
            let judgements = feed.judgements();
            let (deliveries, changes) = (&judgements.deliveries, &judgements.changes);
            let found = detector.judge(&mut function, &rules, deliveries, changes);
            assert_eq!(told(found.await.unwrap(), deliveries), expected);
        }
        for (_, flagged) in expected {
            sequence += 1;
            let event = Event::AnomalyFlagged(Box::new(flagged));
            let outcome = aggregator
                .fold(&mut table, &[delivery_of(sequence, event)])
                .await;
            assert!(outcome.failed.is_none());
        }
        // A flag makes nothing due.
        let stream = std::mem::take(&mut table.stream);
        assert!(Feed::read(&stream).judgements().changes.is_empty());
    }
    assert_eq!(embedded.0, function.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_stream_is_judged_as_the_embedded_host_judges(rows in rows()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(judge_both_ways(&rows));
    }
}

/// Folds rows, one after the other, and gives the judgements that the stream makes due: event and facts
/// revision.
async fn due_of(
    aggregator: &mut Aggregator,
    table: &mut Table,
    rows: &[Row],
) -> Vec<(EventId, u32)> {
    let mut due = Vec::new();
    for (record, row) in (1..).zip(rows) {
        let deliveries = [delivery_of(record, Event::Row(event_of(record, row)))];
        assert!(aggregator.fold(table, &deliveries).await.failed.is_none());
        let feed = Feed::read(&std::mem::take(&mut table.stream));
        let judgements = feed.judgements();
        for change in &judgements.changes {
            let Event::Row(row) = &judgements.deliveries[change.delivery].event else {
                panic!("a row is judged")
            };
            due.push((row.event_id(), change.facts_revision));
        }
    }
    due.sort();
    due
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A replay makes nothing due, and what it has written ahead of the running pipeline is due once
    /// when that comes by.
    #[test]
    fn what_a_replay_wrote_first_is_judged_by_the_live_pipeline_alone(rows in rows()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut live, mut replay) = (Aggregator::default(), Aggregator::of_replay("x"));
            let expected = due_of(&mut live, &mut Table::default(), &rows).await;
            let mut table = Table::default();
            assert_eq!(due_of(&mut replay, &mut table, &rows).await, []);
            assert_eq!(due_of(&mut live, &mut table, &rows).await, expected);
            assert_eq!(due_of(&mut live, &mut table, &rows).await, []);
            assert_eq!(due_of(&mut replay, &mut table, &rows).await, []);
        });
    }
}

/// An item with its first acceptance and conflicts with it.
fn item(conflicts: u64) -> Transaction {
    let mut item = Transaction::empty("m-1", "t-0");
    for record in 1..=conflicts + 1 {
        let row = Row {
            transaction: 0,
            kind: TransactionType::Sale,
            minor: record * 100,
            card: 1,
            minute: 1,
            is_valid: true,
        };
        let delivery = delivery_of(record, Event::Row(event_of(record, &row)));
        let Event::Row(row) = &delivery.event else {
            unreachable!("it is a row")
        };
        item.apply_row(row, &delivery.position, delivery.arrival_millis);
    }
    item
}

#[test]
fn every_step_between_two_images_is_judged() {
    let new = item(CONFLICTS_MAX as u64 + 2);
    for (old, expected) in [
        (None, 1..=CONFLICTS_MAX + 1),
        (Some(item(0)), 2..=CONFLICTS_MAX + 1),
        (Some(item(5)), 7..=CONFLICTS_MAX + 1),
    ] {
        let records = [record_of(old.as_ref(), &new)];
        let feed = Feed::read(&records);
        let judgements = feed.judgements();
        let revisions = judgements
            .changes
            .iter()
            .map(|change| change.facts_revision);
        let expected: Vec<_> = expected.map(|revision| revision as u32).collect();
        assert_eq!(revisions.collect::<Vec<_>>(), expected);
        // The row that made a facts revision stood at this place of the file.
        for (change, delivery) in judgements.changes.iter().zip(&judgements.deliveries) {
            let Event::Row(row) = &delivery.event else {
                unreachable!("it is a row")
            };
            assert_eq!(row.record, u64::from(change.facts_revision));
            assert_eq!(delivery.position, position_at(row.record));
        }
    }
}

#[test]
fn nothing_is_due_for_a_replay_a_removal_or_a_write_without_new_facts() {
    let mut replayed = item(0);
    replayed.writer = Writer::Replay("r-1".into());
    let mut disputed = item(1);
    let event = EventId {
        upload_id: UploadId::new(3, [1; 6]),
        record: 4,
    };
    disputed.link_dispute(event);
    let mut placeholder = Transaction::empty("m-1", "t-0");
    placeholder.link_dispute(event);
    let mut removal = record_of(Some(&item(1)), &item(1));
    removal.0["eventName"] = json!("REMOVE");
    let records = [
        record_of(None, &replayed),
        record_of(Some(&item(1)), &disputed),
        record_of(None, &placeholder),
        removal,
    ];
    let feed = Feed::read(&records);
    assert!(feed.judgements().changes.is_empty());
    assert!(feed.poison.is_empty());
    // Only what is placed before is due after all.
    let records = [record_of(Some(&placeholder), &item(0))];
    assert_eq!(Feed::read(&records).judgements().changes.len(), 1);
}

#[test]
fn what_makes_no_sense_is_poison_and_the_rest_goes_on() {
    let good = || record_of(None, &item(0));
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut record = good();
        change(&mut record.0);
        record
    };
    let records = [
        StreamRecord(json!(5)),
        StreamRecord(json!({ "eventName": "INSERT" })),
        changed(&|r| r["eventName"] = json!("UPSERT")),
        changed(&|r| r["dynamodb"]["NewImage"] = json!("no item")),
        changed(&|r| r["dynamodb"]["NewImage"]["amount"] = json!({ "N": "1e" })),
        changed(&|r| r["dynamodb"]["NewImage"]["card_last4"] = json!({ "B": "%%%" })),
        changed(&|r| r["dynamodb"]["NewImage"]["facts_revision"] = json!({ "N": "4294967295" })),
        changed(&|r| r["dynamodb"]["OldImage"] = json!({ "facts_revision": { "S": "1" } })),
        good(),
        changed(&|r| r["dynamodb"]["NewImage"]["unheard_of"] = json!({ "NS": ["1"] })),
    ];
    let feed = Feed::read(&records);
    let poison: Vec<_> = feed.poison.iter().map(|(record, _)| *record).collect();
    assert_eq!(poison, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(feed.judgements().records, [8, 9]);
    // Where the item can be looked at, its position is told; else the stream's number.
    let position = |at: usize| feed.poison[at].1.position.clone();
    assert_eq!(Some(position(4)), item(0).as_of);
    assert_eq!(
        position(3).sequence.to_string(),
        "4421584500000000017450439091"
    );
    assert_eq!(position(3).bucket, bucket_of("m-1", "t-0"));
}

/// Conflicts were kept by their digests alone at first: such an item is read, and a judgement that
/// would need the row is put aside, not lost.
#[test]
fn a_conflict_without_its_row_is_read_and_cannot_be_judged() {
    let mut old = item(1);
    for kept in &mut old.conflicts {
        kept.row = None;
    }
    let image = image_of(&codec::encode(&old));
    assert!(image["conflicts"]["L"][0]["B"].is_string());
    let read = codec::decode(Fields(&item_of(&image).unwrap())).unwrap();
    assert_eq!(read, old);
    let records = [record_of(Some(&item(0)), &old)];
    assert_eq!(Feed::read(&records).poison.len(), 1);
}
