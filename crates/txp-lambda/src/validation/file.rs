//! One file: claimed, looked at, read as far as time allows, and ended or passed on.

use super::event::Continuation;
use super::lease::{LEASE_SECONDS, Lease, Until};
use super::{CallAgain, Validation};
use anyhow::Context;
use txp_aws::clock::SystemClock;
use txp_aws::dynamodb::uploads::{Claim, Claimed, Fence, UploadView};
use txp_aws::kinesis::producer::Producer;
use txp_aws::s3::object::{ObjectHead, StoredObject};
use txp_aws::s3::report::RejectsReport;
use txp_domain::event::{FailureReason, Merchants, UploadEvent, UploadReceived, UploadTally};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_pipeline::api::Terms;
use txp_pipeline::port::{Clock, ErrorKind, EventSink, Kept, PortError};
use txp_pipeline::stage::ingest::{
    BATCH_BYTES, Ending, IngestError, Job, Outcome, ReadingRules, Stepwise, TRIES_LOST_MAX,
    append_event, ended, refusal,
};
use txp_pipeline::stage::preview::{Preview, too_large_for_preview};
use txp_pipeline::telemetry::{Metric, count};

/// Whose an upload is that nobody announced.
pub(super) const UNANNOUNCED: &str = "unannounced";

/// What is known of a file before it is read.
struct Arrived {
    received: UploadReceived,
    is_dry_run: bool,
    /// The digest that was agreed on and is still to be looked at.
    sha256: Option<String>,
    /// The object, or why it is not read.
    object: Result<ObjectHead, FailureReason>,
}

/// A file that is to be read.
struct Readable {
    received: UploadReceived,
    rules: ReadingRules,
    sha256: Option<String>,
    head: ObjectHead,
}

impl<A: CallAgain> Validation<A> {
    /// Reads a file now, or has that done by another invocation if this one has little time left.
    pub(super) async fn read_or_pass_on(
        &mut self,
        task: &Continuation,
        at: Option<Timestamp>,
        until: Until<'_>,
    ) -> anyhow::Result<()> {
        if until.is_up() {
            return Ok(self.again.call_again(task).await?);
        }
        self.read(task, at, until).await
    }

    /// Reads a file, or goes on with it. `at` is when it was put, as far as it was told.
    pub(super) async fn read(
        &mut self,
        task: &Continuation,
        at: Option<Timestamp>,
        until: Until<'_>,
    ) -> anyhow::Result<()> {
        let upload_id = task.upload_id;
        let view = self.uploads.load(upload_id).await?;
        let is_new = view.as_ref().is_none_or(|view| view.claim.is_none());
        if is_new && self.is_later_version(task).await? {
            tracing::warn!(%upload_id, "a file that was put again is left alone");
            return Ok(());
        }
        let arrived = self.look(task, at, view).await?;
        let Some(claimed) = self.claim(task).await? else {
            return Ok(());
        };
        let fence = claimed.fence;
        if let Some(trace) = &arrived.received.trace {
            tracing::info!(%upload_id, upload_trace = %trace, "the file is being read");
        }
        let done = self.read_claimed(task, arrived, claimed, until).await;
        match done {
            Ok(None) => self.finish(upload_id, fence).await,
            Ok(Some(hop)) => {
                self.release(upload_id, fence).await?;
                let next = Continuation {
                    hop,
                    ..task.clone()
                };
                tracing::info!(%upload_id, hop, "reading goes on in another invocation");
                Ok(self.again.call_again(&next).await?)
            }
            Err(error) => {
                if let Some(IngestError::Superseded) = error.downcast_ref() {
                    tracing::warn!(%upload_id, "another invocation reads the file by now");
                    return Ok(());
                }
                // The next try need not wait for the lease to run out; if this fails too, it does.
                if let Err(second) = self.release(upload_id, fence).await {
                    tracing::warn!(%upload_id, error = %second, "the claim is not given back");
                }
                Err(error)
            }
        }
    }

    /// Whether another version of the object was put before this one.
    async fn is_later_version(&self, task: &Continuation) -> anyhow::Result<bool> {
        let first = self.files.first_version(&task.key).await?;
        Ok(first.is_some_and(|first| first != task.version))
    }

    async fn claim(&self, task: &Continuation) -> anyhow::Result<Option<Claimed>> {
        let upload_id = task.upload_id;
        // A new name for each try.
        let owner = format!("{:016x}", SystemClock.jitter());
        let now = SystemClock.now();
        let claim = self
            .uploads
            .claim(upload_id, &task.version, &owner, now, LEASE_SECONDS)
            .await?;
        match claim {
            Claim::Claimed(claimed) => return Ok(Some(claimed)),
            Claim::Held { .. } => tracing::info!(%upload_id, "another invocation reads the file"),
            Claim::Done => tracing::info!(%upload_id, "the file is read already"),
            Claim::OtherVersion => {
                tracing::warn!(%upload_id, "another version of the file is the upload");
            }
        }
        Ok(None)
    }

