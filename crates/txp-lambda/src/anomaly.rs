//! The function `anomaly`: judges what the stream of the transactions' table says has changed, tells
//! people, and appends what was found to the history. Once a minute it looks after alerts: digests
//! that are due, and alerts that a crash left behind; then it sends what webhooks are to be told.

mod event;
mod webhooks;

pub use event::AnomalyEvent;
pub use webhooks::{Telling, WebhookNames, Webhooks};

use crate::environment::{ALERTS_TOPIC, EVENTS_STREAM, REPORTS_BUCKET};
use crate::runtime::{Failure, Function, Invocation};
use aws_config::SdkConfig;
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use txp_aws::clock::SystemClock;
use txp_aws::config;
use txp_aws::dynamodb::alerts::{ActiveRules, Alerts, SharedCooldowns, SharedSuppressions};
use txp_aws::dynamodb::profiles::Profiles;
use txp_aws::dynamodb::stream::{self, Feed, Judgements, StreamRecord};
use txp_aws::dynamodb::uploads::Uploads;
use txp_aws::dynamodb::{Connection, tables};
use txp_aws::kinesis::producer::{Producer, Settings};
use txp_aws::kinesis::put::StreamWriter;
use txp_aws::quarantine::S3Quarantine;
use txp_aws::rules::{RULES_OBJECT, RulesObject, SHADOW_RULES_OBJECT};
use txp_aws::s3::Bucket;
use txp_aws::sns::Topic;
use txp_domain::event::Event;
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_pipeline::batch::Delivery;
use txp_pipeline::port::{Clock as _, Poison, PortError, Quarantine as _};
use txp_pipeline::retry::RetryPolicy;
use txp_pipeline::stage::anomaly::{self, Ports};
use txp_pipeline::stage::rulebook::Rulebook;
use txp_pipeline::telemetry::{Metric, count_of, set};
use txp_webhook::Http;

/// How long an alert may be on its way before somebody else hands it on: longer than an invocation
/// takes between recording and marking.
const ON_ITS_WAY_SECONDS: i64 = 60;
/// The most alerts left behind that one tick hands on; the next finds the others.
const LEFT_BEHIND_MAX: usize = 1_000;
/// What is left of an invocation when a tick stops looking for more digests.
const TICK_ENDS_BEFORE_MILLIS: u64 = 20_000;
/// Uploads that are told of a batch.
const UPLOADS_TOLD_MAX: usize = 16;
/// Messages that fail are sent again within the invocation, for some seconds.
const PUBLISHING: RetryPolicy = RetryPolicy {
    first_wait_millis: 50,
    max_wait_millis: 2_000,
    attempts_max: 6,
};

/// The function.
pub struct Anomaly {
    stage: anomaly::Anomaly<SharedCooldowns>,
    rulebook: Rulebook<ActiveRules, RulesObject>,
    profiles: Profiles,
    suppressions: SharedSuppressions,
    alerts: Alerts,
    topic: Topic<SystemClock>,
    history: StreamWriter,
    settings: Settings,
    quarantine: S3Quarantine,
    webhooks: Option<Webhooks<Http>>,
    clock: SystemClock,
}

/// What the function works on, by name.
#[derive(Clone, Debug)]
pub struct Names {
    /// The table of profiles.
    pub profiles: String,
    /// The table of alerts.
    pub alerts: String,
    /// The stream of events.
    pub stream: String,
    /// The topic, by its ARN.
    pub topic: String,
    /// The bucket of reports.
    pub reports: String,
    /// The object of the rules that judge, as `s3://BUCKET/KEY`.
    pub rules: Option<String>,
    /// The object of rules that are tried.
    pub shadow_rules: Option<String>,
    /// What webhooks need, where somebody is to be told by them.
    pub webhooks: Option<WebhookNames>,
}

