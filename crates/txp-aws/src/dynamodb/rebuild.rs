//! A table of transactions that is made again from the history, and read through to be compared.
//!
//! A replay's own table says so by a tag with the replay's id; any other one is somebody's, and is
//! written to only if the caller means it. What is written is one item at a time, on the condition that
//! the one that was compared still stands, and never over one that has met later events: so a pipeline
//! that writes to the same table loses nothing, and doing it again changes nothing. A link of a
//! chargeback is added and never taken away, since the other writer may be about to make it.
//!
//! Deliberately absent: uploads, profiles, alerts; deletion of anything.

use super::attributes::{Fields, Item, text};
use super::batch_get::{KEYS_MAX, batch_get};
use super::connection::{Connection, conditional, corrupt, unbuildable};
use super::tables::{Key, TRANSACTIONS};
use super::transactions::codec;
use crate::clock::SystemClock;
use crate::error::port_error;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ReturnConsumedCapacity,
    ScalarAttributeType, SseSpecification, SseType, StreamSpecification, StreamViewType,
    TableDescription, TableStatus, Tag,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use txp_domain::transaction::{Transaction, TransactionKey, Writer};
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::retry::RetryPolicy;
use txp_pipeline::verify::differences;

/// The tag of a table that a replay has made; its value is the replay's id.
pub const REPLAY_TAG: &str = "txp-replay";

/// How often to look whether a new table is there, and how many times: five minutes in all.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS_MAX: u32 = 600;

/// Parts of a table that are scanned side by side.
const SEGMENTS: i32 = 8;

/// Pages in which a live writer's items are looked for: 10 MB of a table.
const LIVE_PAGES: u32 = 10;

/// Requests in flight while items are written.
const IN_FLIGHT_MAX: usize = 16;

/// What a table is to a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not there.
    Missing,
    /// This replay has made it.
    Own,
    /// Somebody else has.
    Foreign,
}

/// What writing items did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Items that were not there.
    pub new: u64,
    /// Items that said something else.
    pub mended: u64,
    /// Items that were there as they should be.
    pub unchanged: u64,
    /// Items that have met later events: they are left to who wrote them.
    pub ahead: u64,
}

impl Published {
    /// Adds what another batch did.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.mended += other.mended;
        self.unchanged += other.unchanged;
        self.ahead += other.ahead;
    }

    fn of(done: Done) -> Self {
        let mut published = Self::default();
        match done {
            Done::New => published.new = 1,
            Done::Mended => published.mended = 1,
            Done::Unchanged => published.unchanged = 1,
            Done::Ahead => published.ahead = 1,
        }
        published
    }
}

#[derive(Clone, Copy)]
enum Done {
    New,
    Mended,
    Unchanged,
    Ahead,
}

/// An item that was scanned: read, or the key of one that cannot be.
pub type Scanned = Result<Transaction, TransactionKey>;

/// A table that is made again or read through.
#[derive(Clone, Debug)]
pub struct Rebuild {
    connection: Connection,
    table: String,
}

impl Rebuild {
    /// The table of this name.
    #[must_use]
    pub fn new(connection: Connection, table: impl Into<String>) -> Self {
        let table = table.into();
        Self { connection, table }
    }

    /// What the table is to a replay of this id.
    ///
    /// # Errors
    /// It cannot be looked at, or is no table of transactions.
    pub async fn standing(&self, replay_id: &str) -> Result<Standing, PortError> {
        let Some(table) = self.describe().await? else {
            return Ok(Standing::Missing);
        };
        self.check_keys(&table)?;
        let arn = table.table_arn().unwrap_or_default();
        let request = self.connection.client().list_tags_of_resource();
        let tags = request.resource_arn(arn).send().await;
        let tags = tags.map_err(|error| {
            port_error(
                format!("reading the tags of the table {} failed", self.table),
                error,
            )
        })?;
        let is_own = tags
            .tags()
            .iter()
            .any(|tag| tag.key() == REPLAY_TAG && tag.value() == replay_id);
        Ok(if is_own {
            Standing::Own
        } else {
            Standing::Foreign
        })
    }

    async fn describe(&self) -> Result<Option<TableDescription>, PortError> {
        let request = self.connection.client().describe_table();
        match request.table_name(&self.table).send().await {
            Ok(output) => Ok(output.table),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => {
                let context = format!("looking at the table {} failed", self.table);
                Err(port_error(context, error))
            }
        }
    }

    fn check_keys(&self, table: &TableDescription) -> Result<(), PortError> {
        let keys = table
            .key_schema()
            .iter()
            .map(KeySchemaElement::attribute_name);
        let wanted = [Some(TRANSACTIONS.hash), TRANSACTIONS.range];
        let wanted = wanted.iter().flatten().map(|key| key.name);
        if keys.eq(wanted) {
            return Ok(());
        }
        let context = format!(
            "the table {} has other keys than a table of transactions: check its name",
            self.table
        );
        Err(PortError::new(ErrorKind::Permanent, context))
    }

