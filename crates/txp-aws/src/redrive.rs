//! Rows that were rejected by mistake, read again by the functions: an operator puts the same file once
//! more, as an upload that names the first one and the rows that are to be taken.
//!
//! The report of rejected rows says which they were, and the first upload's item which uploads took
//! some of them before. The terms of the new upload and then its name on that item are written before
//! its file is put: of two who redrive at once one is refused, and who is cut short finds what was
//! begun, and goes on with it.
//!
//! Deliberately absent: the file as it came. Raw uploads are read by validation alone; whoever
//! redrives has the file.

use crate::config;
use crate::deployment::Names;
use crate::dynamodb::Connection;
use crate::dynamodb::uploads::{Announcement, UploadView, Uploads};
use crate::error::port_error;
use crate::s3::notification::NO_VERSION;
use crate::s3::object::StoredObject;
use crate::s3::{Bucket, key};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use txp_domain::event::{REDRIVE_RECORDS_MAX, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::upload::UploadState;
use txp_pipeline::api::{Terms, digest_of_hex, link_expiry};
use txp_pipeline::port::{
    Clock, ErrorKind, ObjectSource as _, ObjectStore as _, PortError, Written,
};
use txp_pipeline::redrive::{Rejected, RowsError};
use txp_pipeline::rejects::{DamagedReport, read_rejects};

/// The most rows of a redrive here: an item of DynamoDB takes 400 KB, and names each stretch of them
/// twice, in 20 bytes or so.
pub const ROWS_MAX: usize = 5_000;
const _: () = assert!(ROWS_MAX <= REDRIVE_RECORDS_MAX);

const CONTENT_TYPE: &str = "text/csv";

/// The bytes of a report that are handed on at a time.
const COPY_BYTES: usize = 64 << 10;

/// Why rows of a deployment cannot be read again.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// A table or a bucket failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Rows cannot be read again.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// There is no such upload.
    #[error("there is no upload {0} in this deployment")]
    Unknown(UploadId),
    /// The report is there no more.
    #[error(
        "the report of the rejected rows of upload {0} is there no more: send the mended rows as a new file"
    )]
    NoReport(UploadId),
    /// The report cannot be read.
    #[error(transparent)]
    Report(#[from] DamagedReport),
    /// The report cannot be put down here.
    #[error("a report cannot be written to a temporary file")]
    Scratch(#[from] io::Error),
    /// What was agreed on cannot be read or written.
    #[error("the terms of upload {0} are no JSON of ours")]
    Terms(UploadId),
    /// Another redrive began meanwhile.
    #[error("another redrive of upload {0} began meanwhile: run it again")]
    Conflict(UploadId),
}

/// What redrives in a deployment.
#[derive(Debug)]
pub struct Redrives<C> {
    uploads: Uploads,
    files: Bucket,
    reports: Bucket,
    clock: C,
}

impl<C: Clock + Clone> Redrives<C> {
    /// In the deployment with these names; region and credentials as for every AWS tool.
    pub async fn open(names: &Names, clock: C) -> Self {
        let config = config::load().await;
        let s3 = config::s3_client(&config);
        let dynamodb = Connection::new(config::dynamodb_client(&config));
        let uploads = Uploads::new(dynamodb, &*names.uploads_table);
        let [files, reports] = [&names.uploads_bucket, &names.reports_bucket]
            .map(|name| Bucket::new(s3.clone(), &**name));
        Self::new(uploads, files, reports, clock)
    }

    /// With this table, the bucket that files come to, and that of the reports.
    #[must_use]
    pub fn new(uploads: Uploads, files: Bucket, reports: Bucket, clock: C) -> Self {
        Self {
            uploads,
            files,
            reports,
            clock,
        }
    }

    /// What is known of an upload's rejected rows.
    ///
    /// # Errors
    /// There is no such upload, it is not at its end, or what is known of it cannot be read.
    pub async fn rejected(
        &self,
        upload_id: UploadId,
        codes: &[String],
    ) -> Result<Rejected, RedriveError> {
        let view = self.uploads.load(upload_id).await?;
        let view = view.ok_or(RedriveError::Unknown(upload_id))?;
        let mut found = Rejected::of(view.upload)?;
        if found.tallied() > 0 {
            let report = self.report(upload_id).await?;
            read_rejects(report, |record, named| found.take(record, named, codes))?;
        }
        for redrive in view.redrives {
            take_redrive(&mut found, redrive, &self.upload(redrive).await?)?;
        }
        Ok(found)
    }

    /// The report of an upload, whole in a temporary file.
    async fn report(&self, upload_id: UploadId) -> Result<File, RedriveError> {
        let key = key::of_rejects(upload_id);
        let head = match self.reports.head(&key, NO_VERSION).await {
            Ok(head) => head,
            Err(error) if error.kind == ErrorKind::Missing => {
                return Err(RedriveError::NoReport(upload_id));
            }
            Err(error) => return Err(error.into()),
        };
        let (bucket, clock) = (self.reports.clone(), self.clock.clone());
        let mut object = StoredObject::new(bucket, &key, NO_VERSION, head, clock);
        let mut source = object.open(0).await?;
        let mut file = tempfile::tempfile()?;
        let mut chunk = vec![0; COPY_BYTES];
        loop {
            source.more().await?;
            let count = source.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            file.write_all(chunk.get(..count).unwrap_or_default())?;
        }
        file.rewind()?;
        Ok(file)
    }

    /// Takes down that rows are to be read again, as `received` says, beside the redrives that are known.
    ///
    /// # Errors
    /// Another began meanwhile, or the table cannot be written.
    pub async fn begin(
        &self,
        rejected: &Rejected,
        received: &UploadReceived,
    ) -> Result<(), RedriveError> {
        let (first, new) = (rejected.upload.id, received.upload_id);
        let terms = Terms::of_redrive(received, rejected.sha256()?);
        let terms = terms.and_then(|terms| serde_json::to_string(&terms).ok());
        let terms = terms.ok_or(RedriveError::Terms(new))?;
        let announcement = Announcement {
            upload_id: new,
            client_id: received.client_id.clone(),
            expires_at: link_expiry(self.clock.now()),
            terms,
        };
        // A link that is on no item is never used, and expires. A write that conflicts may be our own,
        // sent again by the SDK because its first answer was lost.
        if self.uploads.announce(&announcement).await? == Written::Conflict {
            let known = self.uploads.load(new).await?.and_then(|view| view.terms);
            if known.as_ref() != Some(&announcement.terms) {
                return Err(RedriveError::Conflict(first));
            }
        }
        let linked = self.uploads.redrive(first, &rejected.redrives, new).await?;
        if linked == Written::Conflict && !self.upload(first).await?.redrives.contains(&new) {
            return Err(RedriveError::Conflict(first));
        }
        Ok(())
    }

    /// Puts the file of an upload that was begun, if it is not there yet. S3 holds it to `sha256`.
    ///
    /// # Errors
    /// It cannot be put.
    pub async fn put(
        &self,
        received: &UploadReceived,
        sha256: &str,
        file: &Path,
    ) -> Result<(), RedriveError> {
        let key = key::of_upload(&received.client_id, received.upload_id);
        let context = || format!("putting s3://{}/{key} failed", self.files.name());
        let body = ByteStream::from_path(file).await.map_err(|error| {
            PortError::caused(ErrorKind::Permanent, context(), io::Error::other(error))
        })?;
        let digest = digest_of_hex(sha256).map(|digest| STANDARD.encode(digest));
        let put = self
            .files
            .client()
            .put_object()
            .bucket(self.files.name())
            .key(&key)
            .content_type(CONTENT_TYPE)
            .if_none_match("*")
            .set_checksum_sha256(digest)
            .body(body)
            .customize()
            // It takes as long as a file of gigabytes takes.
            .config_override(aws_sdk_s3::Config::builder().timeout_config(config::unhurried()));
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(()),
            Err(error) => Err(port_error(context(), error).into()),
        }
    }

    /// An upload as it stands.
    ///
    /// # Errors
    /// There is no such upload, or the table cannot be read.
    pub async fn upload(&self, upload_id: UploadId) -> Result<UploadView, RedriveError> {
        let view = self.uploads.load(upload_id).await?;
        view.ok_or(RedriveError::Unknown(upload_id))
    }
}

/// Takes down what an earlier redrive took. One that failed has taken some at most: they are tried
/// again, and those that it took are duplicates then.
fn take_redrive(
    rejected: &mut Rejected,
    id: UploadId,
    view: &UploadView,
) -> Result<(), RedriveError> {
    let terms = view.terms.as_deref();
    let terms = terms.and_then(|terms| serde_json::from_str::<Terms>(terms).ok());
    let terms = terms.ok_or(RedriveError::Terms(id))?;
    let bytes = terms.content_length.unwrap_or(0);
    let received = terms.received(id, Timestamp::EPOCH, bytes);
    let rows = received.options.redrive.clone();
    let rows = rows.ok_or(RedriveError::Terms(id))?;
    rejected.redrives.push(id);
    match view.state {
        UploadState::Failed => return Ok(()),
        UploadState::Completed => {}
        UploadState::Pending
        | UploadState::Expired
        | UploadState::Processing
        | UploadState::Parsed => rejected.unfinished = Some(received),
    }
    rejected.redriven.push(rows.records);
    Ok(())
}