impl Anomaly {
    /// The function, on these.
    ///
    /// # Errors
    /// The name of an object of rules is of another form.
    pub fn over(config: &SdkConfig, names: Names, settings: Settings) -> anyhow::Result<Self> {
        let connection = Connection::new(aws_sdk_dynamodb::Client::new(config));
        let objects = config::s3_client(config);
        let [rules, tried] = [
            (names.rules, RULES_OBJECT),
            (names.shadow_rules, SHADOW_RULES_OBJECT),
        ]
        .map(|(name, variable)| {
            let object = name.map(|name| RulesObject::new(objects.clone(), name, variable));
            object.transpose()
        });
        let alerts = Alerts::new(connection.clone(), names.alerts);
        let publisher = aws_sdk_sns::Client::new(config);
        let history = aws_sdk_kinesis::Client::new(config);
        let webhooks = names.webhooks.map(|names| {
            let uploads = Uploads::new(connection.clone(), names.uploads);
            let secrets = aws_sdk_secretsmanager::Client::new(config);
            Webhooks::new(
                alerts.clone(),
                uploads,
                secrets,
                names.secret,
                Http::default(),
            )
        });
        Ok(Self {
            stage: anomaly::Anomaly::new(SharedCooldowns::new(alerts.clone())),
            rulebook: Rulebook::new(ActiveRules::new(alerts.clone()), rules?).trying(tried?),
            profiles: Profiles::new(connection, names.profiles),
            suppressions: SharedSuppressions::new(alerts.clone()),
            alerts,
            topic: Topic::new(publisher, names.topic, SystemClock, PUBLISHING),
            history: StreamWriter::new(history, names.stream),
            settings,
            quarantine: S3Quarantine::new(Bucket::new(objects, names.reports), stream::STAGE),
            webhooks,
            clock: SystemClock,
        })
    }
}

impl Function for Anomaly {
    type Event = AnomalyEvent;
    type Answer = DynamoDbEventResponse;

    async fn start() -> anyhow::Result<Self> {
        let [profiles, alerts] =
            [tables::PROFILES, tables::ALERTS].map(|table| config::name(table.variable));
        let [stream, topic, reports] =
            [EVENTS_STREAM, ALERTS_TOPIC, REPORTS_BUCKET].map(config::name);
        let names = Names {
            profiles: profiles?,
            alerts: alerts?,
            stream: stream?,
            topic: topic?,
            reports: reports?,
            rules: config::optional_name(RULES_OBJECT),
            shadow_rules: config::optional_name(SHADOW_RULES_OBJECT),
            webhooks: WebhookNames::of_environment()?,
        };
        let settings = Settings::from_environment()?;
        Self::over(&config::load().await, names, settings)
    }

    async fn handle(
        &mut self,
        event: Self::Event,
        invocation: &Invocation,
    ) -> anyhow::Result<Self::Answer> {
        let now = self.clock.now();
        match event {
            AnomalyEvent::Stream(records) => self.judge(&records, now).await,
            AnomalyEvent::Tick => {
                let looked_after = self.tick(invocation, now).await;
                // People who cannot be told are no reason for endpoints to wait.
                let told = self.tell_webhooks(invocation).await;
                looked_after.and(told)?;
                Ok(DynamoDbEventResponse::default())
            }
        }
    }
}

/// The first record that is not wholly done, and why, where something failed.
type Undone = Option<(usize, Option<PortError>)>;

impl Anomaly {
    async fn judge(
        &mut self,
        records: &[StreamRecord],
        now: Timestamp,
    ) -> anyhow::Result<DynamoDbEventResponse> {
        let feed = Feed::read(records);
        let unreadable = self.put_aside(&feed.poison).await;
        let judgements = feed.judgements();
        // One for each invocation: after an error it would take nothing more.
        let mut events = Producer::new(self.history.clone(), self.clock, self.settings);
        let rules = self.rulebook.rules(&mut events, now).await;
        let rules = rules.cloned();
        self.say_refusals();
        let suppressed = self.suppressions.by_now(now).await.to_vec();
        self.stage.alerting().suppress(suppressed);
        let mut sink = Telling::new(&mut self.topic, self.webhooks.as_ref());
        let mut ports = Ports {
            profiles: &mut self.profiles,
            ledger: &mut self.alerts,
            sink: &mut sink,
            events: &mut events,
        };
        let (deliveries, changes) = (&judgements.deliveries, &judgements.changes);
        let outcome = self
            .stage
            .judge(&mut ports, &rules?, deliveries, changes, now)
            .await;
        tracing::info!(
            records = records.len(),
            judgements = changes.len(),
            uploads = uploads_of(deliveries),
            findings = outcome.findings,
            shadowed = outcome.shadowed,
            quarantined = feed.poison.len() + outcome.damaged.len(),
            "judged"
        );
        // Before the batch is acknowledged, as what makes no sense.
        let damaged = poison_of(&judgements, &outcome.damaged);
        let unjudgeable = self.put_aside(&damaged).await;
        let judged = outcome.undone.and_then(|undone| {
            let record = judgements.records.get(undone.delivery)?;
            Some((*record, undone.error))
        });
        let undone = [unreadable, unjudgeable, judged].into_iter().flatten();
        answer(records, undone.min_by_key(|(record, _)| *record))
    }