    /// Makes the table, as a replay's own, and waits until it is there.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn create(&self, replay_id: &str, kms_key: Option<&str>) -> Result<(), PortError> {
        let fault = |error| unbuildable(error, "a new table cannot be described");
        let keys = [(TRANSACTIONS.hash, KeyType::Hash)]
            .into_iter()
            .chain(TRANSACTIONS.range.map(|key| (key, KeyType::Range)));
        let mut request = self
            .connection
            .client()
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .stream_specification(
                StreamSpecification::builder()
                    .stream_enabled(true)
                    .stream_view_type(StreamViewType::NewAndOldImages)
                    .build()
                    .map_err(fault)?,
            )
            .tags(
                Tag::builder()
                    .key(REPLAY_TAG)
                    .value(replay_id)
                    .build()
                    .map_err(fault)?,
            );
        if let Some(key) = kms_key {
            let encrypted = SseSpecification::builder().enabled(true);
            let encrypted = encrypted.sse_type(SseType::Kms).kms_master_key_id(key);
            request = request.sse_specification(encrypted.build());
        }
        for (key, kind) in keys {
            request = request
                .attribute_definitions(definition(key).map_err(fault)?)
                .key_schema(
                    KeySchemaElement::builder()
                        .attribute_name(key.name)
                        .key_type(kind)
                        .build()
                        .map_err(fault)?,
                );
        }
        let made = request.send().await;
        made.map_err(|error| port_error(format!("making the table {} failed", self.table), error))?;
        self.wait_until_active().await
    }

    async fn wait_until_active(&self) -> Result<(), PortError> {
        for _ in 0..LOOKS_MAX {
            let table = self.describe().await?;
            if table.is_some_and(|table| table.table_status() == Some(&TableStatus::Active)) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let context = format!(
            "the table {} was made and is not active after five minutes; run the same command again",
            self.table
        );
        Err(PortError::new(ErrorKind::Transient, context))
    }

    /// Whether a live writer has written to the table, as far as its first pages tell.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn has_live_items(&self) -> Result<bool, PortError> {
        let mut start = None;
        for _ in 0..LIVE_PAGES {
            let page = self
                .connection
                .client()
                .scan()
                .table_name(&self.table)
                .filter_expression("writer = :live")
                .expression_attribute_values(":live", text(codec::LIVE))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| port_error(self.reading(), error))?;
            if page.count() > 0 {
                return Ok(true);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(false)
    }

    /// Writes items that a replay has folded, where the table does not say the same already.
    ///
    /// # Errors
    /// The table cannot be read or written. What was written stays, and doing it again goes on.
    pub async fn publish(&self, items: &[Transaction]) -> Result<Published, PortError> {
        let mut published = Published::default();
        for items in items.chunks(KEYS_MAX) {
            let stored = self.stored(items.iter()).await?;
            let writes = items.iter().map(|item| {
                let stored = stored.get(&item.key).cloned();
                self.publish_one(item, stored)
            });
            let done = stream::iter(writes).buffer_unordered(IN_FLIGHT_MAX);
            let done: Vec<Done> = done.try_collect().await?;
            done.into_iter()
                .for_each(|done| published.add(Published::of(done)));
        }
        Ok(published)
    }

    async fn stored<'i>(
        &self,
        items: impl Iterator<Item = &'i Transaction>,
    ) -> Result<HashMap<TransactionKey, Transaction>, PortError> {
        let keys: Vec<Item> = items.map(|item| key_of(&item.key)).collect();
        let found = RetryPolicy::PATIENT.run(&SystemClock, async |_| {
            batch_get(&self.connection, &self.table, keys.clone()).await
        });
        let mut stored = HashMap::new();
        for item in found.await? {
            // One that cannot be read counts as none.
            if let Ok(item) = codec::decode(Fields(&item)) {
                stored.insert(item.key.clone(), item);
            }
        }
        Ok(stored)
    }

    async fn publish_one(
        &self,
        item: &Transaction,
        mut stored: Option<Transaction>,
    ) -> Result<Done, PortError> {
        let patience = RetryPolicy::PATIENT;
        patience
            .run(&SystemClock, async |attempt| {
                if attempt > 1 {
                    stored = self.stored(std::iter::once(item)).await?.remove(&item.key);
                }
                let (wanted, done) = match &stored {
                    None => (item.clone(), Done::New),
                    Some(stored) => match mended(item, stored) {
                        Mended::Same => return Ok(Done::Unchanged),
                        Mended::Ahead => return Ok(Done::Ahead),
                        Mended::Other(wanted) => (*wanted, Done::Mended),
                    },
                };
                if self.put(&wanted, stored.as_ref()).await? {
                    return Ok(done);
                }
                let context = format!(
                    "an item of the table {} was changed by others each time that it was to be written; run the same command again",
                    self.table
                );
                Err(PortError::new(ErrorKind::Transient, context))
            })
            .await
    }

    /// Whether the item that was compared still stood.
    async fn put(
        &self,
        item: &Transaction,
        stored: Option<&Transaction>,
    ) -> Result<bool, PortError> {
        let put = self
            .connection
            .client()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(codec::encode(item)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let put = match stored {
            // One without a revision is no item of anybody's.
            None => put.condition_expression(
                "attribute_not_exists(transaction_id) OR attribute_not_exists(revision)",
            ),
            Some(stored) => put
                .condition_expression("revision = :expected")
                .expression_attribute_values(
                    ":expected",
                    super::attributes::number(stored.revision),
                ),
        };
        let context = || format!("writing to the table {} failed", self.table);
        let output = conditional(put.send().await, context)?;
        if let Some(output) = &output {
            self.connection.consumed(output.consumed_capacity());
        }
        Ok(output.is_some())
    }

    /// Reads the whole table, in no order, several parts side by side, strongly consistent; takes no
    /// more than so many read units a second of it.
    ///
    /// # Errors
    /// It cannot be read, or `each` fails.
    pub async fn scan<E: From<PortError>>(
        &self,
        units_per_second: u32,
        mut each: impl FnMut(Scanned) -> Result<(), E>,
    ) -> Result<(), E> {
        let started = Instant::now();
        let mut consumed = 0_u64;
        let mut segments: Vec<(i32, Option<Item>)> = (0..SEGMENTS).map(|n| (n, None)).collect();
        while !segments.is_empty() {
            let pages = segments.drain(..).map(|(segment, start)| async move {
                let page = RetryPolicy::PATIENT.run(&SystemClock, async |_| {
                    self.page(segment, start.clone()).await
                });
                page.await.map(|page| (segment, page))
            });
            for page in join_all(pages).await {
                let (segment, page) = page?;
                let units = page.consumed_capacity.and_then(|c| c.capacity_units);
                // A page takes 128 of them or so: rounded up, no one is taken more of.
                consumed += units.unwrap_or(0.0).ceil() as u64;
                for item in page.items.into_iter().flatten() {
                    each(self.scanned(&item)?)?;
                }
                if let Some(next) = page.last_evaluated_key {
                    segments.push((segment, Some(next)));
                }
            }
            let rate = u64::from(units_per_second.max(1));
            let due = Duration::from_millis(consumed.saturating_mul(1_000) / rate);
            if let Some(wait) = due.checked_sub(started.elapsed())
                && !segments.is_empty()
            {
                tokio::time::sleep(wait).await;
            }
        }
        Ok(())
    }

    async fn page(
        &self,
        segment: i32,
        start: Option<Item>,
    ) -> Result<aws_sdk_dynamodb::operation::scan::ScanOutput, PortError> {
        self.connection
            .client()
            .scan()
            .table_name(&self.table)
            .segment(segment)
            .total_segments(SEGMENTS)
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| port_error(self.reading(), error))
    }

    fn scanned(&self, item: &Item) -> Result<Scanned, PortError> {
        let fields = Fields(item);
        let damaged = |damage| corrupt(&self.table, damage);
        Ok(match codec::decode(fields) {
            Ok(item) => Ok(item),
            Err(_) => Err(TransactionKey {
                transaction_id: fields.text("transaction_id").map_err(damaged)?.into(),
                merchant_id: fields.text("merchant_id").map_err(damaged)?.into(),
            }),
        })
    }

    fn reading(&self) -> String {
        format!("reading the table {} failed", self.table)
    }
}

