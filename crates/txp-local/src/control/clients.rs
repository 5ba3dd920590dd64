//! Clients: who may send files, for which merchants, with which keys.
//!
//! One small file, replaced whole under a lock of its own, so that it can be changed beside a
//! running serve.

use super::kept::{Kept, damaged};
use super::keys::{self, IssuedKey};
use super::{CONTROL_DIR, ControlError, file};
use crate::format;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use txp_domain::event::{Defaults, Merchants};
use txp_domain::id::is_identifier;
use txp_domain::letters;
use txp_domain::money::Currency;
use txp_domain::redact::holds_card_number;
use txp_domain::time::{TimeZone, Timestamp};
use txp_pipeline::api::Client as Who;

pub(super) const CLIENTS_FILE: &str = "clients.json";
pub(super) const LAST_USED_FILE: &str = "last-used.json";

/// The client of `txp process`, which has no key.
const RESERVED: &str = "local";
const NAME_BYTES_MAX: usize = 64;
/// One more could be a card number.
const NAME_DIGITS_MAX: usize = 11;
/// While rotating, the new key and the one before are valid.
const KEYS_MAX: usize = 2;

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Who it is and what it may do.
    #[serde(flatten)]
    pub who: Who,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Its valid keys, the newest last.
    pub keys: Vec<ClientKey>,
}

/// One key of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientKey {
    /// Names the key.
    pub key_id: String,
    /// SHA-256 of its secret.
    #[serde(rename = "secret_hash", with = "letters::digest")]
    pub(super) hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, as far as that was written down; kept in a file of its own.
    #[serde(skip)]
    pub last_used_at: Option<Timestamp>,
}

/// What is said of a new client.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its name.
    pub name: String,
    /// The merchants that it may send for and see.
    pub merchants: Merchants,
    /// What a row means that does not say.
    pub defaults: Defaults,
    /// An operator's exemption from the check of ids.
    pub long_number_ids_allowed: bool,
}

/// The clients' file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Records {
    pub(super) clients: Vec<Client>,
}

/// Reads and changes the clients of a data directory.
#[derive(Clone, Debug)]
pub struct Clients {
    folder: PathBuf,
}

impl Clients {
    /// The clients of a data directory, which is made and marked as ours if it is new.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, ControlError> {
        format::ensure(dir, &now.to_string())?;
        Ok(Self {
            folder: file::folder(dir)?,
        })
    }

    /// The same to read only: nothing is made, so that a directory need not be writable.
    ///
    /// # Errors
    /// It is no data directory, or of a newer format.
    pub fn open_to_read(dir: &Path) -> Result<Self, ControlError> {
        format::read(dir)?;
        Ok(Self {
            folder: dir.join(CONTROL_DIR),
        })
    }

    /// Adds a client and gives its key, which is shown nowhere else and never again.
    ///
    /// # Errors
    /// The name is taken or is none, merchants or defaults are not valid, or it cannot be written.
    pub fn add(&self, new: NewClient, now: Timestamp) -> Result<IssuedKey, ControlError> {
        check(&new)?;
        self.change(|records| {
            if records
                .clients
                .iter()
                .any(|client| client.who.client_id == new.name)
            {
                return Err(ControlError::NameTaken);
            }
            let (issued, key) = new_key(now)?;
            records.clients.push(Client {
                who: Who {
                    client_id: new.name,
                    merchants: sorted(new.merchants),
                    defaults: new.defaults,
                    long_number_ids_allowed: new.long_number_ids_allowed,
                },
                created_at: now,
                revoked_at: None,
                keys: vec![key],
            });
            Ok(issued)
        })
    }

    /// Gives a client another key. The newest one before stays valid, any older one does not.
    ///
    /// # Errors
    /// There is no such client, or it cannot be written.
    pub fn rotate(&self, name: &str, now: Timestamp) -> Result<IssuedKey, ControlError> {
        self.change(|records| {
            let client = active(records, name)?;
            let (issued, key) = new_key(now)?;
            client.keys.push(key);
            let surplus = client.keys.len().saturating_sub(KEYS_MAX);
            client.keys.drain(..surplus);
            Ok(issued)
        })
    }

    /// Revokes a client with all of its keys; or, where `name` is a key's id, that key only.
    ///
    /// # Errors
    /// There is no such client or key, or it cannot be written.
    pub fn revoke(&self, name: &str, now: Timestamp) -> Result<(), ControlError> {
        self.change(|records| {
            let of_key = |client: &&mut Client| client.keys.iter().any(|key| key.key_id == name);
            if let Some(client) = records.clients.iter_mut().find(of_key) {
                client.keys.retain(|key| key.key_id != name);
                return Ok(());
            }
            let client = active(records, name)?;
            client.keys.clear();
            client.revoked_at = Some(now);
            Ok(())
        })
    }

    /// Every client, revoked ones too, by name, with when each key was last used.
    ///
    /// # Errors
    /// The records cannot be read.
    pub fn list(&self) -> Result<Vec<Client>, ControlError> {
        let mut clients = load(&self.folder.join(CLIENTS_FILE))?.clients;
        let used = load_last_used(&self.folder.join(LAST_USED_FILE))?;
        for key in clients.iter_mut().flat_map(|client| &mut client.keys) {
            key.last_used_at = used.get(&key.key_id).copied();
        }
        clients.sort_by(|a, b| a.who.client_id.cmp(&b.who.client_id));
        Ok(clients)
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Records) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        Kept::in_folder(&self.folder, CLIENTS_FILE).change(change)
    }
}

