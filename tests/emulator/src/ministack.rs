//! ministack, one for all tests of a binary that run at the same time, and what is made on it: tables as
//! [`txp_aws::dynamodb::tables`] says, buckets, streams and topics.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};
use aws_sdk_kinesis::types::ShardIteratorType;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use txp_aws::config::s3_client;
use txp_aws::dynamodb::tables::{Key, Table};
use txp_aws::kinesis::deaggregate::deaggregate;
use txp_aws::kinesis::source::bucket_of;
use txp_aws::s3::Bucket;

/// It starts in less than a second on an idle machine.
pub const START_LIMIT: Duration = Duration::from_secs(60);
/// How often to ask whether it has started.
pub const ASK_EVERY: Duration = Duration::from_millis(50);

const MISSING: &str =
    "TXP_MINISTACK does not name the emulator's Python: run `cargo xtask ci --only test`";

static SHARED: Mutex<Weak<Emulator>> = Mutex::const_new(Weak::new());

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    /// Ended when the last test lets go of it.
    _process: Child,
    /// Where it listens on the loopback address.
    pub port: u16,
    /// Of what was made: names are numbered.
    made: AtomicU32,
}

impl Emulator {
    /// The running one, or a new one.
    pub async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&started);
        started
    }

    async fn start() -> Self {
        let python = std::env::var("TXP_MINISTACK").expect(MISSING);
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let path = std::env::var("PATH").unwrap_or_default();
        let process = Command::new(python)
            .args(["-m", "ministack"])
            // Its functions would inherit what is set here.
            .env_clear()
            .env("PATH", path)
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("SFTP_ENABLED", "0")
            .env("IOT_MTLS_ENABLED", "0")
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the emulator's Python can be started");
        let emulator = Self {
            _process: process,
            port,
            made: AtomicU32::new(0),
        };
        let client = emulator.dynamodb();
        let start = Instant::now();
        while client.list_tables().send().await.is_err() {
            assert!(start.elapsed() < START_LIMIT, "the emulator does not start");
            tokio::time::sleep(ASK_EVERY).await;
        }
        emulator
    }

    /// Where it is called.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How clients of it are made.
    #[must_use]
    pub fn config(&self) -> SdkConfig {
        crate::config(&self.endpoint())
    }

    /// A client of its tables.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config())
    }

    /// A client of its buckets.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        s3_client(&self.config())
    }

    /// A name that nothing else on it has.
    #[must_use]
    pub fn name(&self, base: &str) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        format!("{base}-test{number}")
    }

    /// A bucket of the caller's own.
    pub async fn bucket(&self, base: &str) -> Bucket {
        let bucket = Bucket::new(self.s3(), self.name(base));
        self.create(&bucket).await;
        bucket
    }

    /// A bucket that keeps the versions of its objects.
    pub async fn versioned_bucket(&self, base: &str) -> Bucket {
        let bucket = self.bucket(base).await;
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
        let put = bucket.client().put_bucket_versioning();
        let put = put.bucket(bucket.name());
        let put = put.versioning_configuration(enabled.build());
        put.send().await.unwrap();
        bucket
    }

    /// Makes a bucket of that name, if need be again.
    pub async fn create(&self, bucket: &Bucket) {
        let create = self.s3().create_bucket().bucket(bucket.name());
        create.send().await.unwrap();
    }

    /// A stream of the caller's own with so many shards; gives its name.
    pub async fn stream(&self, shards: i32) -> String {
        let name = self.name("events");
        let create = self.kinesis().create_stream().stream_name(&name);
        create.shard_count(shards).send().await.unwrap();
        name
    }

    /// A client of its streams.
    #[must_use]
    pub fn kinesis(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(&self.config())
    }

    /// Every event in a stream with its bucket, in order of each shard.
    pub async fn events(&self, stream: &str) -> Vec<(u8, Vec<u8>)> {
        let kinesis = self.kinesis();
        let shards = kinesis.list_shards().stream_name(stream).send();
        let mut events = Vec::new();
        for shard in shards.await.unwrap().shards() {
            let get = kinesis.get_shard_iterator().stream_name(stream);
            let get = get.shard_iterator_type(ShardIteratorType::TrimHorizon);
            let iterator = get.shard_id(shard.shard_id()).send().await.unwrap();
            let mut next = iterator.shard_iterator;
            while let Some(iterator) = next {
                let page = kinesis.get_records().shard_iterator(iterator).send();
                let page = page.await.unwrap();
                if page.records().is_empty() {
                    break;
                }
                for record in page.records() {
                    let mut out = Vec::new();
                    deaggregate(record.data().as_ref(), record.partition_key(), &mut out);
                    let user = out.iter();
                    events.extend(user.map(|user| (bucket_of(user).0, user.data.to_vec())));
                }
                next = page.next_shard_iterator;
            }
        }
        events
    }

    /// A topic of the caller's own; gives its ARN.
    pub async fn topic(&self) -> String {
        let create = aws_sdk_sns::Client::new(&self.config()).create_topic();
        let topic = create.name(self.name("alerts")).send().await.unwrap();
        topic.topic_arn.unwrap()
    }

    /// A table of this shape, of the caller's own; gives its name.
    pub async fn table(&self, table: &Table) -> String {
        let name = self.name(table.base);
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages);
        let mut request = self
            .dynamodb()
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes(table)))
            .set_key_schema(Some(keys(table.hash, table.range)))
            .set_stream_specification(table.has_stream.then(|| stream.build().unwrap()));
        for index in table.indexes {
            let kind = if index.has_all {
                ProjectionType::All
            } else {
                ProjectionType::KeysOnly
            };
            let index = GlobalSecondaryIndex::builder()
                .index_name(index.name)
                .set_key_schema(Some(keys(index.hash, Some(index.range))))
                .projection(Projection::builder().projection_type(kind).build());
            request = request.global_secondary_indexes(index.build().unwrap());
        }
        request.send().await.unwrap();
        name
    }
}

fn attributes(table: &Table) -> Vec<AttributeDefinition> {
    let indexed = table.indexes.iter().flat_map(|i| [i.hash, i.range]);
    let mut keys: Vec<Key> = [table.hash]
        .into_iter()
        .chain(table.range)
        .chain(indexed)
        .collect();
    keys.sort_by_key(|key| key.name);
    keys.dedup();
    let definition = |key: &Key| {
        let kind = if key.is_number {
            ScalarAttributeType::N
        } else {
            ScalarAttributeType::S
        };
        let definition = AttributeDefinition::builder().attribute_name(key.name);
        definition.attribute_type(kind).build().unwrap()
    };
    keys.iter().map(definition).collect()
}

fn keys(hash: Key, range: Option<Key>) -> Vec<KeySchemaElement> {
    let element = |key: Key, kind: KeyType| {
        let element = KeySchemaElement::builder().attribute_name(key.name);
        element.key_type(kind).build().unwrap()
    };
    let range = range.map(|range| element(range, KeyType::Range));
    [element(hash, KeyType::Hash)]
        .into_iter()
        .chain(range)
        .collect()
}
