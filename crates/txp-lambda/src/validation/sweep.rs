//! What was left lying: files whose reader died or whose notification was lost, links that nobody
//! used.
//!
//! The sweeper reads nothing itself: each file gets an invocation of its own.

use super::event::Continuation;
use super::lease::Until;
use super::{CallAgain, Validation};
use txp_aws::clock::SystemClock;
use txp_aws::dynamodb::uploads::{Due, DueKind};
use txp_aws::s3::key;
use txp_pipeline::port::Clock;

/// Files that are taken up per tick: the next one is a minute away, and others need the function.
const FILES_MAX: usize = 20;

/// Links that are looked at per tick.
const LINKS_MAX: usize = 200;

impl<A: CallAgain> Validation<A> {
    /// Takes up what is due, the longest due first.
    pub(super) async fn sweep(&mut self, until: Until<'_>) -> anyhow::Result<()> {
        let now = SystemClock.now();
        let leases = self.uploads.due(DueKind::Lease, now, FILES_MAX).await?;
        for due in &leases {
            self.take_up(due).await?;
        }
        let (mut found, mut expired) = (0, 0);
        for due in &self.uploads.due(DueKind::Link, now, LINKS_MAX).await? {
            if until.is_up() || found + leases.len() >= FILES_MAX {
                break;
            }
            if self.take_up(due).await? {
                found += 1;
            } else {
                // A conflict: it was put a moment ago, or another expired it.
                let _written = self.uploads.expire(due.upload_id, now).await?;
                expired += 1;
            }
        }
        tracing::info!(stalled = leases.len(), found, expired, "swept");
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
            .unwrap_or(super::file::UNANNOUNCED);
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
