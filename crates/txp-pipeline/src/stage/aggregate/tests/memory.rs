//! A store in memory that fails at one call, before or after it had its effect.

use crate::port::{Advance, ErrorKind, PortError, TransactionStore, UploadStore, Written};
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use txp_domain::event::UploadEvent;
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::transaction::{FreshTransaction, Transaction};
use txp_domain::upload::Upload;

/// The result of a future that never waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    Before,
    After,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) items: BTreeMap<(String, String), Transaction>,
    pub(super) uploads: BTreeMap<UploadId, Upload>,
    /// How many stores are told that another was there first.
    pub(super) conflicts: u32,
    pub(super) loads: u32,
    calls: u32,
    fault: Option<(u32, Fault)>,
    /// The transaction whose item cannot be read.
    pub(super) damaged_item: Option<&'static str>,
    /// The upload whose progress cannot be read.
    pub(super) damaged_upload: Option<UploadId>,
}

impl Memory {
    pub(super) fn failing(call: u32, fault: Fault) -> Self {
        Self {
            fault: Some((call, fault)),
            ..Self::default()
        }
    }

    /// One whose every store meets another's.
    pub(super) fn contended() -> Self {
        Self {
            conflicts: u32::MAX,
            ..Self::default()
        }
    }

    /// Counts a call; an error if it is the one that fails at this point of it.
    fn fails(&mut self, point: Fault) -> Result<(), PortError> {
        let fails = self.fault == Some((self.calls, point));
        self.calls += u32::from(point == Fault::After || fails);
        if fails {
            return Err(PortError::new(ErrorKind::Transient, "lost"));
        }
        Ok(())
    }

    fn upload(&mut self, id: UploadId) -> &mut Upload {
        self.uploads.entry(id).or_insert_with(|| Upload::new(id))
    }
}

fn damage() -> PortError {
    PortError::new(ErrorKind::Corrupt, "an item is damaged")
}

impl TransactionStore for Memory {
    async fn insert_new(
        &mut self,
        items: &[FreshTransaction<'_>],
        inserted: &mut Vec<bool>,
    ) -> Result<(), PortError> {
        self.fails(Fault::Before)?;
        inserted.clear();
        for fresh in items {
            let item = fresh.to_transaction();
            let key = (
                item.key.merchant_id.to_string(),
                item.key.transaction_id.to_string(),
            );
            inserted.push(!self.items.contains_key(&key));
            self.items.entry(key).or_insert(item);
            // A lost answer, with some of the items stored.
            self.fails(Fault::After)?;
        }
        Ok(())
    }

    async fn load(
        &mut self,
        merchant_id: &str,
        transaction_id: &str,
    ) -> Result<Option<Transaction>, PortError> {
        self.fails(Fault::Before)?;
        if self.damaged_item == Some(transaction_id) {
            return Err(damage());
        }
        self.loads += 1;
        self.fails(Fault::After)?;
        let key = (merchant_id.to_owned(), transaction_id.to_owned());
        Ok(self.items.get(&key).cloned())
    }

    async fn store(
        &mut self,
        item: &Transaction,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        self.fails(Fault::Before)?;
        let key = (
            item.key.merchant_id.to_string(),
            item.key.transaction_id.to_string(),
        );
        let revision = self.items.get(&key).map_or(0, |item| item.revision);
        if self.conflicts > 0 || revision != expected_revision {
            self.conflicts = self.conflicts.saturating_sub(1);
            return Ok(Written::Conflict);
        }
        self.items.insert(key, item.clone());
        self.fails(Fault::After)?;
        Ok(Written::Stored)
    }
}

impl UploadStore for Memory {
    async fn watermark(&mut self, upload_id: UploadId, bucket: Bucket) -> Result<u64, PortError> {
        self.fails(Fault::Before)?;
        if self.damaged_upload == Some(upload_id) {
            return Err(damage());
        }
        let marks = self.upload(upload_id).watermarks.as_ref();
        let mark = marks.map_or(u64::MAX, |marks| marks.last(bucket));
        self.fails(Fault::After)?;
        Ok(mark)
    }

    async fn advance(&mut self, step: &Advance, arrival_millis: i64) -> Result<Written, PortError> {
        self.fails(Fault::Before)?;
        if self.damaged_upload == Some(step.upload_id) {
            return Err(damage());
        }
        let upload = self.upload(step.upload_id);
        let Some(marks) = upload.watermarks.as_mut() else {
            return Ok(Written::Conflict);
        };
        if marks.last(step.bucket) != step.from || !marks.advance(step.bucket, step.to) {
            return Ok(Written::Conflict);
        }
        upload.counts.accepted += step.counts.accepted;
        upload.counts.rejected += step.counts.rejected;
        upload.counts.duplicates += step.counts.duplicates;
        upload.counts.conflicts += step.counts.conflicts;
        upload.close(arrival_millis);
        self.fails(Fault::After)?;
        Ok(Written::Stored)
    }

    async fn apply(&mut self, event: &UploadEvent, arrival_millis: i64) -> Result<(), PortError> {
        self.fails(Fault::Before)?;
        if self.damaged_upload == Some(event.upload_id()) {
            return Err(damage());
        }
        let upload = self.upload(event.upload_id());
        upload.apply(event, arrival_millis);
        upload.close(arrival_millis);
        self.fails(Fault::After)
    }
}
