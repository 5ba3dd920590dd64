//! Clients by the id of their API key: who it is that the gateway let in, and what it may do.
//!
//! An item: `api_key_id`, `client_id`, `merchants` (a list of merchants, or `*` alone for every
//! one), and where there are such, `default_currency`, `default_time_zone`,
//! `long_number_ids_allowed` and `revoked` (true). The deployment writes them; the API reads them
//! and remembers each for a minute, so that a key that is revoked here is refused a minute later at
//! most. The key itself is the gateway's and is nowhere here.

use super::Damage;
use super::attributes::{Fields, Item, Pen, text};
use super::connection::{Connection, corrupt};
use crate::error::port_error;
use std::collections::HashMap;
use std::sync::Arc;
use txp_domain::event::{Defaults, Merchants};
use txp_domain::time::Timestamp;
use txp_pipeline::api::Client;
use txp_pipeline::port::PortError;

/// How long a client is remembered.
const REMEMBERED_MILLIS: i64 = 60_000;
/// Clients that are remembered, at some 1 KB each.
const REMEMBERED_MAX: usize = 1_000;

/// Every merchant.
const EVERY: &str = "*";

/// The table of clients.
#[derive(Clone, Debug)]
pub struct Clients {
    connection: Connection,
    table: String,
    seen: HashMap<String, Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    client: Arc<Client>,
    at_millis: i64,
}

impl Clients {
    /// The table of this name.
    #[must_use]
    pub fn new(connection: Connection, table: impl Into<String>) -> Self {
        Self {
            connection,
            table: table.into(),
            seen: HashMap::new(),
        }
    }

    /// The client of a key; `None` if there is none, or it is revoked. That there is none is not
    /// remembered: a key that was just made is taken at once.
    ///
    /// # Errors
    /// The table cannot be read, or the item is damaged.
    pub async fn of_key(
        &mut self,
        api_key_id: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Client>>, PortError> {
        let now_millis = now.unix_millis();
        if let Some(seen) = self.seen.get(api_key_id) {
            let age_millis = now_millis.saturating_sub(seen.at_millis);
            if (0..REMEMBERED_MILLIS).contains(&age_millis) {
                return Ok(Some(Arc::clone(&seen.client)));
            }
        }
        self.seen.remove(api_key_id);
        let Some(client) = self.read(api_key_id).await?.map(Arc::new) else {
            return Ok(None);
        };
        if self.seen.len() >= REMEMBERED_MAX {
            self.seen.clear();
        }
        let seen = Seen {
            client: Arc::clone(&client),
            at_millis: now_millis,
        };
        self.seen.insert(api_key_id.to_owned(), seen);
        Ok(Some(client))
    }

    /// Stores the client of a key, over whatever was there.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn put(
        &self,
        api_key_id: &str,
        client: &Client,
        is_revoked: bool,
    ) -> Result<(), PortError> {
        let put = self
            .connection
            .client()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(encode(api_key_id, client, is_revoked)));
        let written = put.send().await;
        let context = || format!("writing to the table {} failed", self.table);
        written.map_err(|error| port_error(context(), error))?;
        Ok(())
    }

    async fn read(&self, api_key_id: &str) -> Result<Option<Client>, PortError> {
        let output = self
            .connection
            .client()
            .get_item()
            .table_name(&self.table)
            .key("api_key_id", text(api_key_id))
            .send()
            .await
            .map_err(|error| {
                let context = format!("reading the table {} failed", self.table);
                port_error(context, error)
            })?;
        let Some(item) = output.item else {
            return Ok(None);
        };
        let client = decode(Fields(&item));
        client.map_err(|damage| corrupt(&self.table, damage))
    }
}

fn encode(api_key_id: &str, client: &Client, is_revoked: bool) -> Item {
    let mut pen = Pen::default();
    pen.text("api_key_id", api_key_id);
    pen.text("client_id", &*client.client_id);
    let merchants = match &client.merchants {
        Merchants::All => vec![text(EVERY)],
        Merchants::Only(names) => names.iter().map(text).collect(),
    };
    pen.list("merchants", merchants);
    let Defaults {
        currency,
        time_zone,
    } = &client.defaults;
    pen.optional("default_currency", currency.as_deref());
    pen.optional("default_time_zone", time_zone.as_deref());
    pen.flag("long_number_ids_allowed", client.long_number_ids_allowed);
    pen.flag("revoked", is_revoked);
    pen.0
}

fn decode(fields: Fields<'_>) -> Result<Option<Client>, Damage> {
    if fields.flag("revoked") {
        return Ok(None);
    }
    let names = fields.list("merchants")?.iter().map(|name| {
        let name = name.as_s().map_err(|_| Damage("merchants"))?;
        Ok(name.clone())
    });
    let mut names = names.collect::<Result<Vec<String>, Damage>>()?;
    names.sort();
    names.dedup();
    let is_every = names.len() == 1 && names.iter().all(|name| name == EVERY);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Ok(Some(Client {
        client_id: fields.text("client_id")?.to_owned(),
        merchants: if is_every {
            Merchants::All
        } else {
            Merchants::Only(names)
        },
        defaults: Defaults {
            currency: owned(fields.optional_text("default_currency")?),
            time_zone: owned(fields.optional_text("default_time_zone")?),
        },
        long_number_ids_allowed: fields.flag("long_number_ids_allowed"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(merchants: Merchants) -> Client {
        Client {
            client_id: "shop".to_owned(),
            merchants,
            defaults: Defaults {
                currency: Some("EUR".to_owned()),
                time_zone: None,
            },
            long_number_ids_allowed: true,
        }
    }

    #[test]
    fn a_client_is_read_back() {
        let only = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned());
            Merchants::Only(names.collect())
        };
        for merchants in [Merchants::All, only(&["a", "b"]), only(&[])] {
            let client = client(merchants);
            let item = encode("key", &client, false);
            assert_eq!(decode(Fields(&item)).unwrap(), Some(client.clone()));
            let item = encode("key", &client, true);
            assert_eq!(decode(Fields(&item)).unwrap(), None);
        }
    }

    /// A `*` among names is no right to everything, and an item without merchants is none to any.
    #[test]
    fn an_odd_item_gives_no_rights() {
        let mut pen = Pen::default();
        pen.text("client_id", "shop");
        let none = decode(Fields(&pen.0)).unwrap().unwrap();
        assert_eq!(none.merchants, Merchants::Only(Vec::new()));
        pen.list("merchants", vec![text("*"), text("b")]);
        let both = decode(Fields(&pen.0)).unwrap().unwrap();
        assert_ne!(both.merchants, Merchants::All);
        pen.text("merchants", "*");
        assert_eq!(decode(Fields(&pen.0)), Err(Damage("merchants")));
    }
}