    /// What is to be done with a file, as far as that can be told without reading it.
    async fn look(
        &self,
        task: &Continuation,
        at: Option<Timestamp>,
        view: Option<UploadView>,
    ) -> anyhow::Result<Arrived> {
        let head = match self.files.head(&task.key, &task.version).await {
            Ok(head) => Some(head),
            Err(error) if error.kind == ErrorKind::Missing => None,
            Err(error) => return Err(error.into()),
        };
        let known = view.as_ref().and_then(|view| view.upload.received.clone());
        let terms = view.and_then(|view| view.terms);
        let terms: Option<Terms> = terms
            .map(|terms| serde_json::from_str(&terms))
            .transpose()
            .context("the terms of the upload's link cannot be read")?;
        let put_at = head.as_ref().map(|head| head.put_at);
        let put_at = put_at
            .or(known.as_ref().map(|known| known.uploaded_at))
            .or(at);
        let put_at = put_at.unwrap_or_else(|| link_given_at(task.upload_id));
        let bytes = head.as_ref().map_or(0, |head| head.bytes);
        let announced = match (&terms, known) {
            (Some(terms), _) => Some(terms.received(task.upload_id, put_at, bytes)),
            (None, known) => known,
        };
        let is_announced = announced.is_some();
        let received = announced.unwrap_or_else(|| unannounced(task.upload_id, put_at, bytes));
        let (object, sha256) = match head {
            None => (Err(refusal::object_gone()), None),
            Some(_) if !is_announced => (Err(refusal::not_announced()), None),
            Some(head) => (
                check(&head, terms.as_ref(), self.upload_bytes_max),
                unproven(&head, terms.as_ref()),
            ),
        };
        Ok(Arrived {
            received,
            is_dry_run: terms.is_some_and(|terms| terms.dry_run),
            sha256,
            object,
        })
    }

    /// Reads a file that is ours to read; gives the number of the next invocation if there must be
    /// one.
    async fn read_claimed(
        &mut self,
        task: &Continuation,
        arrived: Arrived,
        claimed: Claimed,
        until: Until<'_>,
    ) -> anyhow::Result<Option<u32>> {
        if arrived.is_dry_run {
            self.preview(task, arrived, claimed, until).await?;
            return Ok(None);
        }
        let mut sink = Producer::new(self.stream.clone(), SystemClock, self.settings);
        let received = arrived.received.clone();
        let readable = match arrived.readable() {
            Ok(readable) => readable,
            Err(reason) => {
                tracing::warn!(upload_id = %task.upload_id, code = reason.code, "the file is refused");
                append_event(&mut sink, UploadEvent::Received(received.clone())).await?;
                let failed = Ending::Failed(reason, UploadTally::default());
                append_event(&mut sink, ended(&received, failed)).await?;
                return Ok(None);
            }
        };
        say_if_given_up(task.upload_id, &claimed);
        let lease = self.lease(task, claimed.fence, until, false);
        let kept = claimed.checkpoint.map(|checkpoint| Kept {
            byte_offset: checkpoint.byte_offset,
            record: checkpoint.record,
            state: checkpoint.state,
        });
        match self
            .step(
                task,
                &readable,
                lease,
                &mut sink,
                kept.as_ref(),
                claimed.tries_lost,
            )
            .await?
        {
            Outcome::Ended(event) => {
                let outcome = match &*event {
                    UploadEvent::Failed(failed) => failed.reason.code.as_str(),
                    _ => "parsed",
                };
                tracing::info!(upload_id = %task.upload_id, outcome, "the file is read");
                Ok(None)
            }
            Outcome::Stopped { hops } => Ok(Some(hops)),
        }
    }

