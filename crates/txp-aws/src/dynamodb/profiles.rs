//! Profiles: what detection remembers of a card in a currency, as the domain's bytes.
//!
//! An item is about 600 bytes: one write unit. The revision stands beside the bytes for the
//! condition.

use super::Damage;
use super::attributes::{Fields, Item, Pen, bytes, number};
use super::batch_get::batch_get;
use super::connection::{Connection, conditional, corrupt};
use crate::error::port_error;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::HashMap;
use txp_domain::card::Fingerprint;
use txp_domain::profile::Profile;
use txp_pipeline::port::{ErrorKind, PortError, ProfileKey, ProfileStore, Written};
use txp_pipeline::telemetry::{Metric, count};

/// Writes on their way at a time.
const IN_FLIGHT_MAX: usize = 16;

/// The table of profiles, and those that were fetched together.
#[derive(Clone, Debug)]
pub struct Profiles {
    connection: Connection,
    table: String,
    prepared: HashMap<ProfileKey, Profile>,
}

impl Profiles {
    /// The table of this name.
    #[must_use]
    pub fn new(connection: Connection, table: impl Into<String>) -> Self {
        Self {
            connection,
            table: table.into(),
            prepared: HashMap::new(),
        }
    }

    async fn put(
        &self,
        key: ProfileKey,
        profile: &Profile,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        let mut encoded = Vec::new();
        profile.encode(&mut encoded);
        let mut item = key_of(key);
        item.insert("revision".to_owned(), number(profile.revision()));
        item.insert("profile".to_owned(), bytes(encoded));
        let put = self
            .connection
            .client()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let put = if expected_revision == 0 {
            put.condition_expression("attribute_not_exists(card_fingerprint)")
        } else {
            put.condition_expression("revision = :expected")
                .expression_attribute_values(":expected", number(expected_revision))
        };
        let context = || format!("writing to the table {} failed", self.table);
        let Some(output) = conditional(put.send().await, context)? else {
            count(Metric::WriteConflicts, 1);
            return Ok(Written::Conflict);
        };
        self.connection.consumed(output.consumed_capacity());
        Ok(Written::Stored)
    }

    fn decode(&self, item: &Item) -> Result<Profile, PortError> {
        let damaged = |damage| corrupt(&self.table, damage);
        let bytes = Fields(item).bytes("profile").map_err(damaged)?;
        Profile::decode(bytes).map_err(|fault| {
            let context = format!("an item of the table {} is damaged", self.table);
            PortError::caused(ErrorKind::Corrupt, context, fault)
        })
    }
}

fn key_of(key: ProfileKey) -> Item {
    let mut pen = Pen::default();
    pen.text("card_fingerprint", key.fingerprint.to_string());
    pen.text("currency", key.currency.code());
    pen.0
}

fn read_key(item: &Item) -> Result<ProfileKey, Damage> {
    let fields = Fields(item);
    let fingerprint = Fingerprint::parse(fields.text("card_fingerprint")?.as_bytes());
    Ok(ProfileKey {
        fingerprint: fingerprint.ok_or(Damage("card_fingerprint"))?,
        currency: fields.parsed("currency")?,
    })
}

impl ProfileStore for Profiles {
    /// Fetches them together, and lets go of those that were fetched before. A card that has none
    /// is remembered as such, too.
    async fn prepare(&mut self, keys: &[ProfileKey]) -> Result<(), PortError> {
        self.prepared.clear();
        let mut wanted = keys.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let items = wanted.iter().map(|key| key_of(*key)).collect();
        let found = batch_get(&self.connection, &self.table, items).await?;
        for key in wanted {
            self.prepared.entry(key).or_default();
        }
        for item in &found {
            let key = read_key(item).map_err(|damage| corrupt(&self.table, damage))?;
            match self.decode(item) {
                Ok(profile) => drop(self.prepared.insert(key, profile)),
                // Whoever loads it meets the damage, and the others do not.
                Err(_) => drop(self.prepared.remove(&key)),
            }
        }
        Ok(())
    }

    async fn load(&mut self, key: ProfileKey) -> Result<Profile, PortError> {
        if let Some(profile) = self.prepared.get(&key) {
            return Ok(profile.clone());
        }
        let output = self
            .connection
            .client()
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key_of(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| {
                port_error(format!("reading the table {} failed", self.table), error)
            })?;
        output
            .item()
            .map_or_else(|| Ok(Profile::default()), |item| self.decode(item))
    }

    async fn store(
        &mut self,
        key: ProfileKey,
        profile: Profile,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        // Whatever comes of it: what was fetched is not what is stored any more.
        self.prepared.remove(&key);
        let written = self.put(key, &profile, expected_revision).await?;
        if written == Written::Stored {
            self.prepared.insert(key, profile);
        }
        Ok(written)
    }

    /// Writes them at the same time: one after the other, a batch of as many cards as sales would
    /// take as long as all its round trips together.
    async fn update_all(
        &mut self,
        keys: &[ProfileKey],
        mut change: impl FnMut(usize, &mut Profile),
    ) -> Result<Vec<(usize, PortError)>, PortError> {
        let (mut changed, mut damaged) = (Vec::with_capacity(keys.len()), Vec::new());
        for (at, key) in keys.iter().enumerate() {
            let mut profile = match self.load(*key).await {
                Ok(profile) => profile,
                Err(error) if error.kind == ErrorKind::Corrupt => {
                    damaged.push((at, error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let expected = profile.revision();
            change(at, &mut profile);
            changed.push((at, *key, profile, expected));
        }
        // Whatever comes of it: what was fetched is not what is stored any more.
        for key in keys {
            self.prepared.remove(key);
        }
        let this = &*self;
        let puts = changed
            .iter()
            .map(|(at, key, profile, expected)| async move {
                Ok((*at, *key, this.put(*key, profile, *expected).await?))
            });
        let mut puts = stream::iter(puts).buffer_unordered(IN_FLIGHT_MAX);
        let mut beaten = Vec::new();
        while let Some((at, key, written)) = puts.try_next().await? {
            if written == Written::Conflict {
                beaten.push((at, key));
            }
        }
        drop(puts);
        for (at, key) in beaten {
            self.update(key, |profile| change(at, profile)).await?;
        }
        Ok(damaged)
    }
}
