//! `txp clients`: who may send files over HTTP, for which merchants, with which keys.
//!
//! Works on a fresh directory and beside a running serve, which notices. A secret is printed once,
//! when it is made, and kept nowhere.

use super::{Ending, Globals, Refusal};
use crate::output;
use clap::Subcommand;
use serde::Serialize;
use std::fmt::Write as _;
use txp_domain::event::{Defaults, Merchants};
use txp_domain::time::Timestamp;
use txp_local::control::{Client, Clients, ControlError, IssuedKey, NewClient};

/// Stands for every merchant.
const EVERY_MERCHANT: &str = "*";

/// Arguments of `txp clients`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Add a client and print its key, once
    Add {
        /// Its name: letters a-z, digits and -
        name: String,
        /// The merchants that it may send for and see, with commas between; * for all
        #[arg(long, value_name = "A,B|*", default_value = EVERY_MERCHANT)]
        merchants: String,
        /// The currency of rows that name none
        #[arg(long, value_name = "CODE")]
        default_currency: Option<String>,
        /// The zone of timestamps that name none: an offset or an IANA name
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
        /// Let its ids look like card numbers: for a client whose ids are long numbers
        #[arg(long)]
        allow_long_number_ids: bool,
    },
    /// List clients and when their keys were last used
    List,
    /// Print another key; the newest one before stays valid until the next rotation
    Rotate {
        /// The client
        name: String,
    },
    /// Refuse a client from now on, or one of its keys
    Revoke {
        /// The client, or the id of a key
        name: String,
    },
}

/// Changes or lists clients.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let now = txp_local::now();
    match &args.what {
        What::Add {
            name,
            merchants,
            default_currency,
            time_zone,
            allow_long_number_ids,
        } => {
            let new = NewClient {
                name: name.clone(),
                merchants: read_merchants(merchants),
                defaults: Defaults {
                    currency: default_currency.clone(),
                    time_zone: time_zone.clone(),
                },
                long_number_ids_allowed: *allow_long_number_ids,
            };
            let clients = Clients::open(&globals.data_dir, now)?;
            let issued = clients.add(new, now).map_err(classed)?;
            show_key(globals, name, &issued)?;
        }
        What::Rotate { name } => {
            let clients = Clients::open(&globals.data_dir, now)?;
            let issued = clients.rotate(name, now).map_err(classed)?;
            show_key(globals, name, &issued)?;
        }
        What::Revoke { name } => {
            let clients = Clients::open(&globals.data_dir, now)?;
            clients.revoke(name, now).map_err(classed)?;
            if globals.json {
                output::json(&serde_json::json!({ "revoked": name }))?;
            } else {
                output::text(&format!("{name} is revoked\n"))?;
            }
        }
        What::List => {
            list(globals)?;
        }
    }
    Ok(Ending::Done)
}

fn read_merchants(text: &str) -> Merchants {
    if text.trim() == EVERY_MERCHANT {
        return Merchants::All;
    }
    let names = text.split(',').map(str::trim);
    Merchants::Only(
        names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

/// What cannot be is wrong use, what is not there (or there already) a problem found.
fn classed(error: ControlError) -> anyhow::Error {
    match error {
        ControlError::Name
        | ControlError::Merchant
        | ControlError::MerchantCard
        | ControlError::NoMerchants
        | ControlError::Defaults => Refusal::wrong_use(error.to_string()),
        ControlError::NameTaken | ControlError::UnknownClient => {
            Refusal::problem(error.to_string())
        }
        other => other.into(),
    }
}

#[derive(Serialize)]
struct Key<'a> {
    client_id: &'a str,
    #[serde(flatten)]
    issued: &'a IssuedKey,
}

fn show_key(globals: &Globals, client_id: &str, issued: &IssuedKey) -> anyhow::Result<()> {
    if globals.json {
        return output::json(&Key { client_id, issued });
    }
    output::text(&format!(
        "client   {client_id}\nkey id   {}\nkey      {}\n",
        issued.key_id, issued.key
    ))?;
    output::note("the key is shown once and kept nowhere: send it in the header x-api-key");
    Ok(())
}

#[derive(Serialize)]
struct Listed {
    clients: Vec<ClientDocument>,
}

/// A client without anything of its secrets.
#[derive(Serialize)]
struct ClientDocument {
    client_id: String,
    merchants: Merchants,
    defaults: Defaults,
    long_number_ids_allowed: bool,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
    keys: Vec<KeyDocument>,
}

#[derive(Serialize)]
struct KeyDocument {
    key_id: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

impl From<Client> for ClientDocument {
    fn from(client: Client) -> Self {
        let keys = client.keys.into_iter().map(|key| KeyDocument {
            key_id: key.key_id,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
        });
        Self {
            client_id: client.who.client_id,
            merchants: client.who.merchants,
            defaults: client.who.defaults,
            long_number_ids_allowed: client.who.long_number_ids_allowed,
            created_at: client.created_at,
            revoked_at: client.revoked_at,
            keys: keys.collect(),
        }
    }
}

fn list(globals: &Globals) -> anyhow::Result<()> {
    let clients = Clients::open_to_read(&globals.data_dir)?.list()?;
    let listed = Listed {
        clients: clients.into_iter().map(ClientDocument::from).collect(),
    };
    if globals.json {
        return output::json(&listed);
    }
    let mut out = String::new();
    for client in &listed.clients {
        let merchants = match &client.merchants {
            Merchants::All => "every merchant".to_owned(),
            Merchants::Only(names) => names.join(", "),
        };
        let revoked = client.revoked_at.map(|at| format!(", revoked {at}"));
        writeln!(
            out,
            "{}: {merchants}{}",
            client.client_id,
            revoked.unwrap_or_default()
        )?;
        for key in &client.keys {
            let used = key.last_used_at.map_or_else(
                || "not known to have been used".to_owned(),
                |at| format!("last used {at}"),
            );
            writeln!(out, "    {}  made {}, {used}", key.key_id, key.created_at)?;
        }
    }
    if listed.clients.is_empty() {
        out.push_str("no clients yet: `txp clients add NAME` adds one\n");
    }
    output::text(&out)
}