fn definition(key: Key) -> Result<AttributeDefinition, aws_sdk_dynamodb::error::BuildError> {
    let kind = match key.is_number {
        true => ScalarAttributeType::N,
        false => ScalarAttributeType::S,
    };
    let definition = AttributeDefinition::builder().attribute_name(key.name);
    definition.attribute_type(kind).build()
}

fn key_of(key: &TransactionKey) -> Item {
    Item::from([
        ("transaction_id".to_owned(), text(&*key.transaction_id)),
        ("merchant_id".to_owned(), text(&*key.merchant_id)),
    ])
}

enum Mended {
    /// It is there as it should be.
    Same,
    /// It has met later events.
    Ahead,
    /// It should be this.
    Other(Box<Transaction>),
}

/// What an item should be in a table where `stored` is.
fn mended(item: &Transaction, stored: &Transaction) -> Mended {
    let is_ahead = match (&stored.as_of, &item.as_of) {
        (Some(stored), Some(folded)) => stored.is_after(folded),
        (Some(_), None) => true,
        (None, _) => false,
    };
    if is_ahead {
        return Mended::Ahead;
    }
    let alone = Transaction {
        disputes: Vec::new(),
        disputes_truncated: false,
        revision: item.revision.saturating_sub(item.disputes.len() as u64),
        writer: Writer::Live,
        ..item.clone()
    };
    let has_links = stored.disputes_truncated == item.disputes_truncated
        && item
            .disputes
            .iter()
            .all(|event| stored.disputes.binary_search(event).is_ok());
    if has_links && differences(&alone, stored).is_empty() {
        return Mended::Same;
    }
    let mut wanted = item.clone();
    for event in &stored.disputes {
        wanted.link_dispute(*event);
    }
    Mended::Other(Box::new(wanted))
}

#[cfg(test)]
mod tests;
