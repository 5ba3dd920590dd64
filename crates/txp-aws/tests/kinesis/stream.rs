//! A stream of its own for each test, on an emulator of its own.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use txp_aws::kinesis::put::StreamWriter;
use txp_aws::kinesis::read::StreamReader;
use txp_emulator::{ASK_EVERY, START_LIMIT, config};

/// What is not answered is given up after this; whatever is answered at all is answered sooner.
const PATIENCE: Duration = Duration::from_secs(5);
const NAME: &str = "transaction-events-test";
const MISSING: &str =
    "TXP_KINESALITE does not name the folder of Node's modules: run `cargo xtask ci --only test`";

pub(crate) struct Stream {
    /// Ended with the test.
    _process: Child,
    pub(crate) port: u16,
    client: Client,
}

impl Stream {
    /// A stream of so many shards.
    pub(crate) async fn create(shards: i32) -> Self {
        let modules = std::env::var("TXP_KINESALITE").expect(MISSING);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/node/kinesalite.js");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process = Command::new("node")
            .arg(script)
            .arg(port.to_string())
            .env("NODE_PATH", modules)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Node can be started");
        let stream = Self {
            _process: process,
            port,
            client: Client::new(&config(&endpoint(port))),
        };
        let create = || {
            let create = stream.client.create_stream().stream_name(NAME);
            create.shard_count(shards).send()
        };
        let start = Instant::now();
        while create().await.is_err() {
            assert!(start.elapsed() < START_LIMIT, "the emulator does not start");
            tokio::time::sleep(ASK_EVERY).await;
        }
        stream.settled().await;
        stream
    }

    pub(crate) fn writer(&self) -> StreamWriter {
        StreamWriter::new(self.client.clone(), NAME)
    }

    pub(crate) fn reader(&self) -> StreamReader {
        StreamReader::new(self.client.clone(), NAME)
    }

    /// A writer and a reader by another port. Their calls are made once: trying again is up to the
    /// adapters.
    pub(crate) fn through(&self, port: u16) -> (StreamWriter, StreamReader) {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE);
        let config = config(&endpoint(port)).into_builder();
        let config = config
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.build());
        let client = Client::new(&config.build());
        (
            StreamWriter::new(client.clone(), NAME),
            StreamReader::new(client, NAME),
        )
    }

    /// Cuts a shard, by its number, at a hash key.
    pub(crate) async fn split(&self, shard: u32, at: u128) {
        self.client
            .split_shard()
            .stream_name(NAME)
            .shard_to_split(name(shard))
            .new_starting_hash_key(at.to_string())
            .send()
            .await
            .unwrap();
        self.settled().await;
    }

    /// Makes one of two neighbours.
    pub(crate) async fn merge(&self, lower: u32, upper: u32) {
        self.client
            .merge_shards()
            .stream_name(NAME)
            .shard_to_merge(name(lower))
            .adjacent_shard_to_merge(name(upper))
            .send()
            .await
            .unwrap();
        self.settled().await;
    }

    /// Waits until the stream takes the next change.
    async fn settled(&self) {
        let start = Instant::now();
        loop {
            let summary = self.client.describe_stream_summary().stream_name(NAME);
            let summary = summary.send().await.unwrap();
            let summary = summary.stream_description_summary().unwrap();
            if summary.stream_status().as_str() == "ACTIVE" {
                return;
            }
            assert!(start.elapsed() < START_LIMIT, "the stream stays as it is");
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

fn name(shard: u32) -> String {
    format!("shardId-{shard:012}")
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
