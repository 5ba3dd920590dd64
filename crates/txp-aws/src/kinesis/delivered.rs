//! What a Lambda function is told of a stream: records of one shard, in order.
//!
//! The event's form is AWS', read here record by record and not with `aws_lambda_events`: there one
//! record whose data is no base64 fails the whole event, and with it the shard; and its times are off
//! where the fraction of a second has not exactly three digits (`.5` is read as 5 ms), while arrival
//! is a part of our history.

use super::deaggregate::deaggregate;
use super::source::{position_of, sequence_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use txp_domain::position::Sequence;
use txp_pipeline::history::Recorded;
use txp_pipeline::port::PortError;

/// Milliseconds of a second.
const MILLIS_PER_SECOND: f64 = 1_000.0;

/// The event of a stream's mapping.
#[derive(Debug, Deserialize)]
pub struct KinesisEvent {
    #[serde(rename = "Records")]
    records: Vec<EventRecord>,
}

#[derive(Debug, Deserialize)]
struct EventRecord {
    /// `{shard}:{sequence number}`.
    #[serde(rename = "eventID", default)]
    event_id: String,
    kinesis: KinesisRecord,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KinesisRecord {
    sequence_number: String,
    #[serde(default)]
    partition_key: String,
    /// Base64.
    #[serde(default)]
    data: String,
    /// Unix seconds.
    #[serde(default)]
    approximate_arrival_timestamp: f64,
}

/// The records of an event, decoded as far as Kinesis' own form goes.
#[derive(Debug)]
pub struct Delivered {
    records: Vec<Record>,
}

#[derive(Debug)]
struct Record {
    sequence_number: String,
    sequence: Sequence,
    shard: String,
    partition_key: String,
    arrival_millis: i64,
    data: Vec<u8>,
}

impl Delivered {
    /// Takes an event's records.
    ///
    /// # Errors
    /// A sequence number is none: the event is not from a stream.
    pub fn of(event: KinesisEvent) -> Result<Self, PortError> {
        let records = event.records.into_iter().map(Record::of);
        Ok(Self {
            records: records.collect::<Result<_, _>>()?,
        })
    }

    /// The events in the records, in order.
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        let mut batch = Batch {
            delivered: self,
            events: Vec::new(),
            records: Vec::new(),
        };
        let mut user_records = Vec::new();
        for (index, record) in self.records.iter().enumerate() {
            deaggregate(&record.data, &record.partition_key, &mut user_records);
            for user_record in user_records.drain(..) {
                batch.records.push(index);
                batch.events.push(Recorded {
                    position: position_of(&user_record, &record.sequence),
                    arrival_millis: record.arrival_millis,
                    bytes: user_record.data,
                });
            }
        }
        batch
    }
}

impl Record {
    fn of(record: EventRecord) -> Result<Self, PortError> {
        let EventRecord { event_id, kinesis } = record;
        let sequence = sequence_of(&kinesis.sequence_number)?;
        let data = STANDARD.decode(&kinesis.data).unwrap_or_else(|_| {
            // As no bytes at all it goes to quarantine, and the others go on.
            tracing::warn!(
                sequence = kinesis.sequence_number,
                "a record's data is no base64"
            );
            Vec::new()
        });
        let shard = event_id.split(':').next().unwrap_or_default();
        Ok(Self {
            sequence,
            shard: shard.to_owned(),
            partition_key: kinesis.partition_key,
            arrival_millis: millis(kinesis.approximate_arrival_timestamp),
            sequence_number: kinesis.sequence_number,
            data,
        })
    }
}

/// A time of Kinesis' in whole milliseconds, which it has: a float is near enough to round.
#[expect(
    clippy::float_arithmetic,
    reason = "a time that comes as a float, no money"
)]
fn millis(seconds: f64) -> i64 {
    (seconds * MILLIS_PER_SECOND).round() as i64
}

/// The events of a delivery, each knowing its record.
#[derive(Debug)]
pub struct Batch<'a> {
    delivered: &'a Delivered,
    events: Vec<Recorded<'a>>,
    /// Of each event.
    records: Vec<usize>,
}

impl<'a> Batch<'a> {
    /// The events, in order.
    #[must_use]
    pub fn events(&self) -> &[Recorded<'a>] {
        &self.events
    }

    /// The sequence number of the record that an event came in, as Kinesis writes it: a delivery
    /// comes again by whole records.
    #[must_use]
    pub fn sequence_number_of(&self, event: usize) -> Option<&'a str> {
        let record = self.delivered.records.get(*self.records.get(event)?)?;
        Some(&record.sequence_number)
    }

    /// The events by shard, with the index of the first of each. Lambda delivers one shard at a time.
    pub fn by_shard(&self) -> impl Iterator<Item = (&'a str, usize, &[Recorded<'a>])> {
        let shard = |record: &usize| {
            let record = self.delivered.records.get(*record);
            record.map_or("", |record| record.shard.as_str())
        };
        let mut start = 0;
        self.records
            .chunk_by(move |a, b| shard(a) == shard(b))
            .filter_map(move |records| {
                let first = start;
                start += records.len();
                Some((
                    shard(records.first()?),
                    first,
                    self.events.get(first..start)?,
                ))
            })
    }
}

#[cfg(test)]
mod tests;
