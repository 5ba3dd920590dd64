//! A dry run: what a file would do to an empty state. Events are folded and judged where they would
//! have been appended, and nothing of them is kept.
//!
//! The rules are those that judge unless others are activated.

use crate::batch::EventBatch;
use crate::document::{UploadDocument, UploadSource, upload_document};
use crate::memory::{MemoryProfiles, MemoryState};
use crate::port::{ErrorKind, EventSink, PortError};
use crate::rulefile::{RuleFileError, default_rules};
use crate::stage::aggregate::Aggregator;
use crate::stage::detect::Detector;
use txp_domain::event::{FailureReason, UploadEvent, UploadFailed, UploadReceived, UploadTally};
use txp_domain::rule::RuleSet;
use txp_domain::upload::Upload;

/// The most rows that a dry run reads: a row takes about 1 KB of memory.
pub const PREVIEW_ROWS_MAX: u64 = 50_000;

/// The events of a dry run.
pub struct Preview {
    state: MemoryState,
    profiles: MemoryProfiles,
    aggregator: Aggregator,
    detector: Detector,
    rules: RuleSet,
    events: u64,
    findings: u64,
}

impl Preview {
    /// Nothing folded.
    ///
    /// # Errors
    /// Never: the rules are a part of the program.
    pub fn new() -> Result<Self, RuleFileError> {
        Ok(Self {
            state: MemoryState::default(),
            profiles: MemoryProfiles::default(),
            aggregator: Aggregator::default(),
            detector: Detector::default(),
            rules: default_rules()?.rules,
            events: 0,
            findings: 0,
        })
    }

    /// What is told of an upload that was read into here.
    #[must_use]
    pub fn document(&self, received: &UploadReceived) -> UploadDocument {
        let nothing = Upload::new(received.upload_id);
        let upload = self.state.upload(received.upload_id).unwrap_or(&nothing);
        upload_document(upload, self.source())
    }

    /// What is told of an upload that cannot be read.
    #[must_use]
    pub fn refusal(&self, received: &UploadReceived, reason: FailureReason) -> UploadDocument {
        let (upload_id, uploaded_at) = (received.upload_id, received.uploaded_at);
        let mut upload = Upload::new(upload_id);
        upload.apply(&UploadEvent::Received(received.clone()), 0);
        let failed = UploadFailed {
            upload_id,
            uploaded_at,
            trace: None,
            reason,
            tally: UploadTally::default(),
        };
        upload.apply(&UploadEvent::Failed(failed), 0);
        upload_document(&upload, self.source())
    }

    fn source(&self) -> UploadSource {
        UploadSource {
            is_dry_run: true,
            findings: Some(self.findings),
            ..UploadSource::default()
        }
    }
}

/// Why a file is not validated without being taken in.
#[must_use]
pub fn too_large_for_preview() -> FailureReason {
    FailureReason {
        code: "dry_run_too_large".to_owned(),
        message: format!(
            "a dry run reads at most {PREVIEW_ROWS_MAX} rows, and as many as it has time for"
        ),
        hint: "try the first rows of the file, or send it without dry_run".to_owned(),
        line: None,
    }
}

impl EventSink for Preview {
    /// [`ErrorKind::Full`] once there are too many rows.
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        let first = self.events + 1;
        self.events += batch.len() as u64;
        // The upload's own events beside its rows.
        if self.events > PREVIEW_ROWS_MAX + 2 {
            let context = "the file has more rows than a dry run reads";
            return Err(PortError::new(ErrorKind::Full, context));
        }
        let deliveries: Vec<_> = batch.deliveries(first, 0).collect();
        let folded = self.aggregator.fold(&mut self.state, &deliveries).await;
        if let Some((_, error)) = folded.failed {
            return Err(error);
        }
        let judged = self
            .detector
            .judge(
                &mut self.profiles,
                &self.rules,
                &deliveries,
                &folded.changes,
            )
            .await?;
        self.findings += judged.len() as u64;
        drop(deliveries);
        batch.clear();
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}