    /// Puts what makes no sense aside, so that the rest goes on.
    async fn put_aside(&mut self, poisons: &[(usize, Poison)]) -> Undone {
        for (record, poison) in poisons {
            if let Err(error) = self.quarantine.put(poison).await {
                return Some((*record, Some(error)));
            }
            count_of(Metric::Quarantined, "stage", stream::STAGE.to_owned(), 1);
            tracing::error!(reason = poison.reason, "a record is in quarantine");
        }
        None
    }

    async fn tick(&mut self, invocation: &Invocation, now: Timestamp) -> anyhow::Result<()> {
        let mut events = Producer::new(self.history.clone(), self.clock, self.settings);
        let rules = self.rulebook.rules(&mut events, now).await;
        let policy = rules.map(|rules| *rules.active.rules.alerts());
        self.say_refusals();
        let policy = policy?;
        let mut telling = Telling::new(&mut self.topic, self.webhooks.as_ref());
        let (ledger, sink) = (&mut self.alerts, &mut telling);
        let alerting = self.stage.alerting();
        let before = alerting.handed();
        loop {
            let handed = alerting.handed();
            alerting.tick(ledger, sink, &policy, now).await?;
            let is_done = alerting.handed() == handed;
            if is_done || invocation.remaining_millis() < TICK_ENDS_BEFORE_MILLIS {
                break;
            }
        }
        let until = Timestamp(now.0.saturating_sub(ON_ITS_WAY_SECONDS * 1_000_000_000));
        let left_behind = ledger.unsent(until, LEFT_BEHIND_MAX).await?;
        alerting.hand_on(ledger, sink, &left_behind).await?;
        tracing::info!(
            left_behind = left_behind.len(),
            messages = alerting.handed().messages - before.messages,
            "looked after alerts"
        );
        Ok(())
    }

    async fn tell_webhooks(&mut self, invocation: &Invocation) -> anyhow::Result<()> {
        if let Some(webhooks) = &mut self.webhooks {
            let told = Box::pin(webhooks.tell(invocation)).await;
            // Of what was not told above all.
            let oldest = Box::pin(webhooks.oldest_seconds()).await?;
            // Whole seconds are exact in a float for longer than anything waits.
            set(Metric::OldestWebhookSeconds, oldest as f64);
            let told = told?;
            let (delivered, failed, gave_up) = (told.delivered, told.failed, told.gave_up);
            tracing::info!(delivered, failed, gave_up, "told webhooks");
        }
        Ok(())
    }

    fn say_refusals(&mut self) {
        for refusal in self.rulebook.refusals() {
            tracing::error!(refusal, "the rule file is refused");
        }
    }
}

/// The first uploads of a batch, for who searches the log.
fn uploads_of(deliveries: &[Delivery<'_>]) -> String {
    let mut uploads: Vec<UploadId> = Vec::new();
    for delivery in deliveries {
        if let Event::Row(row) = &delivery.event
            && uploads.len() < UPLOADS_TOLD_MAX
            && !uploads.contains(&row.upload_id)
        {
            uploads.push(row.upload_id);
        }
    }
    let uploads: Vec<_> = uploads.iter().map(UploadId::as_str).collect();
    uploads.join(" ")
}

/// What cannot be judged, by its record.
fn poison_of(judgements: &Judgements<'_>, damaged: &[(usize, String)]) -> Vec<(usize, Poison)> {
    let poison = |(delivery, reason): &(usize, String)| {
        let poison = Poison {
            position: judgements.deliveries.get(*delivery)?.position.clone(),
            stage: stream::STAGE,
            reason: reason.clone(),
        };
        Some((*judgements.records.get(*delivery)?, poison))
    };
    damaged.iter().filter_map(poison).collect()
}

/// Lambda delivers the first record that is not wholly done again, and all behind it.
fn answer(records: &[StreamRecord], undone: Undone) -> anyhow::Result<DynamoDbEventResponse> {
    let mut response = DynamoDbEventResponse::default();
    let Some((record, error)) = undone else {
        return Ok(response);
    };
    let sequence = records.get(record).map(StreamRecord::sequence_number);
    let sequence = sequence.unwrap_or_default();
    match error {
        // Without a number all that can be asked for is the whole batch.
        Some(error) if sequence.is_empty() => return Err(error.into()),
        Some(error) => {
            let error = Failure::of(&anyhow::Error::from(error));
            tracing::error!(
                sequence,
                ?error,
                "a record could not be judged; it is delivered again"
            );
        }
        None => tracing::info!(
            sequence,
            "a card has more sales in this batch than are recognised when they come again: the rest comes after what is judged is acknowledged"
        ),
    }
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = Some(sequence.to_owned());
    response.batch_item_failures.push(failure);
    Ok(response)
}

#[cfg(test)]
mod tests;
