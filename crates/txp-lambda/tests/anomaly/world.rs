//! Tables, a stream, a topic and buckets of a test's own, and the function over them.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use txp_aws::clock::SystemClock;
use txp_aws::dynamodb::State;
use txp_aws::dynamodb::stream::StreamRecord;
use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::uploads::Uploads;
use txp_aws::dynamodb::{Connection, tables};
use txp_aws::kinesis::producer::Settings;
use txp_aws::s3::Bucket;
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::{Event, RowEvent, RowOutcome};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{self, Position, Sequence};
use txp_domain::row::{CardFacts, Facts, TimeSource, TransactionType};
use txp_emulator::Emulator;
use txp_lambda::anomaly::{Anomaly, AnomalyEvent, Names};
use txp_lambda::runtime::{Function as _, Invocation};
use txp_pipeline::batch::Delivery;
use txp_pipeline::port::Clock as _;
use txp_pipeline::stage::aggregate::Aggregator;

pub(crate) struct World {
    emulator: Arc<Emulator>,
    names: Names,
    rules: Bucket,
    transactions: String,
    uploads: String,
    /// The record of the last row.
    record: u64,
}

impl World {
    pub(crate) async fn new() -> Self {
        let emulator = Emulator::shared().await;
        let (rules, reports) = (
            emulator.bucket("rules").await,
            emulator.bucket("reports").await,
        );
        let names = Names {
            profiles: emulator.table(&tables::PROFILES).await,
            alerts: emulator.table(&tables::ALERTS).await,
            stream: emulator.stream(1).await,
            topic: emulator.topic().await,
            reports: reports.name().to_owned(),
            rules: Some(format!("s3://{}/rules.json", rules.name())),
            shadow_rules: Some(format!("s3://{}/shadow.json", rules.name())),
            webhooks: None,
        };
        Self {
            transactions: emulator.table(&tables::TRANSACTIONS).await,
            uploads: emulator.table(&tables::UPLOADS).await,
            emulator,
            names,
            rules,
            record: 0,
        }
    }

    /// A process of its own.
    pub(crate) fn function(&self) -> Anomaly {
        Anomaly::over(
            &self.emulator.config(),
            self.names.clone(),
            Settings::default(),
        )
        .unwrap()
    }

    pub(crate) async fn put(&self, key: &str, body: Vec<u8>) {
        let put = self.rules.client().put_object();
        let put = put.bucket(self.rules.name()).key(key);
        put.body(ByteStream::from(body)).send().await.unwrap();
    }

    /// Rules by which an amount above this is high.
    pub(crate) async fn put_rules(&self, key: &str, version: &str, high: u64) {
        let file = json!({
            "version": version,
            "rules": [{ "id": "high", "kind": "amount_high", "thresholds": { "USD": high } }],
        });
        self.put(key, file.to_string().into_bytes()).await;
    }

    pub(crate) async fn take_away(&self, key: &str) {
        let delete = self.rules.client().delete_object();
        let delete = delete.bucket(self.rules.name()).key(key);
        delete.send().await.unwrap();
    }

    /// Sales of these amounts, folded into the table, as its stream tells of them.
    pub(crate) async fn records(&mut self, amounts: &[u64]) -> Vec<StreamRecord> {
        let ids: Vec<_> = (1..)
            .take(amounts.len())
            .map(|at| format!("t-{}", self.record + at))
            .collect();
        let deliveries: Vec<_> = ids
            .iter()
            .zip(amounts)
            .map(|(id, amount)| {
                self.record += 1;
                sale(self.record, id, *amount)
            })
            .collect();
        let connection = Connection::new(self.emulator.dynamodb());
        let mut store = State {
            transactions: Transactions::new(connection.clone(), &*self.transactions),
            uploads: Uploads::new(connection, &*self.uploads),
        };
        let folded = Aggregator::default().fold(&mut store, &deliveries).await;
        assert!(folded.failed.is_none(), "{:?}", folded.failed);
        let mut records = Vec::new();
        for id in &ids {
            let get = self.emulator.dynamodb().get_item();
            let get = get.table_name(&self.transactions);
            let get = get.key("transaction_id", AttributeValue::S(id.clone()));
            let get = get.key("merchant_id", AttributeValue::S("m-1".to_owned()));
            let item = get.send().await.unwrap().item.unwrap();
            let record = json!({
                "eventName": "INSERT",
                "dynamodb": {
                    "Keys": {
                        "transaction_id": { "S": id },
                        "merchant_id": { "S": "m-1" },
                    },
                    "NewImage": image_of(&item),
                    "SequenceNumber": format!("44215845000000000{:04}", records.len()),
                },
            });
            records.push(serde_json::from_value(record).unwrap());
        }
        records
    }

    pub(crate) async fn judge(&self, function: &mut Anomaly, records: &[StreamRecord]) {
        let event = AnomalyEvent::Stream(records.to_vec());
        let answer = function.handle(event, &Invocation::default()).await;
        assert_eq!(answer.unwrap().batch_item_failures.len(), 0);
    }

    /// Every event in the stream.
    pub(crate) async fn history(&self) -> Vec<Vec<u8>> {
        let events = self.emulator.events(&self.names.stream).await;
        events.into_iter().map(|(_, event)| event).collect()
    }

    /// How many alerts were recorded.
    pub(crate) async fn alerts(&self) -> usize {
        let scan = self.emulator.dynamodb().scan();
        let scan = scan.table_name(&self.names.alerts).send().await.unwrap();
        let ids = scan
            .items()
            .iter()
            .filter_map(|item| item["alert_id"].as_s().ok());
        ids.filter(|id| !id.contains('#')).count()
    }
}

/// A sale of a card that no other sale has.
fn sale(record: u64, id: &str, minor: u64) -> Delivery<'_> {
    let now = SystemClock.now();
    let number = u8::try_from(record).unwrap();
    let facts = Facts {
        transaction_id: id,
        merchant_id: "m-1",
        amount: Amount(minor),
        currency: Currency::USD,
        kind: TransactionType::Sale,
        original_transaction_id: None,
        terminal_id: None,
        country: None,
        mcc: None,
        timestamp: now,
        time_source: TimeSource::File,
        card: CardFacts {
            last4: Last4(*b"4242"),
            brand: Brand::Visa,
            fingerprint: Fingerprint([number; 16]),
        },
    };
    Delivery {
        position: Position {
            bucket: position::Bucket::of(format!("m-1/{id}").as_bytes()),
            sequence: Sequence::from(record),
            subsequence: 0,
        },
        arrival_millis: now.unix_millis(),
        event: Event::Row(RowEvent {
            upload_id: UploadId::new(1_790_000_000_000, [1; 6]),
            uploaded_at: now,
            record,
            line: record + 1,
            outcome: RowOutcome::Valid {
                facts,
                key_id: "bcdfghjk",
            },
        }),
    }
}

/// An item as the table's stream has it.
fn image_of(item: &HashMap<String, AttributeValue>) -> Value {
    let attributes = item.iter();
    Value::Object(
        attributes
            .map(|(name, value)| (name.clone(), json_of(value)))
            .collect(),
    )
}

fn json_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(blob) => json!({ "B": aws_smithy_types::base64::encode(blob) }),
        AttributeValue::Bool(is_true) => json!({ "BOOL": is_true }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(json_of).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": image_of(map) }),
        other => panic!("not used: {other:?}"),
    }
}
