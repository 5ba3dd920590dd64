//! A deployment as whoever is on call looks at it: what is stuck and since when, what it waits for,
//! what lies in quarantine, which code runs. Looks and changes nothing.
//!
//! Each part is looked at by itself: one that may not be read hides none of the others.

use crate::config;
use crate::dynamodb::Connection;
use crate::dynamodb::alerts::{Alerts, WebhookQueue};
use crate::dynamodb::uploads::{Due, DueKind, UploadView, Uploads};
use crate::error::port_error;
use crate::quarantine;
use crate::s3::Bucket;
use aws_config::SdkConfig;
use txp_domain::id::UploadId;
use txp_domain::position::Bucket as EventBucket;
use txp_domain::time::Timestamp;
use txp_domain::upload::{Upload, UploadState};
use txp_pipeline::port::PortError;

/// Files not completed that are counted.
pub const UNFINISHED_MAX: usize = 200;
/// Of these so many are looked at closely, the oldest first.
pub const NAMED_MAX: usize = 5;
/// Alerts that wait that are counted.
pub const WAITING_MAX: usize = 100;
/// Objects in quarantine that are counted: as many as one page lists.
pub const QUARANTINED_MAX: u64 = 1000;

/// The functions, as the deployment names them.
const FUNCTIONS: [&str; 5] = ["validation", "aggregator", "anomaly", "api", "archiver"];

/// What the parts of a deployment are called.
#[derive(Clone, Debug)]
pub struct Names {
    /// The table of uploads.
    pub uploads_table: String,
    /// The table of alerts.
    pub alerts_table: String,
    /// The stream of the history.
    pub stream: String,
    /// The bucket that files come to.
    pub uploads_bucket: String,
    /// The bucket with the quarantine and the reports of rejected rows.
    pub reports_bucket: String,
    /// The functions.
    pub functions: Vec<String>,
}

impl Names {
    /// Those that the deployment gives to an environment; buckets may have a suffix.
    #[must_use]
    pub fn of_environment(environment: &str, bucket_suffix: Option<&str>) -> Self {
        let suffix = bucket_suffix.map_or_else(String::new, |suffix| format!("-{suffix}"));
        let functions = FUNCTIONS.iter();
        Self {
            uploads_table: format!("uploads-{environment}"),
            alerts_table: format!("alerts-{environment}"),
            stream: format!("transaction-events-{environment}"),
            uploads_bucket: format!("transaction-uploads-{environment}{suffix}"),
            reports_bucket: format!("transaction-reports-{environment}{suffix}"),
            functions: functions
                .map(|function| format!("{function}-lambda-{environment}"))
                .collect(),
        }
    }
}

/// A file that is not completed.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// Its upload.
    pub upload_id: UploadId,
    /// When it arrived.
    pub arrived_at: Timestamp,
    /// Where it stands.
    pub state: UploadState,
    /// Whose it is.
    pub client_id: Option<String>,
    /// The last record that is read for good.
    pub records_read: u64,
    /// Until when its reader has it, if somebody reads it.
    pub lease_until: Option<Timestamp>,
    /// Whether it was read to its end.
    pub is_read: bool,
    /// The event that everything behind it waits for.
    pub blocking: Option<Blocking>,
}

/// The first row of an upload that is read and not folded, as far as that is known: the row comes
/// behind `after_record` in its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocking {
    /// The bucket that is behind.
    pub bucket: u8,
    /// The last record of it that is folded.
    pub after_record: u64,
    /// The last record that it will have.
    pub through_record: u64,
}

/// How a function is fed by a stream.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Its id.
    pub id: String,
    /// The function.
    pub function: String,
    /// `Enabled`, if all is well.
    pub state: String,
    /// What Lambda says of the last batch.
    pub last_result: Option<String>,
}

/// The code that runs.
#[derive(Clone, Debug)]
pub struct Version {
    /// The function.
    pub function: String,
    /// When it was deployed.
    pub modified_at: Option<String>,
    /// The digest of its zip, as Lambda has it.
    pub code_sha256: Option<String>,
}

/// The stream.
#[derive(Clone, Debug)]
pub struct StreamStatus {
    /// `ACTIVE`, if all is well.
    pub status: String,
    /// Shards that take records.
    pub open_shards: i32,
    /// How long it keeps them.
    pub retention_hours: i32,
}

/// A deployment that is looked at.
#[derive(Debug)]
pub struct Deployment {
    names: Names,
    uploads: Uploads,
    alerts: Alerts,
    reports: Bucket,
    kinesis: aws_sdk_kinesis::Client,
    lambda: aws_sdk_lambda::Client,
}

impl Deployment {
    /// The deployment with these names; region and credentials as for every AWS tool.
    pub async fn open(names: Names) -> Self {
        Self::of(&config::load().await, names)
    }

    fn of(config: &SdkConfig, names: Names) -> Self {
        let connection = Connection::new(config::dynamodb_client(config));
        Self {
            uploads: Uploads::new(connection.clone(), names.uploads_table.clone()),
            alerts: Alerts::new(connection, names.alerts_table.clone()),
            reports: Bucket::new(config::s3_client(config), names.reports_bucket.clone()),
            kinesis: config::kinesis_client(config),
            lambda: aws_sdk_lambda::Client::new(config),
            names,
        }
    }

