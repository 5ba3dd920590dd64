//! Webhooks on AWS: alerts and uploads' ends are kept as messages in the table of alerts, and each
//! tick sends what is due, after it has looked after alerts.
//!
//! An alert is kept when it is handed on, an upload's end when a tick finds it due to be told; so an
//! endpoint that is away holds up neither. Without the secret of endpoints nothing is kept.

use crate::runtime::Invocation;
use std::time::{Duration, Instant};
use txp_aws::clock::SystemClock;
use txp_aws::config;
use txp_aws::dynamodb::alerts::{Alerts, KeptMessage, WebhookQueue};
use txp_aws::dynamodb::tables;
use txp_aws::dynamodb::uploads::{Due, DueKind, Uploads};
use txp_aws::random;
use txp_aws::webhooks::{WEBHOOKS_SECRET, endpoints};
use txp_domain::alert::Message;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{AlertSink, Clock as _, ErrorKind, PortError};
use txp_pipeline::webhook::{NEWS_SECONDS, Outgoing, Post, Round, Told};

/// The most uploads' ends that one tick takes up; the next finds the others.
const ENDS_MAX: usize = 500;
/// For how long a tick sends: with the next tick no more than two are at it.
const SENDING_MAX: Duration = Duration::from_secs(110);
/// What is left of an invocation when it stops sending: more than an endpoint takes to answer.
const SENDING_ENDS_BEFORE_MILLIS: u64 = 30_000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Where messages are kept, and who is told. `P` posts.
pub struct Webhooks<P> {
    queue: WebhookQueue,
    uploads: Uploads,
    secrets: aws_sdk_secretsmanager::Client,
    secret: String,
    post: P,
}

/// What webhooks work on, by name.
#[derive(Clone, Debug)]
pub struct WebhookNames {
    /// The secret of endpoints.
    pub secret: String,
    /// The table of uploads.
    pub uploads: String,
}

impl WebhookNames {
    /// As the environment says; `None` where nobody is to be told.
    ///
    /// # Errors
    /// A variable is missing.
    pub fn of_environment() -> anyhow::Result<Option<Self>> {
        let Some(secret) = config::optional_name(WEBHOOKS_SECRET) else {
            return Ok(None);
        };
        let uploads = config::name(tables::UPLOADS.variable)?;
        Ok(Some(Self { secret, uploads }))
    }
}

impl<P: Post> Webhooks<P> {
    /// Over these tables and this secret.
    pub fn new(
        alerts: Alerts,
        uploads: Uploads,
        secrets: aws_sdk_secretsmanager::Client,
        secret: String,
        post: P,
    ) -> Self {
        Self {
            queue: WebhookQueue::new(alerts),
            uploads,
            secrets,
            secret,
            post,
        }
    }

    /// Keeps the ends of uploads, and sends what is due.
    ///
    /// # Errors
    /// A table or the secret cannot be read, or a table not be written.
    pub async fn tell(&mut self, invocation: &Invocation) -> Result<Told, PortError> {
        let started = Instant::now();
        let is_over = || {
            started.elapsed() > SENDING_MAX
                || invocation.remaining_millis() < SENDING_ENDS_BEFORE_MILLIS
        };
        let now = SystemClock.now();
        for due in self.uploads.due(DueKind::Ended, now, ENDS_MAX).await? {
            self.take_up(&due, now).await?;
        }
        let due = self.queue.due(SystemClock.now()).await?;
        if due.is_empty() {
            return Ok(Told::default());
        }
        let endpoints = endpoints(&self.secrets, &self.secret).await?;
        let mut round = Round::new(&mut self.post, random::number);
        let clock = || SystemClock.now();
        let sent = self.queue.send(due, &endpoints, &mut round, clock, is_over);
        sent.await?;
        Ok(round.told())
    }

    /// How old the oldest message is that an endpoint waits for; 0 if none waits. While the endpoints
    /// are not known, every message is waited for.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn oldest_seconds(&self) -> Result<u64, PortError> {
        let waiting = self.queue.by_age().await?;
        let known = match waiting.as_slice() {
            [] => None,
            _ => endpoints(&self.secrets, &self.secret).await.ok(),
        };
        let is_awaited = |kept: &KeptMessage| match &known {
            Some(known) => known.iter().any(|endpoint| kept.is_awaited_by(endpoint)),
            None => true,
        };
        let oldest = self.queue.first_awaited(waiting, is_awaited).await?;
        let now = SystemClock.now().unix_seconds();
        let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest.at.unix_seconds()));
        Ok(u64::try_from(age).unwrap_or(0))
    }

    /// Keeps an upload's end as a message, then takes down that it is told.
    async fn take_up(&self, due: &Due, now: Timestamp) -> Result<(), PortError> {
        let oldest = now.0.saturating_sub(NEWS_SECONDS * NANOS_PER_SECOND);
        if due.at.0 >= oldest {
            let view = match self.uploads.load(due.upload_id).await {
                // The others are not to wait for it.
                Err(error) if error.kind == ErrorKind::Corrupt => {
                    tracing::error!(upload_id = %due.upload_id, %error, "an upload's end is not told");
                    None
                }
                loaded => loaded?,
            };
            let message = view.and_then(|view| Outgoing::of_upload(&view.upload, due.at));
            if let Some(message) = message {
                self.queue.put(&message).await?;
            }
        }
        self.uploads.told(due.upload_id).await
    }
}

/// Hands alerts to a sink, and keeps them for webhooks. In this order: while the sink fails, alerts
/// come again, and nobody is to be told by then.
pub struct Telling<'a, S, P> {
    sink: &'a mut S,
    webhooks: Option<&'a Webhooks<P>>,
}

impl<'a, S, P> Telling<'a, S, P> {
    /// Over a sink; without webhooks it is the sink alone.
    pub fn new(sink: &'a mut S, webhooks: Option<&'a Webhooks<P>>) -> Self {
        Self { sink, webhooks }
    }

    async fn keep(&self, messages: &[Message]) -> Result<(), PortError> {
        let Some(webhooks) = self.webhooks else {
            return Ok(());
        };
        for message in messages {
            let message = Outgoing::of_alert(message, SystemClock.now());
            webhooks.queue.put(&message).await?;
        }
        Ok(())
    }
}

impl<S: AlertSink, P> AlertSink for Telling<'_, S, P> {
    const AT_ONCE: usize = S::AT_ONCE;

    async fn send(&mut self, message: &Message) -> Result<(), PortError> {
        self.sink.send(message).await?;
        self.keep(std::slice::from_ref(message)).await
    }

    async fn send_all(&mut self, messages: &[Message]) -> Result<(), PortError> {
        self.sink.send_all(messages).await?;
        self.keep(messages).await
    }
}
