//! State that lives in memory and dies with it: for a preview of what a file would do.
//!
//! Deliberately absent: any bound. Who fills it counts what goes in.

use crate::port::{
    Advance, PortError, ProfileKey, ProfileStore, TransactionStore, UploadStore, Written,
};
use std::collections::HashMap;
use txp_domain::event::UploadEvent;
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::profile::Profile;
use txp_domain::transaction::{FreshTransaction, Transaction};
use txp_domain::upload::Upload;

/// Transactions and uploads.
#[derive(Debug, Default)]
pub struct MemoryState {
    /// By `{merchant_id}/{transaction_id}`; neither has a slash.
    items: HashMap<Box<str>, Transaction>,
    uploads: HashMap<UploadId, Upload>,
}

impl MemoryState {
    /// An upload, if anything is known of it.
    #[must_use]
    pub fn upload(&self, id: UploadId) -> Option<&Upload> {
        self.uploads.get(&id)
    }

    fn upload_mut(&mut self, id: UploadId) -> &mut Upload {
        self.uploads.entry(id).or_insert_with(|| Upload::new(id))
    }
}

fn key(merchant_id: &str, transaction_id: &str) -> Box<str> {
    format!("{merchant_id}/{transaction_id}").into_boxed_str()
}

impl TransactionStore for MemoryState {
    async fn insert_new(
        &mut self,
        items: &[FreshTransaction<'_>],
        inserted: &mut Vec<bool>,
    ) -> Result<(), PortError> {
        inserted.clear();
        for fresh in items {
            let key = key(fresh.facts.merchant_id, fresh.facts.transaction_id);
            let is_new = !self.items.contains_key(&key);
            if is_new {
                self.items.insert(key, fresh.to_transaction());
            }
            inserted.push(is_new);
        }
        Ok(())
    }

    async fn load(
        &mut self,
        merchant_id: &str,
        transaction_id: &str,
    ) -> Result<Option<Transaction>, PortError> {
        Ok(self.items.get(&key(merchant_id, transaction_id)).cloned())
    }

    async fn store(
        &mut self,
        item: &Transaction,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        let key = key(&item.key.merchant_id, &item.key.transaction_id);
        if self.items.get(&key).map_or(0, |item| item.revision) != expected_revision {
            return Ok(Written::Conflict);
        }
        self.items.insert(key, item.clone());
        Ok(Written::Stored)
    }
}

impl UploadStore for MemoryState {
    async fn watermark(&mut self, upload_id: UploadId, bucket: Bucket) -> Result<u64, PortError> {
        let marks = self.upload_mut(upload_id).watermarks.as_ref();
        Ok(marks.map_or(u64::MAX, |marks| marks.last(bucket)))
    }

    async fn advance(&mut self, step: &Advance, arrival_millis: i64) -> Result<Written, PortError> {
        let upload = self.upload_mut(step.upload_id);
        if !upload.advance(step.bucket, step.from, step.to, &step.counts) {
            return Ok(Written::Conflict);
        }
        upload.close(arrival_millis);
        Ok(Written::Stored)
    }

    async fn apply(&mut self, event: &UploadEvent, arrival_millis: i64) -> Result<(), PortError> {
        let upload = self.upload_mut(event.upload_id());
        upload.apply(event, arrival_millis);
        upload.close(arrival_millis);
        Ok(())
    }
}

/// Profiles of cards.
#[derive(Debug, Default)]
pub struct MemoryProfiles(HashMap<ProfileKey, Profile>);

impl ProfileStore for MemoryProfiles {
    async fn load(&mut self, key: ProfileKey) -> Result<Profile, PortError> {
        Ok(self.0.get(&key).cloned().unwrap_or_default())
    }

    async fn store(
        &mut self,
        key: ProfileKey,
        profile: Profile,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        if self.0.get(&key).map_or(0, Profile::revision) != expected_revision {
            return Ok(Written::Conflict);
        }
        self.0.insert(key, profile);
        Ok(Written::Stored)
    }
}
