//! Transactions: one item each, whole, under the transaction's id and its merchant.
//!
//! Items that are known already are fetched together before they are folded: a file that is sent
//! again costs a hundredth of the reads.

mod amount;
pub(super) mod codec;

use super::attributes::{Fields, Item, number, text};
use super::batch_get::batch_get;
use super::connection::{Connection, conditional, corrupt};
use crate::error::port_error;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::HashMap;
use txp_domain::transaction::{FreshTransaction, Transaction, TransactionKey};
use txp_pipeline::port::{PortError, TransactionStore, Written};

/// Writes of one batch in flight. An answer takes about 5 ms, so this is some 3,000 writes a second
/// from one process, near what a cold table takes (4,000).
pub const IN_FLIGHT_MAX: usize = 16;

/// The table of transactions, and those that were fetched together.
#[derive(Clone, Debug)]
pub struct Transactions {
    connection: Connection,
    table: String,
    /// As they are stored, as far as this process knows: a conditional write finds out.
    prepared: HashMap<TransactionKey, Option<Transaction>>,
}

impl Transactions {
    /// The table of this name.
    #[must_use]
    pub fn new(connection: Connection, table: impl Into<String>) -> Self {
        Self {
            connection,
            table: table.into(),
            prepared: HashMap::new(),
        }
    }

    /// The transactions of one id, of every merchant, in the order of merchants.
    ///
    /// # Errors
    /// The table cannot be read, or an item is damaged.
    pub async fn of_id(&self, transaction_id: &str) -> Result<Vec<Transaction>, PortError> {
        let mut pages = self
            .connection
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("transaction_id = :id")
            .expression_attribute_values(":id", text(transaction_id))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| port_error(self.reading(), error))?;
            found.push(self.decode(&item)?);
        }
        Ok(found)
    }

    /// Calls `each` with every item, until that fails. Items that are written meanwhile may come as
    /// they were or as they are; no item comes twice.
    ///
    /// # Errors
    /// The table cannot be read, holds an item that is not ours, or `each` failed.
    pub async fn for_each<E: From<PortError>>(
        &self,
        mut each: impl FnMut(Transaction) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pages = self
            .connection
            .client()
            .scan()
            .table_name(&self.table)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(self.reading(), error))?;
            for item in page.items() {
                each(self.decode(item)?)?;
            }
        }
        Ok(())
    }

    fn decode(&self, item: &Item) -> Result<Transaction, PortError> {
        codec::decode(Fields(item)).map_err(|damage| corrupt(&self.table, damage))
    }

    fn put(&self, item: &Transaction) -> PutItemFluentBuilder {
        self.connection
            .client()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(codec::encode(item)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    /// Sends a conditional put; whether its condition held.
    async fn send(&self, put: PutItemFluentBuilder) -> Result<bool, PortError> {
        let context = || format!("writing to the table {} failed", self.table);
        let output = conditional(put.send().await, context)?;
        if let Some(output) = &output {
            self.connection.consumed(output.consumed_capacity());
        }
        Ok(output.is_some())
    }

    async fn put_new(&self, item: Transaction) -> Result<bool, PortError> {
        let put = self.put(&item);
        self.send(put.condition_expression("attribute_not_exists(transaction_id)"))
            .await
    }

    /// An item is not as it was prepared.
    fn forget(&mut self, item: Fields<'_>) {
        match (item.text("merchant_id"), item.text("transaction_id")) {
            (Ok(merchant_id), Ok(transaction_id)) => {
                self.prepared.remove(&key(merchant_id, transaction_id));
            }
            _ => self.prepared.clear(),
        }
    }

    fn reading(&self) -> String {
        format!("reading the table {} failed", self.table)
    }
}

fn key(merchant_id: &str, transaction_id: &str) -> TransactionKey {
    TransactionKey {
        transaction_id: transaction_id.into(),
        merchant_id: merchant_id.into(),
    }
}

impl TransactionStore for Transactions {
    async fn insert_new(
        &mut self,
        items: &[FreshTransaction<'_>],
        inserted: &mut Vec<bool>,
    ) -> Result<(), PortError> {
        inserted.clear();
        self.prepared.clear();
        let puts = items
            .iter()
            .map(|fresh| self.put_new(fresh.to_transaction()));
        let answers = stream::iter(puts).buffered(IN_FLIGHT_MAX).try_collect();
        *inserted = answers.await?;
        Ok(())
    }

    /// Fetches them together, and lets go of those that were fetched before. One that is not there
    /// is remembered as such, too.
    async fn prepare(&mut self, keys: &[(&str, &str)]) -> Result<(), PortError> {
        self.prepared.clear();
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let wanted = keys.iter().map(|(merchant_id, transaction_id)| {
            Item::from([
                ("transaction_id".to_owned(), text(*transaction_id)),
                ("merchant_id".to_owned(), text(*merchant_id)),
            ])
        });
        let found = batch_get(&self.connection, &self.table, wanted.collect()).await?;
        for (merchant_id, transaction_id) in &keys {
            self.prepared.insert(key(merchant_id, transaction_id), None);
        }
        for item in &found {
            match self.decode(item) {
                Ok(item) => drop(self.prepared.insert(item.key.clone(), Some(item))),
                // Whoever loads it meets the damage, and the others do not.
                Err(_) => self.forget(Fields(item)),
            }
        }
        Ok(())
    }

    async fn load(
        &mut self,
        merchant_id: &str,
        transaction_id: &str,
    ) -> Result<Option<Transaction>, PortError> {
        if !self.prepared.is_empty()
            && let Some(item) = self.prepared.get(&key(merchant_id, transaction_id))
        {
            return Ok(item.clone());
        }
        let output = self
            .connection
            .client()
            .get_item()
            .table_name(&self.table)
            .key("transaction_id", text(transaction_id))
            .key("merchant_id", text(merchant_id))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(self.reading(), error))?;
        output.item().map(|item| self.decode(item)).transpose()
    }

    async fn store(
        &mut self,
        item: &Transaction,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        // Whatever comes of it: what was fetched is not what is stored any more.
        let was_prepared = self.prepared.remove(&item.key).is_some();
        let is_stored = if expected_revision == 0 {
            self.put_new(item.clone()).await?
        } else {
            let put = self
                .put(item)
                .condition_expression("revision = :expected")
                .expression_attribute_values(":expected", number(expected_revision));
            self.send(put).await?
        };
        if is_stored && was_prepared {
            self.prepared.insert(item.key.clone(), Some(item.clone()));
        }
        Ok(if is_stored {
            Written::Stored
        } else {
            Written::Conflict
        })
    }
}
