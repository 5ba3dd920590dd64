//! A small store in memory, for the state of one directory or of some tables. It holds what every
//! write must keep.

use std::collections::{BTreeMap, BTreeSet};
use txp_domain::event::UploadEvent;
use txp_domain::id::UploadId;
use txp_domain::profile::Profile;
use txp_domain::transaction::Transaction;
use txp_domain::upload::{Upload, Watermarks};
use txp_pipeline::port::{Advance, ProfileKey, Written};

/// Merchant, transaction.
pub(super) type Key = (String, String);

/// What is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Store {
    pub(super) items: BTreeMap<Key, Transaction>,
    pub(super) uploads: BTreeMap<UploadId, Upload>,
    pub(super) profiles: BTreeMap<ProfileKey, Profile>,
    /// Where events stand that nobody can read.
    pub(super) quarantined: BTreeSet<u64>,
}

pub(super) fn key_of(item: &Transaction) -> Key {
    let key = &item.key;
    (key.merchant_id.to_string(), key.transaction_id.to_string())
}

impl Store {
    pub(super) fn revision(&self, key: &Key) -> u64 {
        self.items.get(key).map_or(0, |item| item.revision)
    }

    /// Puts an item; what breaks an invariant is said.
    pub(super) fn put(&mut self, item: Transaction) -> Option<String> {
        let key = key_of(&item);
        let is_older = item.revision <= self.revision(&key);
        let said = is_older.then(|| format!("the revision of {key:?} does not rise"));
        self.items.insert(key, item);
        said
    }

    pub(super) fn watermark(&self, step: &Advance) -> u64 {
        let upload = self.uploads.get(&step.upload_id);
        upload.map_or(0, |upload| watermark_of(upload, step))
    }

    /// Advances a watermark, whatever it expects.
    pub(super) fn advance(&mut self, step: &Advance, arrival_millis: i64) {
        let upload = self.upload(step.upload_id);
        if let Some(marks) = &mut upload.watermarks {
            let _is_higher: bool = marks.advance(step.bucket, step.to);
        }
        let (counts, more) = (&mut upload.counts, &step.counts);
        counts.accepted += more.accepted;
        counts.rejected += more.rejected;
        counts.duplicates += more.duplicates;
        counts.conflicts += more.conflicts;
        upload.close(arrival_millis);
    }

    pub(super) fn apply(&mut self, event: &UploadEvent, arrival_millis: i64) {
        let upload = self.upload(event.upload_id());
        upload.apply(event, arrival_millis);
        upload.close(arrival_millis);
    }

    fn upload(&mut self, id: UploadId) -> &mut Upload {
        self.uploads.entry(id).or_insert_with(|| Upload::new(id))
    }

    pub(super) fn put_profile(
        &mut self,
        key: ProfileKey,
        profile: Profile,
        expected: u64,
    ) -> Written {
        let stored = self.profiles.get(&key).map_or(0, Profile::revision);
        if stored != expected {
            return Written::Conflict;
        }
        self.profiles.insert(key, profile);
        Written::Stored
    }

    /// What is other in another store, for a state that must not have changed.
    pub(super) fn differences(&self, after: &Self) -> Vec<String> {
        let mut said = Vec::new();
        let mut differ = |key: String, before: String, after: String| {
            if before != after {
                said.push(format!(
                    "delivered again, {key} changes from {before} to {after}"
                ));
            }
        };
        for (key, item) in &after.items {
            let before = self.items.get(key);
            differ(
                format!("{key:?}"),
                format!("{before:?}"),
                format!("Some({item:?})"),
            );
        }
        for (key, upload) in &after.uploads {
            let before = self.uploads.get(key);
            differ(
                key.to_string(),
                format!("{before:?}"),
                format!("Some({upload:?})"),
            );
        }
        for (key, profile) in &after.profiles {
            let before = self.profiles.get(key);
            differ(
                format!("{key:?}"),
                format!("{before:?}"),
                format!("Some({profile:?})"),
            );
        }
        said
    }

    /// How far an upload is folded, as a producer that starts again asks.
    pub(super) fn folded(&self, id: UploadId) -> Option<&Watermarks> {
        self.uploads.get(&id)?.watermarks.as_ref()
    }
}

fn watermark_of(upload: &Upload, step: &Advance) -> u64 {
    let marks = upload.watermarks.as_ref();
    marks.map_or(u64::MAX, |marks| marks.last(step.bucket))
}