    /// Reads a file for what it would do, in this invocation or not at all.
    async fn preview(
        &self,
        task: &Continuation,
        arrived: Arrived,
        claimed: Claimed,
        until: Until<'_>,
    ) -> anyhow::Result<()> {
        let mut preview = Preview::new()?;
        let received = arrived.received.clone();
        let document = match arrived.readable() {
            Err(reason) => preview.refusal(&received, reason),
            Ok(readable) => {
                say_if_given_up(task.upload_id, &claimed);
                let lease = self.lease(task, claimed.fence, until, true);
                let tries_lost = claimed.tries_lost;
                let step = self.step(task, &readable, lease, &mut preview, None, tries_lost);
                match step.await {
                    Ok(Outcome::Ended(event)) if tries_lost >= TRIES_LOST_MAX => match *event {
                        UploadEvent::Failed(failed) => preview.refusal(&received, failed.reason),
                        _ => preview.document(&received),
                    },
                    Ok(Outcome::Ended(_)) => preview.document(&received),
                    Ok(Outcome::Stopped { .. }) => {
                        preview.refusal(&received, too_large_for_preview())
                    }
                    Err(IngestError::Sink(error)) if error.kind == ErrorKind::Full => {
                        preview.refusal(&received, too_large_for_preview())
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let json = serde_json::to_string(&document)?;
        self.uploads.keep_report(task.upload_id, &json).await?;
        tracing::info!(upload_id = %task.upload_id, "the file is validated only");
        Ok(())
    }

    /// One step of reading.
    async fn step<S: EventSink>(
        &self,
        task: &Continuation,
        readable: &Readable,
        mut lease: Lease<'_>,
        sink: &mut S,
        kept: Option<&Kept>,
        tries_lost: u32,
    ) -> Result<Outcome, IngestError> {
        let (bucket, head) = (self.files.clone(), readable.head.clone());
        let mut object = StoredObject::new(bucket, &task.key, &task.version, head, SystemClock);
        let mut report = RejectsReport::new(self.reports.clone(), task.upload_id);
        let step = Stepwise {
            job: Job {
                received: &readable.received,
                rules: &readable.rules,
                fingerprinter: &self.fingerprinter,
                sha256: readable.sha256.as_deref(),
                hop: task.hop,
                tries_lost,
                batch_bytes: BATCH_BYTES,
                is_preview: lease.is_dry_run,
            },
            objects: &mut object,
            sink,
            report: &mut report,
            checkpoints: &mut lease,
            clock: &SystemClock,
        };
        step.run(kept).await
    }

    fn lease<'a>(
        &'a self,
        task: &Continuation,
        fence: Fence,
        until: Until<'a>,
        is_dry_run: bool,
    ) -> Lease<'a> {
        Lease {
            uploads: &self.uploads,
            upload_id: task.upload_id,
            fence,
            clock: SystemClock,
            until,
            is_dry_run,
        }
    }

    async fn finish(&self, upload_id: UploadId, fence: Fence) -> anyhow::Result<()> {
        // A conflict: another did the same, or has taken over and will.
        let _written = self
            .uploads
            .finish(upload_id, fence, SystemClock.now())
            .await?;
        Ok(())
    }

    async fn release(&self, upload_id: UploadId, fence: Fence) -> Result<(), PortError> {
        // A conflict: it is somebody else's already.
        let _written = self
            .uploads
            .release(upload_id, fence, SystemClock.now())
            .await?;
        Ok(())
    }
}

impl Arrived {
    /// The file, if it can be read.
    fn readable(self) -> Result<Readable, FailureReason> {
        let head = self.object?;
        let rules = ReadingRules::of(&self.received);
        Ok(Readable {
            rules: rules.map_err(|fault| refusal::bad_options(&fault))?,
            received: self.received,
            sha256: self.sha256,
            head,
        })
    }
}

/// The merchant is told by the upload's failure; this is for the operator.
fn say_if_given_up(upload_id: UploadId, claimed: &Claimed) {
    if claimed.tries_lost >= TRIES_LOST_MAX {
        count(Metric::UploadsGivenUp, 1);
        tracing::error!(%upload_id, tries = claimed.tries_lost, "a file is given up: each reader died without a word");
    }
}

/// Holds an object to what was agreed on.
fn check(
    head: &ObjectHead,
    terms: Option<&Terms>,
    bytes_max: u64,
) -> Result<ObjectHead, FailureReason> {
    if head.bytes > bytes_max {
        return Err(refusal::too_large(head.bytes, bytes_max));
    }
    let Some(terms) = terms else {
        return Ok(head.clone());
    };
    if let Some(agreed) = terms.content_length.filter(|agreed| *agreed != head.bytes) {
        return Err(refusal::length_mismatch(head.bytes, agreed));
    }
    match (&terms.sha256, &head.sha256) {
        (Some(agreed), Some(found)) if !agreed.eq_ignore_ascii_case(found) => {
            Err(refusal::sha256_mismatch())
        }
        _ => Ok(head.clone()),
    }
}

/// The digest that was agreed on, if S3 does not vouch for it.
fn unproven(head: &ObjectHead, terms: Option<&Terms>) -> Option<String> {
    let agreed = terms.and_then(|terms| terms.sha256.clone());
    agreed.filter(|_| head.sha256.is_none())
}

fn unannounced(upload_id: UploadId, put_at: Timestamp, bytes: u64) -> UploadReceived {
    let terms = Terms {
        client_id: UNANNOUNCED.to_owned(),
        merchants: Merchants::Only(Vec::new()),
        long_number_ids_allowed: false,
        file_name: None,
        content_length: None,
        sha256: None,
        strict: false,
        dry_run: false,
        defaults: txp_domain::event::Defaults::default(),
        columns: std::collections::BTreeMap::new(),
        trace: None,
    };
    terms.received(upload_id, put_at, bytes)
}

/// The time that an upload's id says: the same on every try.
fn link_given_at(upload_id: UploadId) -> Timestamp {
    Timestamp::from_unix_millis(upload_id.unix_millis()).unwrap_or(Timestamp::EPOCH)
}