fn new_key(now: Timestamp) -> Result<(IssuedKey, ClientKey), ControlError> {
    let (issued, hash) = keys::issue()?;
    let key = ClientKey {
        key_id: issued.key_id.clone(),
        hash,
        created_at: now,
        last_used_at: None,
    };
    Ok((issued, key))
}

fn active<'a>(records: &'a mut Records, name: &str) -> Result<&'a mut Client, ControlError> {
    let mut clients = records.clients.iter_mut();
    clients
        .find(|client| client.who.client_id == name && client.revoked_at.is_none())
        .ok_or(ControlError::UnknownClient)
}

fn check(new: &NewClient) -> Result<(), ControlError> {
    let name = new.name.as_bytes();
    let is_letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_slug = name.first().is_some_and(is_letter)
        && name.len() <= NAME_BYTES_MAX
        && name.iter().all(|byte| is_letter(byte) || *byte == b'-')
        && name.iter().filter(|byte| byte.is_ascii_digit()).count() <= NAME_DIGITS_MAX;
    if !is_slug || new.name == RESERVED {
        return Err(ControlError::Name);
    }
    if let Merchants::Only(names) = &new.merchants {
        if names.is_empty() {
            return Err(ControlError::NoMerchants);
        }
        if !names.iter().all(|name| is_identifier(name.as_bytes())) {
            return Err(ControlError::Merchant);
        }
        let holds_card = |name: &String| holds_card_number(name.as_bytes());
        if !new.long_number_ids_allowed && names.iter().any(holds_card) {
            return Err(ControlError::MerchantCard);
        }
    }
    let Defaults {
        currency,
        time_zone,
    } = &new.defaults;
    let is_currency = |code: &String| Currency::from_code(code.as_bytes()).is_some();
    let is_zone = |zone: &String| TimeZone::parse(zone.as_bytes()).is_some();
    if !currency.iter().all(is_currency) || !time_zone.iter().all(is_zone) {
        return Err(ControlError::Defaults);
    }
    Ok(())
}

fn sorted(merchants: Merchants) -> Merchants {
    match merchants {
        Merchants::All => Merchants::All,
        Merchants::Only(mut names) => {
            names.sort();
            names.dedup();
            Merchants::Only(names)
        }
    }
}

pub(super) fn load(path: &Path) -> Result<Records, ControlError> {
    match file::read(path)? {
        Some(bytes) => serde_json::from_slice(&bytes).map_err(damaged(path)),
        None => Ok(Records::default()),
    }
}

/// When each key was last used, by key id.
pub(super) type LastUsed = BTreeMap<String, Timestamp>;

/// A file that makes no sense is begun anew: nothing is decided by it, and no one is to be kept out
/// for it.
pub(super) fn load_last_used(path: &Path) -> Result<LastUsed, ControlError> {
    let bytes = file::read(path)?.unwrap_or_default();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}
