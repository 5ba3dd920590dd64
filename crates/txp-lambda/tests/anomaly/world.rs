//! Tables, a stream, a topic and buckets of a test's own, and the function over them.

use crate::emulator::Emulator;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Builder;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use txp_aws::clock::SystemClock;
use txp_aws::dynamodb::State;
use txp_aws::dynamodb::stream::StreamRecord;
use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::uploads::Uploads;
use txp_aws::dynamodb::{Connection, tables};
use txp_aws::kinesis::deaggregate::deaggregate;
use txp_aws::kinesis::producer::Settings;
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::{Event, RowEvent, RowOutcome};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::row::{CardFacts, Facts, TimeSource, TransactionType};
use txp_lambda::anomaly::{Anomaly, AnomalyEvent, Names};
use txp_lambda::runtime::{Function as _, Invocation};
use txp_pipeline::batch::Delivery;
use txp_pipeline::port::Clock as _;
use txp_pipeline::stage::aggregate::Aggregator;

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) struct World {
    emulator: Arc<Emulator>,
    config: SdkConfig,
    names: Names,
    rules_bucket: String,
    transactions: String,
    uploads: String,
    /// The record of the last row.
    record: u64,
}

impl World {
    pub(crate) async fn new() -> Self {
        let emulator = Emulator::shared().await;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let credentials = Credentials::new("test", "test", None, None, "emulator");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(emulator.endpoint())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(Builder::new().build_http())
            .build();
        let s3 = txp_aws::config::s3_client(&config);
        let [rules_bucket, reports] = ["rules", "reports"].map(|kind| format!("{kind}-{number}"));
        for bucket in [&rules_bucket, &reports] {
            s3.create_bucket().bucket(bucket).send().await.unwrap();
        }
        let stream = format!("events-{number}");
        let create = aws_sdk_kinesis::Client::new(&config).create_stream();
        let create = create.stream_name(&stream).shard_count(1);
        create.send().await.unwrap();
        let topic = aws_sdk_sns::Client::new(&config).create_topic();
        let topic = topic.name(format!("alerts-{number}")).send().await.unwrap();
        let names = Names {
            profiles: emulator.table(&tables::PROFILES).await,
            alerts: emulator.table(&tables::ALERTS).await,
            stream,
            topic: topic.topic_arn.unwrap(),
            reports,
            rules: Some(format!("s3://{rules_bucket}/rules.json")),
            shadow_rules: Some(format!("s3://{rules_bucket}/shadow.json")),
            webhooks: None,
        };
        Self {
            transactions: emulator.table(&tables::TRANSACTIONS).await,
            uploads: emulator.table(&tables::UPLOADS).await,
            emulator,
            config,
            names,
            rules_bucket,
            record: 0,
        }
    }

    /// A process of its own.
    pub(crate) fn function(&self) -> Anomaly {
        Anomaly::over(&self.config, self.names.clone(), Settings::default()).unwrap()
    }

    pub(crate) async fn put(&self, key: &str, body: Vec<u8>) {
        let put = txp_aws::config::s3_client(&self.config).put_object();
        let put = put.bucket(&self.rules_bucket).key(key);
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
        let delete = txp_aws::config::s3_client(&self.config).delete_object();
        let delete = delete.bucket(&self.rules_bucket).key(key);
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
        let connection = Connection::new(self.emulator.client());
        let mut store = State {
            transactions: Transactions::new(connection.clone(), &*self.transactions),
            uploads: Uploads::new(connection, &*self.uploads),
        };
        let folded = Aggregator::default().fold(&mut store, &deliveries).await;
        assert!(folded.failed.is_none(), "{:?}", folded.failed);
        let mut records = Vec::new();
        for id in &ids {
            let get = self.emulator.client().get_item();
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
        let kinesis = aws_sdk_kinesis::Client::new(&self.config);
        let stream = &self.names.stream;
        let list = kinesis.list_shards().stream_name(stream).send();
        let mut events = Vec::new();
        for shard in list.await.unwrap().shards.unwrap() {
            let get = kinesis.get_shard_iterator().stream_name(stream);
            let get = get
                .shard_id(shard.shard_id)
                .shard_iterator_type(aws_sdk_kinesis::types::ShardIteratorType::TrimHorizon);
            let iterator = get.send().await.unwrap().shard_iterator;
            let got = kinesis.get_records().set_shard_iterator(iterator);
            for record in got.send().await.unwrap().records {
                let mut out = Vec::new();
                deaggregate(record.data().as_ref(), record.partition_key(), &mut out);
                events.extend(out.iter().map(|user| user.data.to_vec()));
            }
        }
        events
    }

    /// How many alerts were recorded.
    pub(crate) async fn alerts(&self) -> usize {
        let scan = self.emulator.client().scan();
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
            bucket: Bucket::of(format!("m-1/{id}").as_bytes()),
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
