//! What the handlers ask of the world: the tables, the buckets, the time. [`super::aws`] answers.

use std::sync::Arc;
use txp_aws::dynamodb::uploads::{Announcement, RememberedLink, Request, UploadPage, UploadView};
use txp_aws::s3::presign::{Bound, PutLink};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::transaction::Transaction;
use txp_pipeline::api::{Client, Idempotency};
use txp_pipeline::port::{PortError, Written};
use txp_pipeline::receipt::ReceiptKey;

/// Everything that is not in a request.
pub trait World {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Signs receipts; without it they are not signed.
    fn receipt_key(&self) -> impl Future<Output = Result<Option<&ReceiptKey>, PortError>>;

    /// A new upload's id.
    fn mint(&self, now: Timestamp) -> Result<UploadId, PortError>;

    /// The client of one of the gateway's API keys; `None` if there is none, or it is revoked.
    fn client(
        &mut self,
        api_key_id: &str,
    ) -> impl Future<Output = Result<Option<Arc<Client>>, PortError>>;

    /// With which link a request is answered that has an Idempotency-Key.
    fn remember(
        &self,
        request: &Idempotency,
        link: RememberedLink,
        now: Timestamp,
    ) -> impl Future<Output = Result<Request, PortError>>;

    /// Takes down an upload that is to come; a conflict if it is known already.
    fn announce(
        &self,
        announcement: &Announcement,
    ) -> impl Future<Output = Result<Written, PortError>>;

    /// An upload.
    fn upload(
        &self,
        upload_id: UploadId,
    ) -> impl Future<Output = Result<Option<UploadView>, PortError>>;

    /// A client's uploads, newest first.
    fn uploads(
        &self,
        client_id: &str,
        before: Option<UploadId>,
        limit: usize,
    ) -> impl Future<Output = Result<UploadPage, PortError>>;

    /// The transactions of an id, of every merchant.
    fn transactions(
        &self,
        transaction_id: &str,
    ) -> impl Future<Output = Result<Vec<Transaction>, PortError>>;

    /// Signs a link to send a file.
    fn put_link(&self, bound: &Bound) -> impl Future<Output = Result<PutLink, PortError>>;

    /// Signs a link to an upload's rejects report.
    fn report_url(&self, upload_id: UploadId) -> impl Future<Output = Result<String, PortError>>;

    /// The first bytes of an upload's rejects report, as many as are looked at; `None` if there is
    /// no report.
    fn report_head(
        &self,
        upload_id: UploadId,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, PortError>>;
}
