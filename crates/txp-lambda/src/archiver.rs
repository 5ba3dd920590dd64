//! The function `archiver`: keeps what the stream delivers in the archive's bucket.

use crate::environment::{ARCHIVE_BUCKET, REPORTS_BUCKET};
use crate::runtime::{Function, Invocation};
use crate::stream::answer;
use aws_lambda_events::event::streams::KinesisEventResponse;
use txp_aws::clock::SystemClock;
use txp_aws::config;
use txp_aws::kinesis::delivered::{Delivered, KinesisEvent};
use txp_aws::quarantine::S3Quarantine;
use txp_aws::s3::Bucket;
use txp_aws::s3::archive::Archive;
use txp_pipeline::stage::archive;

/// The function.
pub struct Archiver {
    archive: Archive,
    quarantine: S3Quarantine,
    clock: SystemClock,
}

impl Function for Archiver {
    type Event = KinesisEvent;
    type Answer = KinesisEventResponse;

    async fn start() -> anyhow::Result<Self> {
        let archive = config::name(ARCHIVE_BUCKET)?;
        let reports = config::name(REPORTS_BUCKET)?;
        let client = config::s3_client(&config::load().await);
        Ok(Self {
            archive: Archive::new(Bucket::new(client.clone(), archive), ""),
            quarantine: S3Quarantine::new(Bucket::new(client, reports), archive::STAGE),
            clock: SystemClock,
        })
    }

    async fn handle(
        &mut self,
        event: Self::Event,
        _invocation: &Invocation,
    ) -> anyhow::Result<Self::Answer> {
        let delivered = Delivered::of(event)?;
        let batch = delivered.batch();
        let mut failed = None;
        for (shard, first, events) in batch.by_shard() {
            let archived = archive::archive(
                &mut self.archive,
                &mut self.quarantine,
                &self.clock,
                shard,
                events,
            )
            .await;
            tracing::info!(
                events = archived.events,
                quarantined = archived.quarantined,
                shard,
                "archived"
            );
            if let Some((at, error)) = archived.failed {
                failed = Some((first + at, error));
                break;
            }
        }
        answer(&batch, failed)
    }
}
