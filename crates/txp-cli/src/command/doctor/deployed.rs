//! `txp doctor --env ENV`: one page about a deployment on AWS.

use super::super::{Ending, Globals};
use super::{Args, conclude};
use crate::output;
use serde::Serialize;
use std::fmt::Write as _;
use txp_aws::clock::SystemClock;
use txp_aws::deployment::{
    Deployment, Mapping, NAMED_MAX, Names, QUARANTINED_MAX, UNFINISHED_MAX, Unfinished, WAITING_MAX,
};
use txp_domain::time::Timestamp;
use txp_domain::upload::UploadState;
use txp_pipeline::port::{Clock, PortError};
use txp_pipeline::telemetry::IN_TIME_SECONDS;
use txp_pipeline::webhook::LATE_SECONDS;

/// What errors in a function's log are asked for by.
const ERRORS: &str = "'{ $.level = \"ERROR\" }'";
/// How far back errors are of interest.
const LATELY_HOURS: i64 = 1;
/// How far back tries of webhooks are: the longest time between two.
const TRIES_HOURS: i64 = 24;

/// An alert on its way is not one that waits.
const ALERTS_WAIT_SECONDS: i64 = 300;

#[derive(Debug, Default, Serialize)]
struct Report {
    /// Of this program.
    txp_version: &'static str,
    environment: String,
    sound: bool,
    stream: Option<Stream>,
    /// At most 200 are counted.
    unfinished_uploads: usize,
    /// How long ago the oldest of them arrived.
    lag_seconds: u64,
    /// The oldest ones.
    oldest: Vec<Stuck>,
    /// Objects, one for each record of the stream and each function that could not read it; at most
    /// 1000 are counted.
    quarantined: u64,
    /// About 100 are counted.
    alerts_pending: usize,
    /// Messages that endpoints of webhooks are still to be told; at most 512 are counted.
    webhooks_waiting: usize,
    /// How long ago the oldest of them was made.
    oldest_webhook_seconds: u64,
    mappings: Vec<Fed>,
    versions: Vec<Code>,
    /// What needs care, in words.
    problems: Vec<String>,
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Stream {
    name: String,
    status: String,
    open_shards: i32,
    retention_hours: i32,
}

#[derive(Debug, Serialize)]
struct Stuck {
    upload_id: String,
    state: &'static str,
    client_id: Option<String>,
    arrived_at: String,
    seconds: u64,
    records_read: u64,
    lease_until: Option<String>,
    blocking_event: Option<BlockingEvent>,
}

/// What is read and not folded begins behind this record of this bucket.
#[derive(Debug, Serialize)]
struct BlockingEvent {
    bucket: u8,
    after_record: u64,
    through_record: u64,
}

#[derive(Debug, Serialize)]
struct Fed {
    id: String,
    function: String,
    state: String,
    last_result: Option<String>,
}

#[derive(Debug, Serialize)]
struct Code {
    function: String,
    modified_at: Option<String>,
    code_sha256: Option<String>,
}

/// Looks and reports.
pub(super) fn run(globals: &Globals, args: &Args, environment: &str) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let report = runtime.block_on(async {
        let mut names = Names::of_environment(environment, args.bucket_suffix.as_deref());
        if let Some(table) = &args.uploads_table {
            names.uploads_table.clone_from(table);
        }
        if let Some(stream) = &args.stream {
            names.stream.clone_from(stream);
        }
        let deployment = Deployment::open(names).await;
        examine(&deployment, environment, SystemClock.now()).await
    });
    if globals.json {
        output::json(&report)?;
    } else {
        output::text(&describe(&report)?)?;
    }
    Ok(Ending::of(report.sound))
}

