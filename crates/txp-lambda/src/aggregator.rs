//! The function `aggregator`: folds what the stream delivers into the tables of transactions and
//! uploads.

use crate::environment::REPORTS_BUCKET;
use crate::runtime::{Function, Invocation};
use crate::stream::answer;
use aws_lambda_events::event::streams::KinesisEventResponse;
use txp_aws::clock::SystemClock;
use txp_aws::config;
use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::uploads::Uploads;
use txp_aws::dynamodb::{Connection, State, tables};
use txp_aws::kinesis::delivered::{Delivered, KinesisEvent};
use txp_aws::quarantine::S3Quarantine;
use txp_aws::s3::Bucket;
use txp_aws::webhooks::TELL_UPLOAD_ENDS;
use txp_pipeline::stage::aggregate;

/// The function.
pub struct Aggregator {
    stage: aggregate::Aggregator,
    state: State,
    quarantine: S3Quarantine,
    clock: SystemClock,
}

impl Function for Aggregator {
    type Event = KinesisEvent;
    type Answer = KinesisEventResponse;

    async fn start() -> anyhow::Result<Self> {
        let transactions = config::name(tables::TRANSACTIONS.variable)?;
        let uploads = config::name(tables::UPLOADS.variable)?;
        let reports = config::name(REPORTS_BUCKET)?;
        let config = config::load().await;
        let connection = Connection::new(config::dynamodb_client(&config));
        let bucket = Bucket::new(config::s3_client(&config), reports);
        let uploads = Uploads::new(connection.clone(), uploads);
        Ok(Self {
            stage: aggregate::Aggregator::default(),
            state: State {
                transactions: Transactions::new(connection, transactions),
                uploads: match std::env::var_os(TELL_UPLOAD_ENDS) {
                    Some(_) => uploads.telling_ends(),
                    None => uploads,
                },
            },
            quarantine: S3Quarantine::new(bucket, aggregate::STAGE),
            clock: SystemClock,
        })
    }

    async fn handle(
        &mut self,
        event: Self::Event,
        _invocation: &Invocation,
    ) -> anyhow::Result<Self::Answer> {
        // The delivery may be one of before: what a crash left open is found by reading.
        self.state.uploads.forget();
        let delivered = Delivered::of(event)?;
        let batch = delivered.batch();
        // Boxed: futures of futures of the SDK are types too deep for the compiler otherwise.
        let folded = Box::pin(self.stage.fold_recorded(
            &mut self.state,
            &mut self.quarantine,
            &self.clock,
            batch.events(),
        ))
        .await;
        let uploads = folded.uploads.iter().map(|(id, _)| id.as_str());
        let uploads: Vec<_> = uploads.collect();
        tracing::info!(
            events = batch.events().len(),
            rows = folded.counts.total(),
            quarantined = folded.quarantined,
            uploads = uploads.join(" "),
            "folded"
        );
        for (upload_id, trace) in &folded.uploads {
            if let Some(trace) = trace {
                tracing::info!(%upload_id, upload_trace = %trace, "an upload's own event is folded");
            }
        }
        answer(&batch, folded.failed)
    }
}
