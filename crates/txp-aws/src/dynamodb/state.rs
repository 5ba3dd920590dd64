//! Transactions and uploads as one store.

use super::transactions::Transactions;
use super::uploads::Uploads;
use txp_domain::event::UploadEvent;
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::transaction::{FreshTransaction, Transaction};
use txp_pipeline::port::{Advance, PortError, TransactionStore, UploadStore, Written};

/// What the aggregator folds into.
#[derive(Clone, Debug)]
pub struct State {
    /// Transactions.
    pub transactions: Transactions,
    /// Uploads.
    pub uploads: Uploads,
}

impl TransactionStore for State {
    async fn insert_new(
        &mut self,
        items: &[FreshTransaction<'_>],
        inserted: &mut Vec<bool>,
    ) -> Result<(), PortError> {
        self.transactions.insert_new(items, inserted).await
    }

    async fn prepare(&mut self, keys: &[(&str, &str)]) -> Result<(), PortError> {
        self.transactions.prepare(keys).await
    }

    async fn load(
        &mut self,
        merchant_id: &str,
        transaction_id: &str,
    ) -> Result<Option<Transaction>, PortError> {
        self.transactions.load(merchant_id, transaction_id).await
    }

    async fn store(
        &mut self,
        item: &Transaction,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        self.transactions.store(item, expected_revision).await
    }
}

impl UploadStore for State {
    async fn watermark(&mut self, upload_id: UploadId, bucket: Bucket) -> Result<u64, PortError> {
        self.uploads.watermark(upload_id, bucket).await
    }

    async fn advance(&mut self, step: &Advance, arrival_millis: i64) -> Result<Written, PortError> {
        self.uploads.advance(step, arrival_millis).await
    }

    async fn advance_all(
        &mut self,
        steps: &[Advance],
        arrival_millis: i64,
    ) -> Result<Written, PortError> {
        self.uploads.advance_all(steps, arrival_millis).await
    }

    async fn apply(&mut self, event: &UploadEvent, arrival_millis: i64) -> Result<(), PortError> {
        self.uploads.apply(event, arrival_millis).await
    }
}