async fn examine(deployment: &Deployment, environment: &str, now: Timestamp) -> Report {
    let mut report = Report {
        txp_version: env!("CARGO_PKG_VERSION"),
        environment: environment.to_owned(),
        ..Report::default()
    };
    if let Some((count, oldest)) = report.seen(deployment.unfinished(now).await) {
        report.unfinished_uploads = count;
        for upload in &oldest {
            report.stuck(upload, now);
        }
        report.lag_seconds = report.oldest.first().map_or(0, |first| first.seconds);
    }
    if let Some(quarantined) = report.seen(deployment.quarantined().await) {
        report.quarantine(quarantined, &deployment.names().reports_bucket);
    }
    let until = Timestamp(now.0.saturating_sub(ALERTS_WAIT_SECONDS * 1_000_000_000));
    if let Some(waiting) = report.seen(deployment.alerts_waiting(until).await) {
        report.alerts(waiting, now);
    }
    if let Some((waiting, oldest)) = report.seen(deployment.webhooks_waiting().await) {
        report.webhooks(waiting, oldest, now);
    }
    if let Some(mappings) = report.seen(deployment.mappings().await) {
        mappings.into_iter().for_each(|mapping| report.fed(mapping));
    }
    if let Some(stream) = report.seen(deployment.stream().await) {
        let name = deployment.names().stream.clone();
        if stream.status != "ACTIVE" {
            report
                .problems
                .push(format!("the stream {name} is {}", stream.status));
        }
        report.stream = Some(Stream {
            name,
            status: stream.status,
            open_shards: stream.open_shards,
            retention_hours: stream.retention_hours,
        });
    }
    if let Some(versions) = report.seen(deployment.versions().await) {
        let versions = versions.into_iter().map(|version| Code {
            function: version.function,
            modified_at: version.modified_at,
            code_sha256: version.code_sha256,
        });
        report.versions = versions.collect();
    }
    report.sound = report.problems.is_empty();
    report.advise(
        "aws cloudwatch describe-alarms --state-value ALARM --query 'MetricAlarms[].AlarmName'"
            .to_owned(),
    );
    report
}

impl Report {
    /// What was seen; what could not be is a problem of its own.
    fn seen<T>(&mut self, looked: Result<T, PortError>) -> Option<T> {
        match looked {
            Ok(seen) => Some(seen),
            Err(error) => {
                let error = anyhow::Error::from(error);
                self.problems.push(output::chain(&error));
                None
            }
        }
    }

    /// A command to run next, once however many need it.
    fn advise(&mut self, command: String) {
        if !self.next.contains(&command) {
            self.next.push(command);
        }
    }

    fn stuck(&mut self, upload: &Unfinished, now: Timestamp) {
        let seconds = seconds_since(upload.arrived_at, now);
        if seconds > IN_TIME_SECONDS {
            self.late(upload, seconds, now);
        }
        self.oldest.push(Stuck {
            upload_id: upload.upload_id.to_string(),
            state: upload.state.name(),
            client_id: upload.client_id.clone(),
            arrived_at: upload.arrived_at.to_string(),
            seconds,
            records_read: upload.records_read,
            lease_until: upload.lease_until.map(|until| until.to_string()),
            blocking_event: upload.blocking.map(|at| BlockingEvent {
                bucket: at.bucket,
                after_record: at.after_record,
                through_record: at.through_record,
            }),
        });
    }

    /// A file that is not done in time: what it waits for, and where to look.
    fn late(&mut self, upload: &Unfinished, seconds: u64, now: Timestamp) {
        let (id, state) = (upload.upload_id, upload.state.name());
        let environment = self.environment.clone();
        let is_read = upload.is_read || upload.state == UploadState::Parsed;
        let is_left = upload.lease_until.is_some_and(|until| until <= now);
        let why = match upload.blocking {
            Some(at) => format!(
                "it is read, and waits for the fold behind record {} of bucket {}",
                at.after_record, at.bucket
            ),
            None if is_read => "it is read, and waits for the fold".to_owned(),
            None if is_left => {
                "nobody reads it any more, and the sweeper has not taken it up".to_owned()
            }
            None => format!("{} records are read", upload.records_read),
        };
        self.problems
            .push(format!("upload {id} is {state} since {seconds} s: {why}"));
        if is_read {
            self.advise(format!(
                "aws lambda list-event-source-mappings --function-name aggregator-lambda-{environment}"
            ));
            self.advise(log_of(
                "aggregator",
                &environment,
                ERRORS,
                hours_before(now, LATELY_HOURS),
            ));
            return;
        }
        if is_left {
            self.advise(format!(
                "aws events describe-rule --name sweeper-schedule-{environment}"
            ));
        }
        // Its reader may fail each time.
        self.advise(log_of(
            "validation",
            &environment,
            id.as_str(),
            upload.arrived_at,
        ));
    }

    fn quarantine(&mut self, quarantined: u64, bucket: &str) {
        self.quarantined = quarantined;
        if quarantined > 0 {
            let more = or_more(quarantined >= QUARANTINED_MAX);
            self.problems.push(format!(
                "{quarantined}{more} records are in quarantine, counted once for each function that could not read them"
            ));
            self.advise(format!("aws s3 ls --recursive s3://{bucket}/quarantine/"));
        }
    }

