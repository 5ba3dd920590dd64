//! Reading the state: for the writer itself, and beside it at the last checkpoint.

use super::order::UploadOrder;
use super::{KEYSPACES, State, TRANSACTIONS, UPLOADS, UPLOADS_NEWEST_FIRST, decode_upload, item};
use crate::runs::{Iter, Options, StateError, StoreReader};
use std::path::Path;
use txp_domain::id::UploadId;
use txp_domain::transaction::Transaction;
use txp_domain::upload::Upload;
use xxhash_rust::xxh3::xxh3_64;

/// Which uploads, and how many of them; newest first.
#[derive(Clone, Copy, Debug)]
pub struct UploadPage<'a> {
    /// Of this client only.
    pub client_id: Option<&'a str>,
    /// Older than this one.
    pub before: Option<UploadId>,
    /// At most so many.
    pub limit: usize,
}

/// A place in the order of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    hash: u64,
    key: Vec<u8>,
}

impl Place {
    /// How far it is through the order, in thousandths: hashes are spread evenly.
    #[must_use]
    pub fn per_mille(&self) -> u64 {
        ((self.hash >> 32) * 1_000) >> 32
    }
}

/// Block and page cache of a reader: it asks little.
const READER_OPTIONS: Options = Options {
    block_cache_bytes: 2 << 20,
    page_cache_bytes: 4 << 20,
    fanout: 8,
    pending_keys: 0,
};

/// The state at its last checkpoint, opened beside a living writer; a snapshot for as long as it is
/// kept.
#[derive(Debug)]
pub struct StateView {
    store: StoreReader,
}

/// Reads of one kind, whoever holds the tables.
macro_rules! reads {
    () => {
        /// The items of a transaction id, of every merchant, by merchant.
        ///
        /// # Errors
        /// The state cannot be read or is damaged.
        pub fn transactions(
            &mut self,
            transaction_id: &str,
        ) -> Result<Vec<Transaction>, StateError> {
            let mut found = Vec::new();
            let hash = xxh3_64(transaction_id.as_bytes());
            self.store.scan_prefix(TRANSACTIONS, hash, |key, value| {
                if let Some((transaction, merchant)) =
                    ids_of(key).filter(|(t, _)| *t == transaction_id)
                {
                    found.extend(item::decode(merchant, transaction, value));
                }
            })?;
            Ok(found)
        }

        /// Calls `each` with every transaction, in the order of the keyspace.
        ///
        /// # Errors
        /// The state cannot be read or is damaged.
        pub fn for_each_transaction(
            &mut self,
            mut each: impl FnMut(Transaction),
        ) -> Result<(), StateError> {
            let mut items = self.store.iter(TRANSACTIONS)?;
            while let Some(entry) = items.next()? {
                if let Some((transaction, merchant)) = ids_of(entry.key)
                    && let Some(item) = item::decode(merchant, transaction, entry.value)
                {
                    each(item);
                }
            }
            Ok(())
        }

        fn stored_upload(&mut self, id: UploadId) -> Result<Option<Upload>, StateError> {
            let value = self
                .store
                .get(UPLOADS, xxh3_64(id.as_bytes()), id.as_bytes())?;
            Ok(value.and_then(|value| decode_upload(id.as_bytes(), value)))
        }

        /// Ids of a page, read from the place on where it begins.
        fn stored_upload_ids(&mut self, page: UploadPage<'_>) -> Result<Vec<UploadId>, StateError> {
            let order = UploadOrder::of(page.client_id);
            let mut ids = Vec::new();
            let mut entries = self
                .store
                .iter_from(UPLOADS_NEWEST_FIRST, order.first_hash(page.before))?;
            while let Some(entry) = entries.next()?
                && order.covers(entry.hash)
                && ids.len() < page.limit
            {
                let id = order.upload_id(entry.key);
                ids.extend(id.filter(|id| page.before.is_none_or(|before| *id < before)));
            }
            Ok(ids)
        }

        /// Uploads, newest first. Reads no more than the page, wherever in the history it begins.
        ///
        /// # Errors
        /// The state cannot be read or is damaged.
        pub fn uploads(&mut self, page: UploadPage<'_>) -> Result<Vec<Upload>, StateError> {
            let mut ids = self.stored_upload_ids(page)?;
            ids.extend(self.unstored_upload_ids(page.client_id));
            ids.sort_unstable_by(|a, b| b.cmp(a));
            ids.dedup();
            ids.retain(|id| page.before.is_none_or(|before| *id < before));
            ids.truncate(page.limit);
            let uploads: Result<Vec<_>, _> = ids.into_iter().map(|id| self.upload(id)).collect();
            Ok(uploads?.into_iter().flatten().collect())
        }
    };
}

