//! A world in memory, of two clients.

use super::super::World;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use txp_aws::dynamodb::uploads::{Announcement, RememberedLink, Request, UploadPage, UploadView};
use txp_aws::s3::presign::{Bound, PutLink};
use txp_domain::event::{
    BucketRecords, Defaults, Merchants, SourceFile, UploadOptions, UploadReceived, UploadTally,
};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::transaction::Transaction;
use txp_domain::upload::{Ending, Upload, UploadState};
use txp_pipeline::api::{Client, Idempotency, hex_of_digest};
use txp_pipeline::port::{ErrorKind, PortError, Written};
use txp_pipeline::receipt::ReceiptKey;

/// A report of which only so much is looked at.
const REPORT_HEAD: &str = "amount,reject_line,reject_record,reject_codes,reject_reasons\n\
    x,3,2,amount_format,r\nx,4,3,amount_fo";

type Requests = HashMap<[u8; 32], ([u8; 32], RememberedLink)>;

pub(super) struct Memory {
    pub(super) fails: Option<ErrorKind>,
    pub(super) transactions: Vec<Transaction>,
    pub(super) receipt_key: Option<ReceiptKey>,
    now: Timestamp,
    minted: RefCell<u8>,
    requests: RefCell<Requests>,
    uploads: RefCell<BTreeMap<UploadId, UploadView>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            fails: None,
            transactions: Vec::new(),
            receipt_key: None,
            now: Timestamp::parse(b"2026-11-23T10:00:00.5Z").unwrap(),
            minted: RefCell::default(),
            requests: RefCell::default(),
            uploads: RefCell::default(),
        }
    }
}

pub(super) fn view(upload_id: UploadId, client_id: &str) -> UploadView {
    UploadView {
        client_id: Some(client_id.to_owned()),
        state: UploadState::Pending,
        upload: Upload::new(upload_id),
        terms: None,
        report: None,
        expires_at: None,
        claim: None,
        redrives: Vec::new(),
    }
}

pub(super) fn received(upload_id: UploadId, client_id: &str) -> UploadReceived {
    UploadReceived {
        upload_id,
        uploaded_at: Timestamp::EPOCH,
        trace: None,
        client_id: client_id.to_owned(),
        file: SourceFile {
            name: format!("of-{client_id}.csv"),
            bytes: Some(100),
            identity: None,
        },
        options: UploadOptions::default(),
        merchants: Merchants::All,
    }
}

/// An upload of client `a` that was read and not folded, with so many rejected rows.
pub(super) fn ended(upload_id: UploadId, rejected: u64) -> Upload {
    let tally = UploadTally {
        records: rejected,
        rejected,
        rejected_by_code: [("amount_format".to_owned(), rejected)].into(),
        last_record_by_bucket: BucketRecords([(3, rejected)].into()),
        ..UploadTally::default()
    };
    Upload {
        received: Some(received(upload_id, "a")),
        ending: Some(Ending::Parsed(tally)),
        ..Upload::new(upload_id)
    }
}

impl Memory {
    pub(super) fn insert(&self, view: UploadView) {
        self.uploads.borrow_mut().insert(view.upload.id, view);
    }

    pub(super) fn change(&self, id: UploadId, change: impl FnOnce(&mut UploadView)) {
        change(self.uploads.borrow_mut().get_mut(&id).unwrap());
    }

    pub(super) fn count(&self) -> usize {
        self.uploads.borrow().len()
    }

    pub(super) fn forget_uploads(&self) {
        self.uploads.borrow_mut().clear();
    }

    pub(super) fn pass_seconds(&mut self, seconds: i64) {
        self.now.0 += seconds * 1_000_000_000;
    }

    fn ready(&self) -> Result<(), PortError> {
        match self.fails {
            Some(kind) => Err(PortError::new(kind, "the secret table failed")),
            None => Ok(()),
        }
    }
}

impl World for Memory {
    async fn receipt_key(&self) -> Result<Option<&ReceiptKey>, PortError> {
        self.ready()?;
        Ok(self.receipt_key.as_ref())
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn mint(&self, now: Timestamp) -> Result<UploadId, PortError> {
        let mut minted = self.minted.borrow_mut();
        *minted += 1;
        let millis = u64::try_from(now.unix_millis()).unwrap();
        Ok(UploadId::new(millis, [*minted; 6]))
    }

    async fn client(&mut self, api_key_id: &str) -> Result<Option<Arc<Client>>, PortError> {
        let (client_id, merchants) = match api_key_id {
            "key-a" => ("a", ["ma", "shared"]),
            "key-b" => ("b", ["mb", "shared"]),
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Client {
            client_id: client_id.to_owned(),
            merchants: Merchants::Only(merchants.map(str::to_owned).into()),
            defaults: Defaults {
                currency: Some("EUR".to_owned()),
                time_zone: None,
            },
            long_number_ids_allowed: false,
        })))
    }

    async fn remember(
        &self,
        request: &Idempotency,
        link: RememberedLink,
        _now: Timestamp,
    ) -> Result<Request, PortError> {
        self.ready()?;
        let mut requests = self.requests.borrow_mut();
        let (body, link) = *requests.entry(request.key).or_insert((request.body, link));
        Ok(match body == request.body {
            true => Request::Link(link),
            false => Request::Other,
        })
    }

    async fn announce(&self, announcement: &Announcement) -> Result<Written, PortError> {
        self.ready()?;
        if self.uploads.borrow().contains_key(&announcement.upload_id) {
            return Ok(Written::Conflict);
        }
        let announcement = announcement.clone();
        self.insert(UploadView {
            terms: Some(announcement.terms),
            expires_at: Some(announcement.expires_at),
            ..view(announcement.upload_id, &announcement.client_id)
        });
        Ok(Written::Stored)
    }

    async fn upload(&self, upload_id: UploadId) -> Result<Option<UploadView>, PortError> {
        self.ready()?;
        Ok(self.uploads.borrow().get(&upload_id).cloned())
    }

    async fn uploads(
        &self,
        client_id: &str,
        before: Option<UploadId>,
        limit: usize,
    ) -> Result<UploadPage, PortError> {
        self.ready()?;
        let uploads = self.uploads.borrow();
        let views = uploads.values().rev().filter(|view| {
            view.client_id.as_deref() == Some(client_id)
                && before.is_none_or(|before| view.upload.id < before)
        });
        Ok(UploadPage {
            uploads: views.take(limit).cloned().collect(),
            next: None,
        })
    }

    async fn transactions(&self, transaction_id: &str) -> Result<Vec<Transaction>, PortError> {
        self.ready()?;
        let named = |item: &&Transaction| *item.key.transaction_id == *transaction_id;
        Ok(self.transactions.iter().filter(named).cloned().collect())
    }

    async fn put_link(&self, bound: &Bound) -> Result<PutLink, PortError> {
        let length = bound.content_length.unwrap_or_default();
        let digest = bound.sha256.as_ref().map(hex_of_digest);
        let digest = digest.as_deref().and_then(|digest| digest.get(..4));
        Ok(PutLink {
            url: format!(
                "memory:{}?{length}&{}",
                bound.key,
                digest.unwrap_or_default()
            ),
            headers: BTreeMap::new(),
        })
    }

    async fn report_url(&self, upload_id: UploadId) -> Result<String, PortError> {
        Ok(format!("memory:rejects/{upload_id}"))
    }

    async fn report_head(&self, _upload_id: UploadId) -> Result<Option<Vec<u8>>, PortError> {
        Ok(Some(REPORT_HEAD.as_bytes().to_vec()))
    }
}
