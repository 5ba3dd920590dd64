//! The client that all stores share, with the write units that were paid.

use crate::error::port_error;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ConsumedCapacity;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::telemetry::{Metric, count};

const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

/// A client, and what it consumed. Clones share both.
#[derive(Clone, Debug)]
pub struct Connection {
    client: Client,
    write_units: Arc<AtomicU64>,
}

impl Connection {
    /// Around the process's one client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            write_units: Arc::default(),
        }
    }

    /// Write units consumed so far, indexes included, as DynamoDB told. Refused conditional writes
    /// are paid as well, but not told of.
    #[must_use]
    pub fn write_units(&self) -> u64 {
        self.write_units.load(Ordering::Relaxed)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn consumed(&self, capacity: Option<&ConsumedCapacity>) {
        let units = capacity.and_then(ConsumedCapacity::capacity_units);
        // Write units are whole numbers.
        self.write_units
            .fetch_add(units.unwrap_or(0.0) as u64, Ordering::Relaxed);
    }
}

/// What a conditional write gave: `None` if its condition did not hold.
pub(super) fn conditional<T, E>(
    result: Result<T, SdkError<E, Response>>,
    context: impl FnOnce() -> String,
) -> Result<Option<T>, PortError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match result {
        Ok(output) => Ok(Some(output)),
        Err(SdkError::ServiceError(error)) if error.err().code() == Some(CONDITION_FAILED) => {
            Ok(None)
        }
        Err(error) => Err(port_error(context(), error)),
    }
}

/// A stored item cannot be read.
pub(super) fn corrupt(table: &str, damage: super::Damage) -> PortError {
    let context = format!(
        "an item of the table {table} is damaged; rebuild the table by a replay of the history"
    );
    PortError::caused(ErrorKind::Corrupt, context, damage)
}

/// Says that a damaged item is passed over, where it would keep others waiting.
pub(super) fn pass_over(error: &PortError) {
    count(Metric::DamagedItems, 1);
    let cause = error.source.as_deref().map(ToString::to_string);
    tracing::error!(%error, cause, "a damaged item is passed over");
}

/// A request could not be put together: the program's own fault.
pub(super) fn unbuildable(
    error: aws_sdk_dynamodb::error::BuildError,
    what: &'static str,
) -> PortError {
    PortError::caused(ErrorKind::Permanent, what, error)
}
