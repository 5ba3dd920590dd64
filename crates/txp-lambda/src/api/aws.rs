//! The handlers' world on AWS.

use super::world::World;
use crate::environment::{REPORTS_BUCKET, UPLOADS_BUCKET};
use std::sync::Arc;
use txp_aws::clock::SystemClock;
use txp_aws::config;
use txp_aws::dynamodb::clients::Clients;
use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::uploads::{
    Announcement, RememberedLink, Request, UploadPage, UploadView, Uploads,
};
use txp_aws::dynamodb::{Connection, tables};
use txp_aws::random::mint_upload_id;
use txp_aws::s3::presign::{Bound, Presigner, PutLink};
use txp_aws::s3::{Bucket, key};
use txp_aws::secrets::{RECEIPT_KEY_SECRET, SecretKey};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::transaction::Transaction;
use txp_pipeline::api::{Client, Idempotency};
use txp_pipeline::port::{Clock, PortError, Written};
use txp_pipeline::receipt::ReceiptKey;

/// What is looked at of a report for its first rows, at some hundreds of bytes each.
const REPORT_HEAD_BYTES: u64 = 64 * 1024;

/// Tables and buckets.
#[derive(Debug)]
pub struct Aws {
    /// Who may ask.
    pub clients: Clients,
    /// Uploads.
    pub uploads: Uploads,
    /// Transactions.
    pub transactions: Transactions,
    /// Links to send files.
    pub files: Presigner,
    /// Links to reports.
    pub report_links: Presigner,
    /// Reports.
    pub reports: Bucket,
    /// Signs receipts. A deployment of before has no such secret: its receipts are not signed.
    pub receipt_key: Option<SecretKey<ReceiptKey>>,
}

impl Aws {
    /// As the environment says.
    ///
    /// # Errors
    /// A variable is missing.
    pub async fn start() -> anyhow::Result<Self> {
        let names = Names {
            clients: config::name(tables::CLIENTS.variable)?,
            uploads: config::name(tables::UPLOADS.variable)?,
            transactions: config::name(tables::TRANSACTIONS.variable)?,
            files: config::name(UPLOADS_BUCKET)?,
            reports: config::name(REPORTS_BUCKET)?,
        };
        let config = config::load().await;
        let connection = Connection::new(aws_sdk_dynamodb::Client::new(&config));
        let mut aws = Self::new(connection, &config::s3_client(&config), names);
        aws.receipt_key = config::name(RECEIPT_KEY_SECRET).ok().map(|secret| {
            SecretKey::of_receipts(aws_sdk_secretsmanager::Client::new(&config), secret)
        });
        Ok(aws)
    }

    /// Over clients of the services.
    #[must_use]
    pub fn new(connection: Connection, s3: &aws_sdk_s3::Client, names: Names) -> Self {
        let reports = Bucket::new(s3.clone(), names.reports);
        Self {
            clients: Clients::new(connection.clone(), names.clients),
            uploads: Uploads::new(connection.clone(), names.uploads),
            transactions: Transactions::new(connection, names.transactions),
            files: Presigner::new(&Bucket::new(s3.clone(), names.files)),
            report_links: Presigner::new(&reports),
            reports,
            receipt_key: None,
        }
    }
}

/// What the deployment called things.
#[derive(Clone, Debug)]
pub struct Names {
    /// The table of clients.
    pub clients: String,
    /// The table of uploads.
    pub uploads: String,
    /// The table of transactions.
    pub transactions: String,
    /// The bucket that files are sent to.
    pub files: String,
    /// The bucket of reports.
    pub reports: String,
}

impl World for Aws {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn receipt_key(&self) -> Result<Option<&ReceiptKey>, PortError> {
        match &self.receipt_key {
            Some(key) => key.get().await.map(Some),
            None => Ok(None),
        }
    }

    fn mint(&self, now: Timestamp) -> Result<UploadId, PortError> {
        mint_upload_id(now)
    }

    async fn client(&mut self, api_key_id: &str) -> Result<Option<Arc<Client>>, PortError> {
        let now = self.now();
        self.clients.of_key(api_key_id, now).await
    }

    async fn remember(
        &self,
        request: &Idempotency,
        link: RememberedLink,
        now: Timestamp,
    ) -> Result<Request, PortError> {
        self.uploads.remember_request(request, link, now).await
    }

    async fn announce(&self, announcement: &Announcement) -> Result<Written, PortError> {
        self.uploads.announce(announcement).await
    }

    async fn upload(&self, upload_id: UploadId) -> Result<Option<UploadView>, PortError> {
        self.uploads.load(upload_id).await
    }

    async fn uploads(
        &self,
        client_id: &str,
        before: Option<UploadId>,
        limit: usize,
    ) -> Result<UploadPage, PortError> {
        self.uploads.list(client_id, before, limit).await
    }

    async fn transactions(&self, transaction_id: &str) -> Result<Vec<Transaction>, PortError> {
        self.transactions.of_id(transaction_id).await
    }

    async fn put_link(&self, bound: &Bound) -> Result<PutLink, PortError> {
        self.files.put(bound).await
    }

    async fn report_url(&self, upload_id: UploadId) -> Result<String, PortError> {
        let file_name = format!("{upload_id}.rejects.csv");
        let key = key::of_rejects(upload_id);
        self.report_links.get(&key, &file_name, self.now()).await
    }

    async fn report_head(&self, upload_id: UploadId) -> Result<Option<Vec<u8>>, PortError> {
        let key = key::of_rejects(upload_id);
        self.reports.head_of(&key, REPORT_HEAD_BYTES).await
    }
}
