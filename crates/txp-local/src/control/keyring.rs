//! The keys as a running serve sees them: in memory, read again when the clients' file changes.

use super::clients::{CLIENTS_FILE, Client, LAST_USED_FILE, LastUsed, load, load_last_used};
use super::kept::damaged;
use super::keys::Presented;
use super::{ControlError, file};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use txp_domain::time::Timestamp;

/// Compared with where there is no such key, so that an unknown key takes as long as a wrong one.
const NO_HASH: [u8; 32] = [0; 32];

/// Who sent a valid key.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The client.
    pub client: Arc<Client>,
    /// The key it used.
    pub key_id: Arc<str>,
}

/// Every valid key of a data directory.
#[derive(Debug)]
pub struct KeyRing {
    folder: PathBuf,
    cached: Mutex<Cached>,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Cached {
    stamp: Option<Stamp>,
    keys: HashMap<Arc<str>, (Arc<Client>, [u8; 32])>,
    clients: HashMap<Arc<str>, Arc<Client>>,
}

/// What changes when the clients' file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

#[derive(Debug, Default)]
struct Used {
    last: LastUsed,
    is_changed: bool,
}

impl KeyRing {
    /// The keys of a data directory.
    ///
    /// # Errors
    /// The records cannot be read.
    pub fn open(dir: &Path) -> Result<Self, ControlError> {
        let folder = file::folder(dir)?;
        let last = load_last_used(&folder.join(LAST_USED_FILE))?;
        let ring = Self {
            folder,
            cached: Mutex::default(),
            used: Mutex::new(Used {
                last,
                is_changed: false,
            }),
        };
        drop(ring.refreshed()?);
        Ok(ring)
    }

    /// Who sent this key; `None` if it is no valid key of anyone.
    ///
    /// # Errors
    /// The records have changed and cannot be read: then no key is valid.
    pub fn authenticate(
        &self,
        presented: &str,
        now: Timestamp,
    ) -> Result<Option<Caller>, ControlError> {
        let Some(presented) = Presented::parse(presented) else {
            return Ok(None);
        };
        let found = {
            let cached = self.refreshed()?;
            cached
                .keys
                .get_key_value(presented.key_id.as_str())
                .map(|(key_id, (client, hash))| (Arc::clone(key_id), Arc::clone(client), *hash))
        };
        let Some((key_id, client, hash)) = found else {
            let _never = presented.matches(&NO_HASH);
            return Ok(None);
        };
        if !presented.matches(&hash) {
            return Ok(None);
        }
        let mut used = lock(&self.used);
        used.last.insert(key_id.to_string(), now);
        used.is_changed = true;
        Ok(Some(Caller { client, key_id }))
    }

    /// A client that is not revoked.
    ///
    /// # Errors
    /// The records have changed and cannot be read.
    pub fn client(&self, client_id: &str) -> Result<Option<Arc<Client>>, ControlError> {
        Ok(self.refreshed()?.clients.get(client_id).cloned())
    }

    /// Writes down when keys were last used, if any was since the last time.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&self) -> Result<(), ControlError> {
        let known: Vec<Arc<str>> = self.refreshed()?.keys.keys().cloned().collect();
        let last = {
            let mut used = lock(&self.used);
            if !std::mem::take(&mut used.is_changed) {
                return Ok(());
            }
            // Keys that are gone are forgotten.
            used.last
                .retain(|key_id, _| known.iter().any(|known| **known == **key_id));
            used.last.clone()
        };
        let path = self.folder.join(LAST_USED_FILE);
        let bytes = serde_json::to_vec(&last).map_err(damaged(&path))?;
        file::replace(&path, &bytes)
    }

    fn refreshed(&self) -> Result<MutexGuard<'_, Cached>, ControlError> {
        let path = self.folder.join(CLIENTS_FILE);
        // The stamp is taken before the content: a change in between is noticed next time.
        let stamp = stamp(&path)?;
        let mut cached = lock(&self.cached);
        if cached.stamp != stamp || stamp.is_none() {
            *cached = Cached::default();
            let records = load(&path)?;
            let active = records
                .clients
                .into_iter()
                .filter(|c| c.revoked_at.is_none());
            for client in active.map(Arc::new) {
                for key in &client.keys {
                    let entry = (Arc::clone(&client), key.hash);
                    cached.keys.insert(key.key_id.as_str().into(), entry);
                }
                let client_id = client.who.client_id.as_str().into();
                cached.clients.insert(client_id, client);
            }
            cached.stamp = stamp;
        }
        Ok(cached)
    }
}

fn stamp(path: &Path) -> Result<Option<Stamp>, ControlError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Stamp {
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ControlError::io("read", path)(error)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