impl StateView {
    /// Opens the state in a directory at its last checkpoint.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or is of a newer format.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        Ok(Self {
            store: StoreReader::open(dir, &KEYSPACES, READER_OPTIONS)?,
        })
    }

    /// Every transaction of a hash below this, as it is stored, in the order of the keyspace.
    pub(crate) fn stored_transactions_before(&self, hash: u64) -> Result<Iter<'_>, StateError> {
        self.store.iter_before(TRANSACTIONS, hash)
    }

    /// The others.
    pub(crate) fn stored_transactions_from(&self, hash: u64) -> Result<Iter<'_>, StateError> {
        self.store.iter_from(TRANSACTIONS, hash)
    }

    /// Up to `limit` transactions from behind a place, in the order of the keyspace, and the place
    /// behind them; `None` at the end. What cannot be read is damage.
    ///
    /// # Errors
    /// The state cannot be read or is damaged.
    pub fn transactions_after(
        &mut self,
        place: Option<&Place>,
        limit: usize,
    ) -> Result<(Vec<Transaction>, Option<Place>), StateError> {
        let from = place.map_or(0, |place| place.hash);
        let mut entries = self.store.iter_from(TRANSACTIONS, from)?;
        let mut page = Vec::with_capacity(limit);
        let mut last = None;
        while page.len() < limit {
            let Some(entry) = entries.next()? else {
                return Ok((page, None));
            };
            let is_behind =
                place.is_none_or(|place| (entry.hash, entry.key) > (place.hash, &*place.key));
            if !is_behind {
                continue;
            }
            let decoded = ids_of(entry.key).and_then(|(transaction, merchant)| {
                item::decode(merchant, transaction, entry.value)
            });
            if let Some(item) = decoded {
                page.push(item);
            }
            last = Some((entry.hash, entry.key.to_vec()));
        }
        let place = last.map(|(hash, key)| Place { hash, key });
        Ok((page, place))
    }

    /// What was given to the checkpoint.
    #[must_use]
    pub fn meta(&self) -> Option<&[u8]> {
        self.store.meta()
    }

    /// An upload.
    ///
    /// # Errors
    /// The state cannot be read or is damaged.
    pub fn upload(&mut self, id: UploadId) -> Result<Option<Upload>, StateError> {
        self.stored_upload(id)
    }

    fn unstored_upload_ids(&self, _: Option<&str>) -> Vec<UploadId> {
        Vec::new()
    }

    reads!();
}

impl State {
    /// An upload.
    ///
    /// # Errors
    /// The state cannot be read or is damaged.
    pub fn upload(&mut self, id: UploadId) -> Result<Option<Upload>, StateError> {
        match self.open_uploads.get(&id) {
            Some(open) => Ok(Some(open.clone())),
            None => self.stored_upload(id),
        }
    }

    fn unstored_upload_ids(&self, client_id: Option<&str>) -> Vec<UploadId> {
        let of_client = |upload: &&Upload| {
            client_id.is_none_or(|id| upload.received.as_ref().is_some_and(|r| r.client_id == id))
        };
        self.open_uploads
            .values()
            .filter(of_client)
            .map(|upload| upload.id)
            .collect()
    }

    reads!();
}

/// Transaction and merchant of a key.
pub(crate) fn ids_of(key: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(key).ok()?;
    text.split_once('\0')
}