    /// What its parts are called.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// How many files are not completed, and the oldest of them.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn unfinished(&self, now: Timestamp) -> Result<(usize, Vec<Unfinished>), PortError> {
        let due = self.uploads.due(DueKind::Unfinished, now, UNFINISHED_MAX);
        let due = due.await?;
        let mut named = Vec::new();
        for Due { upload_id, at } in due.iter().take(NAMED_MAX) {
            if let Some(view) = self.uploads.load(*upload_id).await? {
                named.push(unfinished(&view, *at));
            }
        }
        Ok((due.len(), named))
    }

    /// How many objects lie in quarantine, one for each record of the stream and each function that
    /// could not read it; no more than [`QUARANTINED_MAX`] are counted.
    ///
    /// # Errors
    /// The bucket cannot be listed.
    pub async fn quarantined(&self) -> Result<u64, PortError> {
        self.reports.count(quarantine::PREFIX).await
    }

    /// How many alerts were decided by then and not handed on.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn alerts_waiting(&self, until: Timestamp) -> Result<usize, PortError> {
        Ok(self.alerts.unsent(until, WAITING_MAX).await?.len())
    }

    /// How many messages wait for endpoints of webhooks, of each partition at most the 64 oldest; and
    /// when the oldest of all was made.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn webhooks_waiting(&self) -> Result<(usize, Option<Timestamp>), PortError> {
        let waiting = WebhookQueue::new(self.alerts.clone()).by_age().await?;
        Ok((waiting.len(), waiting.first().map(|oldest| oldest.at)))
    }

    /// The stream.
    ///
    /// # Errors
    /// It cannot be described.
    pub async fn stream(&self) -> Result<StreamStatus, PortError> {
        let described = self.kinesis.describe_stream_summary();
        let described = described.stream_name(&self.names.stream).send().await;
        let described = described.map_err(|error| {
            port_error(
                format!("looking at the stream {}", self.names.stream),
                error,
            )
        })?;
        let summary = described.stream_description_summary();
        Ok(StreamStatus {
            status: summary
                .map_or("", |s| s.stream_status().as_str())
                .to_owned(),
            open_shards: summary.map_or(0, |s| s.open_shard_count()),
            retention_hours: summary.map_or(0, |s| s.retention_period_hours()),
        })
    }

    /// How the functions are fed.
    ///
    /// # Errors
    /// The mappings cannot be listed.
    pub async fn mappings(&self) -> Result<Vec<Mapping>, PortError> {
        let mut found = Vec::new();
        for function in &self.names.functions {
            let listed = self.lambda.list_event_source_mappings();
            let listed = listed.function_name(function).send().await;
            let listed = listed
                .map_err(|error| port_error(format!("looking at what feeds {function}"), error))?;
            found.extend(
                listed
                    .event_source_mappings()
                    .iter()
                    .map(|mapping| Mapping {
                        id: mapping.uuid().unwrap_or_default().to_owned(),
                        function: function.clone(),
                        state: mapping.state().unwrap_or_default().to_owned(),
                        last_result: mapping.last_processing_result().map(str::to_owned),
                    }),
            );
        }
        Ok(found)
    }

    /// The code of each function.
    ///
    /// # Errors
    /// A function cannot be looked at.
    pub async fn versions(&self) -> Result<Vec<Version>, PortError> {
        let mut found = Vec::new();
        for function in &self.names.functions {
            let described = self.lambda.get_function_configuration();
            let described = described.function_name(function).send().await;
            let described = described.map_err(|error| {
                port_error(format!("looking at the function {function}"), error)
            })?;
            found.push(Version {
                function: function.clone(),
                modified_at: described.last_modified().map(str::to_owned),
                code_sha256: described.code_sha256().map(str::to_owned),
            });
        }
        Ok(found)
    }
}

fn unfinished(view: &UploadView, arrived_at: Timestamp) -> Unfinished {
    let claim = view.claim.as_ref();
    let reading = claim.filter(|claim| !claim.is_done);
    Unfinished {
        upload_id: view.upload.id,
        arrived_at,
        state: view.state,
        client_id: view.client_id.clone(),
        records_read: match &view.upload.ending {
            Some(ending) => ending.tally().records,
            None => claim
                .and_then(|claim| claim.checkpoint.as_ref())
                .map_or(0, |checkpoint| checkpoint.record),
        },
        lease_until: reading.map(|claim| claim.lease_until),
        is_read: claim.is_some_and(|claim| claim.is_done),
        blocking: blocking(&view.upload),
    }
}

/// Of the buckets that are behind, the one that stopped first.
fn blocking(upload: &Upload) -> Option<Blocking> {
    let marks = upload.watermarks.as_ref()?;
    let ends = &upload.ending.as_ref()?.tally().last_record_by_bucket;
    let behind = ends.0.iter().filter_map(|(bucket, end)| {
        let after_record = marks.last(EventBucket(*bucket));
        (after_record < *end).then_some(Blocking {
            bucket: *bucket,
            after_record,
            through_record: *end,
        })
    });
    behind.min_by_key(|blocking| blocking.after_record)
}
