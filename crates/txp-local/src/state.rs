//! The state of transactions, uploads and cards' profiles, on sorted runs.
//!
//! One writer, so a conditional write never meets another's; the conditions are checked all the
//! same, since the stages rely on them. Nothing is durable before [`State::checkpoint`], which
//! publishes all of it together with how far the log is folded.

mod codec;
mod hot;
pub(crate) mod item;
mod order;
mod upload;
mod view;

pub(crate) use view::ids_of;
pub use view::{Place, StateView, UploadPage};

use crate::runs::{
    BegunCheckpoint, Keyspace, Options, Retired, StateError, Store, WrittenCheckpoint,
};
use hot::{Home, HotProfile, HotProfiles};
use order::UploadOrder;
use std::collections::BTreeMap;
use std::path::Path;
use txp_domain::event::UploadEvent;
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::profile::Profile;
use txp_domain::transaction::{FreshTransaction, Transaction};
use txp_domain::upload::Upload;
use txp_pipeline::port::{
    Advance, ErrorKind, PortError, ProfileKey, ProfileStore, TransactionStore, UploadStore, Written,
};
use xxhash_rust::xxh3::xxh3_64;

/// The keyspaces, in the order of their numbers.
pub const KEYSPACES: [&str; 4] = [
    "transactions",
    "uploads",
    "uploads_newest_first",
    "profiles",
];
const TRANSACTIONS: Keyspace = Keyspace::new(0);
const UPLOADS: Keyspace = Keyspace::new(1);
const UPLOADS_NEWEST_FIRST: Keyspace = Keyspace::new(2);
const PROFILES: Keyspace = Keyspace::new(3);

/// A transaction's place in its keyspace: all merchants of one transaction id are neighbours.
pub(crate) fn transaction_key(merchant_id: &str, transaction_id: &str, key: &mut Vec<u8>) -> u64 {
    key.extend_from_slice(transaction_id.as_bytes());
    key.push(0);
    key.extend_from_slice(merchant_id.as_bytes());
    xxh3_64(transaction_id.as_bytes())
}

fn profile_key(key: ProfileKey) -> (u64, [u8; 19]) {
    let mut bytes = [0; 19];
    let parts = key
        .fingerprint
        .0
        .iter()
        .chain(key.currency.code().as_bytes());
    bytes
        .iter_mut()
        .zip(parts)
        .for_each(|(to, from)| *to = *from);
    let (hash, _) = key
        .fingerprint
        .0
        .split_first_chunk::<8>()
        .unwrap_or((&[0; 8], &[]));
    (u64::from_le_bytes(*hash), bytes)
}

/// The state, with its one writer.
#[derive(Debug)]
pub struct State {
    store: Store,
    /// Few at a time, asked for again and again: an ordered map of few is quicker than hashing.
    open_uploads: BTreeMap<UploadId, Upload>,
    /// Uploads that came to their end, until someone asks.
    ended: Vec<Upload>,
    profiles: HotProfiles,
    keys: Vec<u8>,
    key_ends: Vec<(u64, usize)>,
    value: Vec<u8>,
}

