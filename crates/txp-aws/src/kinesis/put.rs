//! The one call that writes to a stream. A trait, because what it may answer is the whole
//! difficulty of a producer, and a test must be able to answer all of it.

use super::hash_key;
use crate::error::{kind_of, port_error};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::BuildError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use txp_domain::position::Bucket;
use txp_pipeline::port::{ErrorKind, PortError};

/// The most decimal digits of a hash key.
const HASH_KEY_DIGITS_MAX: usize = 39;
/// The status that a failed entry's code is judged with: what is not known may pass.
const UNKNOWN_MAY_PASS: u16 = 500;

/// A Kinesis record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutEntry {
    /// The bucket of all that is in it; its explicit hash key follows from that.
    pub bucket: Bucket,
    /// Its partition key.
    pub partition_key: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl PutEntry {
    /// The explicit hash key that it is written under.
    #[must_use]
    pub fn explicit_hash_key(&self) -> String {
        hash_key::of_bucket(self.bucket).to_string()
    }

    /// What it takes of a request's bytes.
    #[must_use]
    pub fn request_bytes(&self) -> usize {
        self.data.len() + self.partition_key.len() + HASH_KEY_DIGITS_MAX
    }
}

/// Why one entry of a call was not stored, while others may have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFailure {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// The service's code.
    pub code: String,
}

/// Writing several records in one call.
pub trait PutRecords {
    /// Writes entries and answers for each, in order. On an error of the whole call nobody knows
    /// which of them are stored.
    fn put_records(
        &self,
        entries: &[PutEntry],
    ) -> impl Future<Output = Result<Vec<Result<(), EntryFailure>>, PortError>>;
}

/// A stream by the SDK's client.
#[derive(Clone, Debug)]
pub struct StreamWriter {
    client: Client,
    stream: String,
}

impl StreamWriter {
    /// A writer to the stream of this name.
    pub fn new(client: Client, stream: impl Into<String>) -> Self {
        let stream = stream.into();
        Self { client, stream }
    }
}

impl PutRecords for StreamWriter {
    async fn put_records(
        &self,
        entries: &[PutEntry],
    ) -> Result<Vec<Result<(), EntryFailure>>, PortError> {
        let context = || format!("writing {} records to {}", entries.len(), self.stream);
        let records = entries
            .iter()
            .map(request_entry)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| PortError::caused(ErrorKind::Permanent, context(), error))?;
        let sent = self
            .client
            .put_records()
            .stream_name(&self.stream)
            .set_records(Some(records))
            .send();
        let output = sent.await.map_err(|error| port_error(context(), error))?;
        Ok(output.records().iter().map(answer_of).collect())
    }
}

fn request_entry(entry: &PutEntry) -> Result<PutRecordsRequestEntry, BuildError> {
    PutRecordsRequestEntry::builder()
        .partition_key(&entry.partition_key)
        .explicit_hash_key(entry.explicit_hash_key())
        .data(Blob::new(entry.data.as_slice()))
        .build()
}

fn answer_of(result: &PutRecordsResultEntry) -> Result<(), EntryFailure> {
    match (result.error_code(), result.sequence_number()) {
        (None, Some(_)) => Ok(()),
        (code, _) => Err(EntryFailure {
            kind: kind_of(code, UNKNOWN_MAY_PASS),
            code: code.unwrap_or("no sequence number").to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_stored_only_if_it_has_a_sequence_number_and_no_code() {
        let stored = PutRecordsResultEntry::builder()
            .sequence_number("1")
            .build();
        assert_eq!(answer_of(&stored), Ok(()));
        for (code, kind) in [
            (
                Some("ProvisionedThroughputExceededException"),
                ErrorKind::Throttled,
            ),
            (Some("InternalFailure"), ErrorKind::Transient),
            (Some("KMSAccessDeniedException"), ErrorKind::Denied),
            (Some("SomethingNew"), ErrorKind::Transient),
            (None, ErrorKind::Transient),
        ] {
            let failed = PutRecordsResultEntry::builder().set_error_code(code.map(Into::into));
            let failure = answer_of(&failed.build()).unwrap_err();
            assert_eq!(failure.kind, kind, "{code:?}");
        }
    }
}
