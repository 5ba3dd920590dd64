//! The claim on a file while it is read: checkpoints go there, and time is watched.

use crate::runtime::Invocation;
use txp_aws::dynamodb::uploads::{Checkpoint, Fence, Uploads};
use txp_domain::id::UploadId;
use txp_pipeline::port::{CheckpointStore, Clock, Kept, PortError, Written};

/// How long a claim holds without a checkpoint, which comes every 15 s: also longer than a stream
/// that throttles makes an append wait.
pub(super) const LEASE_SECONDS: u32 = 90;

/// What is left of an invocation when reading stops: enough to flush and take down what was read.
const RESERVE_MILLIS: u64 = 20_000;

/// Of a short invocation it is this part.
const RESERVE_PART: u64 = 10;

/// The claim on one file.
pub(super) struct Lease<'a, C> {
    pub(super) uploads: &'a Uploads,
    pub(super) upload_id: UploadId,
    pub(super) fence: Fence,
    pub(super) clock: C,
    pub(super) until: Until<'a>,
    /// A dry run begins at the start each time.
    pub(super) is_dry_run: bool,
}

/// When to stop.
#[derive(Clone, Copy)]
pub(super) struct Until<'a> {
    invocation: &'a Invocation,
    reserve_millis: u64,
}

impl<'a> Until<'a> {
    /// Of an invocation that has just begun.
    pub(super) fn of(invocation: &'a Invocation) -> Self {
        let part = invocation.remaining_millis() / RESERVE_PART;
        Self {
            invocation,
            reserve_millis: part.min(RESERVE_MILLIS),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.invocation.remaining_millis() <= self.reserve_millis
    }
}

impl<C: Clock> CheckpointStore for Lease<'_, C> {
    async fn keep(&mut self, kept: &Kept) -> Result<Written, PortError> {
        let checkpoint = Checkpoint {
            byte_offset: kept.byte_offset,
            record: kept.record,
            state: kept.state.clone(),
        };
        let now = self.clock.now();
        if self.is_dry_run {
            let renewed = self
                .uploads
                .renew(self.upload_id, self.fence, now, LEASE_SECONDS);
            return renewed.await;
        }
        self.uploads
            .checkpoint(self.upload_id, self.fence, &checkpoint, now, LEASE_SECONDS)
            .await
    }

    fn is_time_up(&self) -> bool {
        self.until.is_up()
    }
}
