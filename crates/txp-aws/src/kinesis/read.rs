//! The calls that read a stream. A trait, as [`super::put`] is one: what they may answer is the
//! whole difficulty of a reader, and a test must be able to answer all of it.

use crate::error::port_error;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use txp_pipeline::port::{ErrorKind, PortError};

/// The most records of one answer (Kinesis' documented limit).
const RECORDS_MAX: i32 = 10_000;
/// Milliseconds of an hour.
const HOUR_MILLIS: i64 = 60 * 60 * 1_000;

/// A shard, as its stream lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedShard {
    /// Its name.
    pub id: String,
    /// The shards that it was cut from or merged of; they may be gone.
    pub parents: Vec<String>,
}

/// Where in a shard to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// At its oldest record.
    Beginning,
    /// At the first record that arrived at or after this, Unix milliseconds.
    At(i64),
    /// Behind the record with this sequence number.
    After(&'a str),
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRecord {
    /// Its sequence number.
    pub sequence_number: String,
    /// Its partition key.
    pub partition_key: String,
    /// When it arrived, Unix milliseconds.
    pub arrival_millis: i64,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// What one call read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The records, in order.
    pub records: Vec<ReadRecord>,
    /// Where to go on; `None` at the end of a closed shard.
    pub next: Option<String>,
    /// How far behind the shard's end this is, in milliseconds.
    pub behind_millis: i64,
}

/// How long a stream keeps what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retained {
    /// When the stream was made, Unix milliseconds.
    pub since_millis: i64,
    /// For how long a record can be read.
    pub for_millis: i64,
}

/// Reading the shards of a stream.
pub trait ReadShards {
    /// The stream's name.
    fn stream(&self) -> &str;

    /// How long it keeps records.
    fn retained(&self) -> impl Future<Output = Result<Retained, PortError>>;

    /// All shards that can still be read.
    fn shards(&self) -> impl Future<Output = Result<Vec<ListedShard>, PortError>>;

    /// An iterator, good for five minutes.
    fn iterator(
        &self,
        shard: &str,
        place: Place<'_>,
    ) -> impl Future<Output = Result<String, PortError>>;

    /// The records at an iterator; `None` if it is too old.
    fn records(&self, iterator: &str) -> impl Future<Output = Result<Option<Page>, PortError>>;
}

/// A stream by the SDK's client.
#[derive(Clone, Debug)]
pub struct StreamReader {
    client: Client,
    stream: String,
}

impl StreamReader {
    /// A reader of the stream of this name.
    pub fn new(client: Client, stream: impl Into<String>) -> Self {
        let stream = stream.into();
        Self { client, stream }
    }

    fn reading(&self) -> String {
        format!("reading the stream {} failed", self.stream)
    }
}

impl ReadShards for StreamReader {
    fn stream(&self) -> &str {
        &self.stream
    }

    async fn retained(&self) -> Result<Retained, PortError> {
        let request = self.client.describe_stream_summary();
        let answer = request.stream_name(&self.stream).send().await;
        let answer = answer.map_err(|error| port_error(self.reading(), error))?;
        let summary = answer.stream_description_summary;
        let summary = summary.ok_or_else(|| {
            let context = format!("{}: nothing was told of it", self.reading());
            PortError::new(ErrorKind::Transient, context)
        })?;
        let created = summary.stream_creation_timestamp.to_millis();
        Ok(Retained {
            // One that is not told is taken for old.
            since_millis: created.unwrap_or(0),
            for_millis: i64::from(summary.retention_period_hours) * HOUR_MILLIS,
        })
    }

    async fn shards(&self) -> Result<Vec<ListedShard>, PortError> {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let request = self.client.list_shards();
            // The one excludes the other.
            let request = match token.take() {
                Some(token) => request.next_token(token),
                None => request.stream_name(&self.stream),
            };
            let answer = request.send().await;
            let answer = answer.map_err(|error| port_error(self.reading(), error))?;
            found.extend(answer.shards().iter().map(|shard| {
                ListedShard {
                    id: shard.shard_id().to_owned(),
                    parents: [shard.parent_shard_id(), shard.adjacent_parent_shard_id()]
                        .into_iter()
                        .flatten()
                        .map(str::to_owned)
                        .collect(),
                }
            }));
            token = answer.next_token;
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    async fn iterator(&self, shard: &str, place: Place<'_>) -> Result<String, PortError> {
        let request = self
            .client
            .get_shard_iterator()
            .stream_name(&self.stream)
            .shard_id(shard);
        let request = match place {
            Place::Beginning => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Place::At(millis) => request
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from_millis(millis)),
            Place::After(sequence_number) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(sequence_number),
        };
        let answer = request.send().await;
        let answer = answer.map_err(|error| port_error(self.reading(), error))?;
        answer.shard_iterator.ok_or_else(|| {
            PortError::new(
                ErrorKind::Transient,
                format!("{}: no iterator came", self.reading()),
            )
        })
    }

    async fn records(&self, iterator: &str) -> Result<Option<Page>, PortError> {
        let answer = self
            .client
            .get_records()
            .shard_iterator(iterator)
            .limit(RECORDS_MAX)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Some(Page {
                next: answer.next_shard_iterator,
                behind_millis: answer.millis_behind_latest.unwrap_or(0),
                records: answer.records.into_iter().map(read_record).collect(),
            })),
            Err(error) if error.code() == Some("ExpiredIteratorException") => Ok(None),
            Err(error) => Err(port_error(self.reading(), error)),
        }
    }
}

fn read_record(record: Record) -> ReadRecord {
    let arrival = record.approximate_arrival_timestamp;
    ReadRecord {
        arrival_millis: arrival.and_then(|at| at.to_millis().ok()).unwrap_or(0),
        sequence_number: record.sequence_number,
        partition_key: record.partition_key,
        data: record.data.into_inner(),
    }
}
