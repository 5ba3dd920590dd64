//! What was left lying: files whose reader died or whose notification was lost, links that nobody
//! used.
//!
//! The sweeper reads nothing itself: each file gets an invocation of its own.

use super::event::Continuation;
use super::lease::Until;
use super::{CallAgain, Validation};
use crate::runtime::Failure;
use txp_aws::dynamodb::uploads::{Due, DueKind};
use txp_aws::quarantine;
use txp_aws::s3::key;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{Clock, PortError, Written};
use txp_pipeline::telemetry::{Metric, count, set};

/// Files that are taken up per tick: the next one is a minute away, and others need the function.
const FILES_MAX: usize = 20;

/// Files not completed that are counted.
const UNFINISHED_MAX: usize = 200;

/// Links that are looked at per tick.
const LINKS_MAX: usize = 200;

impl<A: CallAgain, C: Clock + Clone + 'static> Validation<A, C> {
    /// Takes up what is due, the longest due first. One that cannot be taken up does not keep the
    /// others waiting, and fails the tick in the end.
    pub(super) async fn sweep(&mut self, until: Until<'_>) -> anyhow::Result<()> {
        let now = self.clock.now();
        let mut swept = Swept::default();
        let leases = self.uploads.due(DueKind::Lease, now, FILES_MAX).await?;
        for due in &leases {
            if until.is_up() {
                break;
            }
            swept.taken_up(due, self.take_up(due).await);
        }
        let stalled = swept.found;
        for due in &self.uploads.due(DueKind::Link, now, LINKS_MAX).await? {
            if until.is_up() || swept.found >= FILES_MAX {
                break;
            }
            let is_found = self.take_up(due).await;
            if matches!(is_found, Ok(false)) {
                // A conflict: it was put a moment ago, or another expired it.
                let written = self.uploads.expire(due.upload_id, now).await;
                swept.expired(due, written);
            } else {
                swept.taken_up(due, is_found);
            }
        }
        self.look_around(now).await?;
        let (found, expired) = (swept.found - stalled, swept.expired);
        tracing::info!(stalled, found, expired, "swept");
        swept.failed.map_or(Ok(()), Err)
    }

    /// Tells how much is left to do, and for how long: nobody else looks when nothing comes.
    async fn look_around(&self, now: Timestamp) -> anyhow::Result<()> {
        let kind = DueKind::Unfinished;
        let unfinished = self.uploads.due(kind, now, UNFINISHED_MAX).await?;
        let oldest_seconds = unfinished.first().map_or(0, |due| {
            now.unix_seconds().saturating_sub(due.at.unix_seconds())
        });
        let quarantined = self.reports.count(quarantine::PREFIX).await?;
        // Exact in a float for longer than anything waits.
        set(Metric::OldestUnprocessedSeconds, oldest_seconds as f64);
        set(Metric::UploadsUnfinished, unfinished.len() as f64);
        set(Metric::QuarantineSize, quarantined as f64);
        count(Metric::Sweeps, 1);
        Ok(())
    }

    /// Has an upload's file read, if there is one.
    async fn take_up(&self, due: &Due) -> anyhow::Result<bool> {
        let upload_id = due.upload_id;
        let Some(view) = self.uploads.load(upload_id).await? else {
            return Ok(false);
        };
        let client_id = view
            .client_id
            .as_deref()
            .unwrap_or(super::arrived::UNANNOUNCED);
        let key = key::of_upload(client_id, upload_id);
        let claimed = view.claim.map(|claim| claim.version);
        let version = match claimed {
            Some(version) => version,
            None => match self.files.first_version(&key).await? {
                Some(version) => version,
                None => return Ok(false),
            },
        };
        let task = Continuation {
            upload_id,
            key,
            version,
            hop: 0,
        };
        tracing::info!(%upload_id, "a file that was left lying is taken up");
        self.again.call_again(&task).await?;
        Ok(true)
    }
}

/// What a tick did.
#[derive(Default)]
struct Swept {
    found: usize,
    expired: usize,
    /// The first error.
    failed: Option<anyhow::Error>,
}

impl Swept {
    fn taken_up(&mut self, due: &Due, is_found: anyhow::Result<bool>) {
        match is_found {
            Ok(is_found) => self.found += usize::from(is_found),
            Err(error) => self.fail(due, error),
        }
    }

    fn expired(&mut self, due: &Due, written: Result<Written, PortError>) {
        match written {
            Ok(written) => self.expired += usize::from(written == Written::Stored),
            Err(error) => self.fail(due, error.into()),
        }
    }

    fn fail(&mut self, due: &Due, error: anyhow::Error) {
        let upload_id = due.upload_id;
        tracing::error!(%upload_id, error = %Failure::of(&error), "an upload that is due cannot be taken up");
        self.failed.get_or_insert(error);
    }
}