impl State {
    /// Opens the state at its last checkpoint, or an empty one.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or is of a newer format.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        let store = Store::open(dir, &KEYSPACES, Options::default())?;
        let (profiles, keys, key_ends, value) = Default::default();
        let mut state = Self {
            store,
            open_uploads: BTreeMap::new(),
            ended: Vec::new(),
            profiles,
            keys,
            key_ends,
            value,
        };
        state.load_open_uploads()?;
        Ok(state)
    }

    /// What was given to the last checkpoint.
    #[must_use]
    pub fn meta(&self) -> Option<&[u8]> {
        self.store.meta()
    }

    /// Bytes that wait for the next checkpoint.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.store.pending_bytes()
    }

    /// The uploads of which rows are still to come.
    pub fn open_uploads(&self) -> impl Iterator<Item = &Upload> {
        self.open_uploads.values()
    }

    /// The uploads that have come to their end since this was asked before.
    pub fn take_ended(&mut self) -> Vec<Upload> {
        std::mem::take(&mut self.ended)
    }

    /// Publishes all that was folded, with `meta`, at once and durably.
    ///
    /// # Errors
    /// It cannot be written; what is pending stays so.
    pub fn checkpoint(&mut self, meta: &[u8]) -> Result<(), StateError> {
        let begun = self.begin_checkpoint(meta)?;
        self.end_checkpoint(begun.write()).map(drop)
    }

    /// Begins to publish all that was folded; until it is ended nothing more can be.
    ///
    /// # Errors
    /// Another checkpoint is on its way.
    pub fn begin_checkpoint(&mut self, meta: &[u8]) -> Result<BegunCheckpoint, StateError> {
        self.write_open_uploads()?;
        let mut from = Some(0);
        while let Some(place) = from {
            from = self.write_profiles(place)?;
        }
        self.store.begin_checkpoint(meta)
    }

    /// Goes over to what was published.
    ///
    /// # Errors
    /// It could not be; what is pending stays so.
    pub fn end_checkpoint(&mut self, written: WrittenCheckpoint) -> Result<Retired, StateError> {
        self.store.end_checkpoint(written)
    }

    /// Puts profiles in memory down for the next checkpoint, some thousand from a place on, and gives
    /// the place behind them: where others wait for the state, that is done in parts.
    ///
    /// # Errors
    /// A checkpoint is on its way.
    pub fn write_profiles(&mut self, from: usize) -> Result<Option<usize>, StateError> {
        let mut home = Profiles {
            store: &mut self.store,
            value: &mut self.value,
        };
        self.profiles.write_from(from, &mut home)
    }

    fn load_open_uploads(&mut self) -> Result<(), StateError> {
        let mut open = Vec::new();
        let mut uploads = self.store.iter(UPLOADS)?;
        while let Some(entry) = uploads.next()? {
            if let Some(upload) =
                decode_upload(entry.key, entry.value).filter(|u| u.watermarks.is_some())
            {
                open.push(upload);
            }
        }
        self.open_uploads
            .extend(open.into_iter().map(|upload| (upload.id, upload)));
        Ok(())
    }

    fn write_open_uploads(&mut self) -> Result<(), StateError> {
        for upload in self.open_uploads.values() {
            write_upload(&mut self.store, upload)?;
        }
        Ok(())
    }

    /// A profile, decoded.
    fn hot_profile(&mut self, key: ProfileKey) -> Result<&mut HotProfile, PortError> {
        let mut home = Profiles {
            store: &mut self.store,
            value: &mut self.value,
        };
        self.profiles.get(key, &mut home)
    }

    fn upload_mut(&mut self, id: UploadId) -> Result<Option<&mut Upload>, StateError> {
        if !self.open_uploads.contains_key(&id) {
            let hash = xxh3_64(id.as_bytes());
            if self.store.get(UPLOADS, hash, id.as_bytes())?.is_some() {
                // Every row of it is folded: open uploads are all in memory.
                return Ok(None);
            }
        }
        Ok(Some(
            self.open_uploads
                .entry(id)
                .or_insert_with(|| Upload::new(id)),
        ))
    }

    fn close_if_done(&mut self, id: UploadId, arrival_millis: i64) -> Result<(), StateError> {
        if self
            .open_uploads
            .get_mut(&id)
            .is_some_and(|upload| upload.close(arrival_millis))
            && let Some(upload) = self.open_uploads.remove(&id)
        {
            write_upload(&mut self.store, &upload)?;
            self.ended.push(upload);
        }
        Ok(())
    }
}

/// The keyspace of profiles.
struct Profiles<'a> {
    store: &'a mut Store,
    value: &'a mut Vec<u8>,
}

impl Home for Profiles<'_> {
    fn read(&mut self, key: ProfileKey) -> Result<Profile, PortError> {
        let (hash, bytes) = profile_key(key);
        match self.store.get(PROFILES, hash, &bytes).map_err(port_error)? {
            None => Ok(Profile::default()),
            Some(value) => Profile::decode(value).map_err(|_| damaged("profile")),
        }
    }

    fn write(&mut self, key: ProfileKey, profile: &Profile) -> Result<(), StateError> {
        let (hash, bytes) = profile_key(key);
        self.value.clear();
        profile.encode(self.value);
        self.store.put(PROFILES, hash, &bytes, self.value)
    }
}

fn write_upload(store: &mut Store, upload: &Upload) -> Result<(), StateError> {
    let value = upload::encode(upload).unwrap_or_default();
    let id = upload.id;
    store.put(UPLOADS, xxh3_64(id.as_bytes()), id.as_bytes(), &value)?;
    let of_client = upload.received.as_ref().map(|r| Some(&*r.client_id));
    for list in std::iter::once(None).chain(of_client) {
        let mut key = Vec::new();
        let hash = UploadOrder::of(list).entry(id, &mut key);
        store.put(UPLOADS_NEWEST_FIRST, hash, &key, &[])?;
    }
    Ok(())
}

fn decode_upload(key: &[u8], value: &[u8]) -> Option<Upload> {
    upload::decode(UploadId::parse(key)?, value).ok()
}

fn port_error(error: StateError) -> PortError {
    let kind = match &error {
        StateError::Corrupt { .. } => ErrorKind::Corrupt,
        _ => ErrorKind::Permanent,
    };
    PortError::caused(kind, "the state cannot be read or written", error)
}

fn damaged(what: &str) -> PortError {
    let context = format!(
        "a stored {what} is damaged; delete the directory's state/ to have it folded again from the log"
    );
    PortError::new(ErrorKind::Corrupt, context)
}

