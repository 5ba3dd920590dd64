//! One file: claimed, looked at, read as far as time allows, and ended or passed on.

use super::arrived::{Arrived, Readable};
use super::event::Continuation;
use super::lease::{LEASE_SECONDS, Lease, Until};
use super::{CallAgain, Validation};
use anyhow::Context as _;
use txp_aws::dynamodb::uploads::{Checkpoint, Claim, Claimed, Fence, UploadView};
use txp_aws::kinesis::producer::Producer;
use txp_aws::s3::object::StoredObject;
use txp_aws::s3::report::RejectsReport;
use txp_domain::event::UploadEvent;
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{Clock, ErrorKind, EventSink, Kept, PortError};
use txp_pipeline::stage::ingest::{
    BATCH_BYTES, Ending, IngestError, Job, Outcome, Stepwise, Tries, append_event, ended,
    is_for_good, tally_so_far,
};
use txp_pipeline::stage::preview::{Preview, too_large_for_preview};
use txp_pipeline::telemetry::{Metric, count};

impl<A: CallAgain, C: Clock + Clone + 'static> Validation<A, C> {
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
        // Before the claim: that there is no key is no fault of the file, and no failed try at it.
        let key = self.fingerprint_key.get().await;
        key.context("the function has no fingerprint key")?;
        let Some(claimed) = self.claim(task).await? else {
            return Ok(());
        };
        let fence = claimed.fence;
        let done = self
            .read_claimed(task, at, view.as_ref(), &claimed, until)
            .await;
        match done {
            Ok(None) => self.finish(upload_id, fence).await,
            Ok(Some(hop)) => {
                self.release(upload_id, fence, 0).await?;
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
                let failed = self.tries_failed(upload_id, &claimed, &error).await;
                // The next try need not wait for the lease to run out; if this fails too, it does.
                if let Err(second) = self.release(upload_id, fence, failed).await {
                    tracing::warn!(%upload_id, error = %second, "the claim is not given back");
                }
                Err(error)
            }
        }
    }

    /// How many tries in a row have failed for good by now, this one included.
    async fn tries_failed(
        &self,
        upload_id: UploadId,
        claimed: &Claimed,
        error: &anyhow::Error,
    ) -> u32 {
        let place = |checkpoint: &Checkpoint| (checkpoint.record, checkpoint.byte_offset);
        let before = claimed.checkpoint.as_ref().map(place);
        let now = self.uploads.claim_of(upload_id).await.ok().flatten();
        let now = now.and_then(|claim| claim.checkpoint.as_ref().map(place));
        // One that got on failed elsewhere than those before it.
        let so_far = if now > before {
            0
        } else {
            claimed.tries_failed
        };
        so_far.saturating_add(u32::from(failed_for_good(error)))
    }

    /// Whether another version of the object was put before this one.
    async fn is_later_version(&self, task: &Continuation) -> anyhow::Result<bool> {
        let first = self.files.first_version(&task.key).await?;
        Ok(first.is_some_and(|first| first != task.version))
    }

    async fn claim(&self, task: &Continuation) -> anyhow::Result<Option<Claimed>> {
        let upload_id = task.upload_id;
        // A new name for each try.
        let owner = format!("{:016x}", self.clock.jitter());
        let now = self.clock.now();
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
        view: Option<&UploadView>,
    ) -> anyhow::Result<Arrived> {
        let head = match self.files.head(&task.key, &task.version).await {
            Ok(head) => Some(head),
            Err(error) if error.kind == ErrorKind::Missing => None,
            Err(error) => return Err(error.into()),
        };
        Arrived::with(task, at, view, head, self.upload_bytes_max)
    }

    /// Reads a file that is ours to read; gives the number of the next invocation if there must be
    /// one.
    async fn read_claimed(
        &mut self,
        task: &Continuation,
        at: Option<Timestamp>,
        view: Option<&UploadView>,
        claimed: &Claimed,
        until: Until<'_>,
    ) -> anyhow::Result<Option<u32>> {
        let tries = tries_of(claimed);
        say_if_given_up(task.upload_id, tries);
        let arrived = match (self.look(task, at, view).await, tries.give_up()) {
            (Err(error), Some(reason)) if failed_for_good(&error) => {
                Arrived::unseen(task, at, view, reason)
            }
            (arrived, _) => arrived?,
        };
        if let Some(trace) = &arrived.received.trace {
            tracing::info!(upload_id = %task.upload_id, upload_trace = %trace, "the file is being read");
        }
        if arrived.is_dry_run {
            self.preview(task, arrived, claimed, until).await?;
            return Ok(None);
        }
        let kept = claimed.checkpoint.as_ref().map(|checkpoint| Kept {
            byte_offset: checkpoint.byte_offset,
            record: checkpoint.record,
            state: checkpoint.state.clone(),
        });
        let mut sink = Producer::new(self.stream.clone(), self.clock.clone(), self.settings);
        let received = arrived.received.clone();
        let readable = match arrived.readable() {
            Ok(readable) => readable,
            Err(reason) => {
                tracing::warn!(upload_id = %task.upload_id, code = reason.code, "the file is refused");
                append_event(&mut sink, UploadEvent::Received(received.clone())).await?;
                let failed = Ending::Failed(reason, tally_so_far(kept.as_ref()));
                append_event(&mut sink, ended(&received, failed)).await?;
                return Ok(None);
            }
        };
        let lease = self.lease(task, claimed.fence, until, false);
        let step = self.step(task, &readable, lease, &mut sink, kept.as_ref(), tries);
        match step.await? {
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
        claimed: &Claimed,
        until: Until<'_>,
    ) -> anyhow::Result<()> {
        let mut preview = Preview::new()?;
        let received = arrived.received.clone();
        let document = match arrived.readable() {
            Err(reason) => preview.refusal(&received, reason),
            Ok(readable) => {
                let lease = self.lease(task, claimed.fence, until, true);
                let tries = tries_of(claimed);
                let step = self.step(task, &readable, lease, &mut preview, None, tries);
                match step.await {
                    Ok(Outcome::Ended(event)) if tries.give_up().is_some() => match *event {
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
        mut lease: Lease<'_, C>,
        sink: &mut S,
        kept: Option<&Kept>,
        tries: Tries,
    ) -> Result<Outcome, IngestError> {
        // Kept since the file was claimed.
        let fingerprinter = self.fingerprint_key.get().await?;
        let (bucket, head) = (self.files.clone(), readable.head.clone());
        let mut object =
            StoredObject::new(bucket, &task.key, &task.version, head, self.clock.clone());
        let mut report = RejectsReport::new(self.reports.clone(), task.upload_id);
        let step = Stepwise {
            job: Job {
                received: &readable.received,
                rules: &readable.rules,
                fingerprinter,
                sha256: readable.sha256.as_deref(),
                hop: task.hop,
                tries,
                batch_bytes: BATCH_BYTES,
                is_preview: lease.is_dry_run,
            },
            objects: &mut object,
            sink,
            report: &mut report,
            checkpoints: &mut lease,
            clock: &self.clock,
        };
        step.run(kept).await
    }

    fn lease<'a>(
        &'a self,
        task: &Continuation,
        fence: Fence,
        until: Until<'a>,
        is_dry_run: bool,
    ) -> Lease<'a, C> {
        Lease {
            uploads: &self.uploads,
            upload_id: task.upload_id,
            fence,
            clock: self.clock.clone(),
            until,
            is_dry_run,
        }
    }

    async fn finish(&self, upload_id: UploadId, fence: Fence) -> anyhow::Result<()> {
        // A conflict: another did the same, or has taken over and will.
        let _written = self
            .uploads
            .finish(upload_id, fence, self.clock.now())
            .await?;
        Ok(())
    }

    async fn release(
        &self,
        upload_id: UploadId,
        fence: Fence,
        tries_failed: u32,
    ) -> Result<(), PortError> {
        let now = self.clock.now();
        // A conflict: it is somebody else's already.
        let _written = self
            .uploads
            .release(upload_id, fence, now, tries_failed)
            .await?;
        Ok(())
    }
}

const fn tries_of(claimed: &Claimed) -> Tries {
    Tries {
        lost: claimed.tries_lost,
        failed: claimed.tries_failed,
    }
}

/// Whether a try failed in a way that trying again does not mend. What is no port's error is a
/// mistake of the program, or of what it was given.
fn failed_for_good(error: &anyhow::Error) -> bool {
    let kind = match (error.downcast_ref(), error.downcast_ref::<PortError>()) {
        (Some(error), _) => IngestError::kind(error),
        (None, port) => port.map(|error| error.kind),
    };
    kind.is_none_or(is_for_good)
}

/// The merchant is told by the upload's failure; this is for the operator.
fn say_if_given_up(upload_id: UploadId, tries: Tries) {
    if let Some(reason) = tries.give_up() {
        count(Metric::UploadsGivenUp, 1);
        let (lost, failed) = (tries.lost, tries.failed);
        tracing::error!(%upload_id, code = reason.code, lost, failed, "a file is given up");
    }
}
