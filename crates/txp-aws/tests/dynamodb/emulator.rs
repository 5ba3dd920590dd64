//! The emulator, one for all tests of this binary that run at the same time, and tables made as
//! [`tables`] says.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};
use aws_smithy_http_client::Builder;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use txp_aws::dynamodb::tables::{Key, Table};

/// It starts in less than a second on an idle machine.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(60);
/// How often to ask whether it has started.
pub(crate) const ASK_EVERY: Duration = Duration::from_millis(50);

const MISSING: &str =
    "TXP_MINISTACK does not name the emulator's Python: run `cargo xtask ci --only test`";

static SHARED: Mutex<Weak<Emulator>> = Mutex::const_new(Weak::new());

pub(crate) struct Emulator {
    /// Ended when the last test lets go of it.
    _process: Child,
    pub(crate) port: u16,
    tables: AtomicU32,
}

impl Emulator {
    /// The running one, or a new one.
    pub(crate) async fn shared() -> Arc<Self> {
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
            tables: AtomicU32::new(0),
        };
        let client = emulator.client();
        let start = Instant::now();
        while client.list_tables().send().await.is_err() {
            assert!(start.elapsed() < START_LIMIT, "the emulator does not start");
            tokio::time::sleep(ASK_EVERY).await;
        }
        emulator
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(self.endpoint())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "emulator"))
            .http_client(Builder::new().build_http())
            .build();
        Client::from_conf(config)
    }

    /// A table of this shape, of the caller's own; gives its name.
    pub(crate) async fn table(&self, table: &Table) -> String {
        let number = self.tables.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-test{number}", table.base);
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages);
        let mut request = self
            .client()
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
