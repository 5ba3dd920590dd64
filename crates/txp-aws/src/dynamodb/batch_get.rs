//! Many items by their keys. DynamoDB may leave some for later; they are asked for again.

use super::attributes::Item;
use super::connection::{Connection, unbuildable};
use crate::error::port_error;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use std::collections::VecDeque;
use std::time::Duration;
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::retry::RetryPolicy;

/// The most keys of one request (limit of BatchGetItem).
pub(super) const KEYS_MAX: usize = 100;

/// How often in a row a request may answer less than all: about 5 seconds in all.
const PATIENCE: RetryPolicy = RetryPolicy {
    first_wait_millis: 20,
    max_wait_millis: 1_000,
    attempts_max: 10,
};

/// Reads the items that are there, in no order, strongly consistent. Keys must be distinct.
pub(super) async fn batch_get(
    connection: &Connection,
    table: &str,
    keys: Vec<Item>,
) -> Result<Vec<Item>, PortError> {
    let mut found = Vec::with_capacity(keys.len());
    let mut waiting = VecDeque::from(keys);
    let mut attempt = 1;
    while !waiting.is_empty() {
        let count = waiting.len().min(KEYS_MAX);
        let asked: Vec<Item> = waiting.drain(..count).collect();
        let request = KeysAndAttributes::builder()
            .set_keys(Some(asked))
            .consistent_read(true)
            .build()
            .map_err(|error| unbuildable(error, "a request for many items cannot be built"))?;
        let output = connection
            .client()
            .batch_get_item()
            .request_items(table, request)
            .send()
            .await
            .map_err(|error| port_error(format!("reading the table {table} failed"), error))?;
        let items = output.responses.into_iter().flatten();
        found.extend(items.flat_map(|(_, items)| items));
        let left = output.unprocessed_keys.into_iter().flatten();
        let left: Vec<Item> = left.flat_map(|(_, rest)| rest.keys).collect();
        if left.is_empty() {
            attempt = 1;
            continue;
        }
        // Some were answered: an answer is 16 MB at most, and that is no throttle.
        attempt = if left.len() < count { 2 } else { attempt + 1 };
        waiting.extend(left);
        if attempt > PATIENCE.attempts_max {
            let context = format!(
                "the table {table} left keys unread {} times; it is throttled",
                PATIENCE.attempts_max
            );
            return Err(PortError::new(ErrorKind::Throttled, context));
        }
        // The SDK spreads its requests by itself; what is left over here is one process's.
        let wait = PATIENCE.wait_bound_millis(attempt);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    Ok(found)
}