    fn alerts(&mut self, waiting: usize, now: Timestamp) {
        self.alerts_pending = waiting;
        if waiting > 0 {
            let (more, minutes) = (or_more(waiting >= WAITING_MAX), ALERTS_WAIT_SECONDS / 60);
            self.problems.push(format!(
                "{waiting}{more} alerts were not handed on for {minutes} min"
            ));
            let lately = hours_before(now, LATELY_HOURS);
            self.advise(log_of("anomaly", &self.environment, ERRORS, lately));
        }
    }

    fn webhooks(&mut self, waiting: usize, oldest: Option<Timestamp>, now: Timestamp) {
        self.webhooks_waiting = waiting;
        self.oldest_webhook_seconds = oldest.map_or(0, |at| seconds_since(at, now));
        if self.oldest_webhook_seconds > LATE_SECONDS {
            self.problems.push(format!(
                "{waiting} messages wait for endpoints of webhooks, the oldest for {} s",
                self.oldest_webhook_seconds
            ));
            let told = "'{ $.message = \"a webhook is*\" }'";
            let since = hours_before(now, TRIES_HOURS);
            self.advise(log_of("anomaly", &self.environment, told, since));
        }
    }

    fn fed(&mut self, mapping: Mapping) {
        if mapping.state != "Enabled" {
            let (function, state) = (&mapping.function, &mapping.state);
            self.problems
                .push(format!("what feeds {function} is {state}"));
            self.advise(format!(
                "aws lambda update-event-source-mapping --uuid {} --enabled",
                mapping.id
            ));
        }
        self.mappings.push(Fed {
            id: mapping.id,
            function: mapping.function,
            state: mapping.state,
            last_result: mapping.last_result,
        });
    }
}

/// The command that asks for what a function said from a time on: without one it gives the oldest lines
/// that there are.
fn log_of(function: &str, environment: &str, pattern: &str, since: Timestamp) -> String {
    let since = since.unix_millis();
    format!(
        "aws logs filter-log-events --log-group-name /aws/lambda/{function}-lambda-{environment} --start-time {since} --filter-pattern {pattern} --limit 20"
    )
}

fn hours_before(now: Timestamp, hours: i64) -> Timestamp {
    Timestamp(now.0.saturating_sub(hours * 3600 * 1_000_000_000))
}

const fn or_more(is_more: bool) -> &'static str {
    if is_more { " or more" } else { "" }
}

fn seconds_since(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.unix_seconds() - at.unix_seconds()).unwrap_or(0)
}

fn describe(report: &Report) -> anyhow::Result<String> {
    let mut out = String::new();
    writeln!(out, "the deployment {}", report.environment)?;
    let more = or_more(report.unfinished_uploads >= UNFINISHED_MAX);
    let mut lines = vec![
        ("txp", format!("version {}", report.txp_version)),
        (
            "unfinished",
            format!("{}{more} upload(s)", report.unfinished_uploads),
        ),
        ("lag", format!("{} s", report.lag_seconds)),
        ("quarantine", format!("{} record(s)", report.quarantined)),
        ("alerts", format!("{} pending", report.alerts_pending)),
        (
            "webhooks",
            format!(
                "{} waiting, the oldest for {} s",
                report.webhooks_waiting, report.oldest_webhook_seconds
            ),
        ),
    ];
    if let Some(stream) = &report.stream {
        lines.push((
            "stream",
            format!(
                "{}, {}, {} shard(s), kept for {} h",
                stream.name, stream.status, stream.open_shards, stream.retention_hours
            ),
        ));
    }
    for (name, text) in lines {
        writeln!(out, "  {name:<12}{text}")?;
    }
    for upload in report.oldest.iter().take(NAMED_MAX) {
        writeln!(
            out,
            "  {:<12}{}, {} for {} s, {} records read",
            "oldest", upload.upload_id, upload.state, upload.seconds, upload.records_read
        )?;
    }
    for fed in &report.mappings {
        let last = fed.last_result.as_deref().unwrap_or("nothing yet");
        writeln!(
            out,
            "  {:<12}{}, {}; last: {last}",
            "fed", fed.function, fed.state
        )?;
    }
    for code in &report.versions {
        let modified = code.modified_at.as_deref().unwrap_or("?");
        writeln!(
            out,
            "  {:<12}{}, deployed {modified}",
            "code", code.function
        )?;
    }
    conclude(&mut out, &report.problems, &[], &report.next)?;
    Ok(out)
}