impl TransactionStore for State {
    async fn insert_new(
        &mut self,
        items: &[FreshTransaction<'_>],
        inserted: &mut Vec<bool>,
    ) -> Result<(), PortError> {
        let Self {
            store,
            keys,
            key_ends,
            value,
            ..
        } = self;
        keys.clear();
        key_ends.clear();
        for item in items {
            let hash = transaction_key(item.facts.merchant_id, item.facts.transaction_id, keys);
            key_ends.push((hash, keys.len()));
        }
        let key_at = |index: usize| {
            let start = index
                .checked_sub(1)
                .and_then(|before| key_ends.get(before))
                .map_or(0, |(_, end)| *end);
            let (hash, end) = key_ends.get(index).copied().unwrap_or_default();
            (hash, keys.get(start..end).unwrap_or_default())
        };
        inserted.clear();
        inserted.resize(items.len(), true);
        let found = |index: usize, _: &[u8]| {
            if let Some(is_new) = inserted.get_mut(index) {
                *is_new = false;
            }
        };
        store
            .get_many(TRANSACTIONS, items.len(), key_at, found)
            .map_err(port_error)?;
        for (index, item) in items
            .iter()
            .enumerate()
            .filter(|(index, _)| inserted.get(*index) == Some(&true))
        {
            let (hash, key) = key_at(index);
            value.clear();
            item::encode_fresh(item, value);
            store
                .put(TRANSACTIONS, hash, key, value)
                .map_err(port_error)?;
        }
        Ok(())
    }

    async fn load(
        &mut self,
        merchant_id: &str,
        transaction_id: &str,
    ) -> Result<Option<Transaction>, PortError> {
        self.keys.clear();
        let hash = transaction_key(merchant_id, transaction_id, &mut self.keys);
        match self
            .store
            .get(TRANSACTIONS, hash, &self.keys)
            .map_err(port_error)?
        {
            None => Ok(None),
            Some(value) => {
                let item = item::decode(merchant_id, transaction_id, value);
                item.map(Some).ok_or_else(|| damaged("transaction"))
            }
        }
    }

    async fn store(
        &mut self,
        item: &Transaction,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        let (merchant_id, transaction_id) = (&*item.key.merchant_id, &*item.key.transaction_id);
        let stored = TransactionStore::load(self, merchant_id, transaction_id).await?;
        if stored.map_or(0, |stored| stored.revision) != expected_revision {
            return Ok(Written::Conflict);
        }
        self.keys.clear();
        let hash = transaction_key(merchant_id, transaction_id, &mut self.keys);
        self.value.clear();
        item::encode(item, &mut self.value);
        self.store
            .put(TRANSACTIONS, hash, &self.keys, &self.value)
            .map_err(port_error)?;
        Ok(Written::Stored)
    }
}

impl UploadStore for State {
    async fn watermark(&mut self, upload_id: UploadId, bucket: Bucket) -> Result<u64, PortError> {
        let upload = self.upload_mut(upload_id).map_err(port_error)?;
        let marks = upload.and_then(|upload| upload.watermarks.as_ref());
        Ok(marks.map_or(u64::MAX, |marks| marks.last(bucket)))
    }

    async fn advance(&mut self, step: &Advance, arrival_millis: i64) -> Result<Written, PortError> {
        let Some(upload) = self.upload_mut(step.upload_id).map_err(port_error)? else {
            return Ok(Written::Conflict);
        };
        if !upload.advance(step.bucket, step.from, step.to, &step.counts) {
            return Ok(Written::Conflict);
        }
        self.close_if_done(step.upload_id, arrival_millis)
            .map_err(port_error)?;
        Ok(Written::Stored)
    }

    async fn apply(&mut self, event: &UploadEvent, arrival_millis: i64) -> Result<(), PortError> {
        let id = event.upload_id();
        if let Some(upload) = self.upload_mut(id).map_err(port_error)? {
            upload.apply(event, arrival_millis);
            self.close_if_done(id, arrival_millis).map_err(port_error)?;
        }
        Ok(())
    }
}

impl ProfileStore for State {
    async fn prepare(&mut self, keys: &[ProfileKey]) -> Result<(), PortError> {
        self.profiles.warm(keys);
        Ok(())
    }

    async fn load(&mut self, key: ProfileKey) -> Result<Profile, PortError> {
        Ok(self.hot_profile(key)?.profile.clone())
    }

    async fn store(
        &mut self,
        key: ProfileKey,
        profile: Profile,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        let hot = self.hot_profile(key)?;
        if hot.profile.revision() != expected_revision {
            return Ok(Written::Conflict);
        }
        hot.profile = profile;
        hot.is_dirty = true;
        Ok(Written::Stored)
    }

    /// In place: there is no other writer, and a card's profile is a kilobyte.
    async fn update(
        &mut self,
        key: ProfileKey,
        mut change: impl FnMut(&mut Profile),
    ) -> Result<(), PortError> {
        let hot = self.hot_profile(key)?;
        change(&mut hot.profile);
        hot.is_dirty = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
