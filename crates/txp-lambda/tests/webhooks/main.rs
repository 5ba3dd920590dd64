//! Webhooks as the function `anomaly` sends them: uploads' ends from the table of uploads, alerts as they
//! are handed on, over the client that posts, to a receiver on the loopback address. Tables and secret
//! are an emulator's.
//!
//! `cargo xtask ci --only test` makes the emulator's Python environment and runs this.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

mod receiver;

use receiver::Receiver;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use txp_aws::clock::SystemClock;
use txp_aws::dynamodb::alerts::{Alerts, WebhookQueue};
use txp_aws::dynamodb::uploads::Uploads;
use txp_aws::dynamodb::{Connection, tables};
use txp_domain::alert::{Decision, Message};
use txp_domain::time::Timestamp;
use txp_emulator::Emulator;
use txp_lambda::anomaly::{Telling, Webhooks};
use txp_lambda::runtime::Invocation;
use txp_pipeline::port::{AlertSink, Clock as _, ErrorKind, PortError, UploadStore as _};
use txp_pipeline::webhook::{Endpoint, Outgoing, Told, Topic};
use txp_tests::conformance::alerts::record;
use txp_tests::conformance::upload_id;
use txp_tests::conformance::uploads::{failed, received};
use txp_webhook::Http;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Stack {
    alerts: Alerts,
    uploads: Uploads,
    secrets: aws_sdk_secretsmanager::Client,
    secret: String,
}

impl Stack {
    async fn new(emulator: &Emulator) -> Self {
        let connection = || Connection::new(emulator.dynamodb());
        let alerts = emulator.table(&tables::ALERTS).await;
        Self {
            secret: format!("webhooks-{alerts}"),
            alerts: Alerts::new(connection(), alerts),
            uploads: Uploads::new(connection(), emulator.table(&tables::UPLOADS).await)
                .telling_ends(),
            secrets: aws_sdk_secretsmanager::Client::new(&emulator.config()),
        }
    }

    async fn set(&self, endpoints: Value) {
        let create = self.secrets.create_secret().name(&self.secret);
        let created = create.secret_string(endpoints.to_string()).send().await;
        created.unwrap();
    }

    fn webhooks(&self) -> Webhooks<Http> {
        Webhooks::new(
            self.alerts.clone(),
            self.uploads.clone(),
            self.secrets.clone(),
            self.secret.clone(),
            Http::default(),
        )
    }

    async fn waiting(&self) -> usize {
        let queue = WebhookQueue::new(self.alerts.clone());
        queue.due(SystemClock.now()).await.unwrap().len()
    }
}

/// One that has as long as the function's.
fn invocation() -> Invocation {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Invocation {
        deadline_millis: u64::try_from(now.as_millis()).unwrap() + 300_000,
        ..Invocation::default()
    }
}

fn endpoint(url: &str, events: &[&str]) -> Value {
    json!({
        "name": "shop",
        "url": url,
        "events": events,
        "secrets": [SECRET],
        "loopback_allowed": true,
    })
}

/// Takes everything, or nothing.
#[derive(Default)]
struct People {
    messages: usize,
    is_broken: bool,
}

impl AlertSink for People {
    async fn send(&mut self, _: &Message) -> Result<(), PortError> {
        if self.is_broken {
            return Err(PortError::new(ErrorKind::Transient, "nobody answers"));
        }
        self.messages += 1;
        Ok(())
    }
}

fn alert(number: u64) -> Message {
    let record = record(number, "m-1", Decision::Send);
    Message::of(&record.flagged.finding)
}

#[tokio::test]
async fn an_upload_s_end_and_an_alert_are_told_once_and_signed() {
    let emulator = Emulator::shared().await;
    let mut stack = Stack::new(&emulator).await;
    let receiver = Receiver::start(200);
    let endpoints = json!([endpoint(&receiver.url, &["uploads", "alerts"])]);
    stack.set(endpoints).await;
    let id = upload_id(1);
    let now = SystemClock.now().unix_millis();
    stack.uploads.apply(&received(id), now).await.unwrap();
    stack.uploads.apply(&failed(id), now).await.unwrap();

    let mut webhooks = stack.webhooks();
    let mut people = People::default();
    let mut telling = Telling::new(&mut people, Some(&webhooks));
    telling.send_all(&[alert(1), alert(2)]).await.unwrap();
    // Handed on again after a crash before it was marked: the same message.
    telling.send(&alert(1)).await.unwrap();
    assert_eq!(people.messages, 3);

    let told = webhooks.tell(&invocation()).await.unwrap();
    assert_eq!((told.delivered, told.failed), (3, 0));
    assert_eq!(webhooks.tell(&invocation()).await.unwrap(), Told::default());
    let requests = receiver.requests();
    let mut kinds = Vec::new();
    for request in &requests {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        kinds.push(body["type"].as_str().unwrap().to_owned());
        assert_eq!(request.header("webhook-signature"), signature(request));
    }
    kinds.sort();
    assert_eq!(kinds, ["alert.finding", "alert.finding", "upload.failed"]);
    let ids: Vec<_> = requests
        .iter()
        .map(|one| one.header("webhook-id"))
        .collect();
    assert!(ids.contains(&format!("{id}:failed")), "{ids:?}");
    assert!(requests.iter().all(|one| !one.body.contains("1111")));
}

/// As a receiver makes it, of what came and the secret that it shares.
fn signature(request: &receiver::Request) -> String {
    let endpoint: Endpoint = serde_json::from_value(json!({
        "id": "shop",
        "url": "https://shop.example/",
        "topics": [],
        "added_at": "2026-01-01T00:00:00Z",
        "secrets": [{ "text": SECRET }],
    }))
    .unwrap();
    let seconds = request.header("webhook-timestamp").parse().unwrap();
    let id = request.header("webhook-id");
    endpoint.signatures(&id, seconds, request.body.as_bytes(), SystemClock.now())
}

/// Neither people nor the history wait for an endpoint, and what it did not take is kept.
#[tokio::test]
async fn an_endpoint_that_fails_holds_up_no_alert() {
    let emulator = Emulator::shared().await;
    let stack = Stack::new(&emulator).await;
    let receiver = Receiver::start(503);
    let list = json!([endpoint(&receiver.url, &["alerts"])]);
    stack.set(list).await;
    let mut webhooks = stack.webhooks();
    let mut people = People::default();
    let mut telling = Telling::new(&mut people, Some(&webhooks));
    telling.send(&alert(1)).await.unwrap();
    let told = webhooks.tell(&invocation()).await.unwrap();
    assert_eq!((told.delivered, told.failed), (0, 1));
    // It is tried again later, and an alert is handed on as before.
    assert_eq!(stack.waiting().await, 0);
    let mut telling = Telling::new(&mut people, Some(&webhooks));
    telling.send(&alert(2)).await.unwrap();
    assert_eq!((people.messages, stack.waiting().await), (2, 1));
}

/// While people cannot be told the alert comes again; webhooks are told once it was handed on.
#[tokio::test]
async fn what_people_were_not_told_webhooks_are_not_told_yet() {
    let emulator = Emulator::shared().await;
    let stack = Stack::new(&emulator).await;
    let webhooks = stack.webhooks();
    let mut people = People {
        is_broken: true,
        ..People::default()
    };
    let mut telling = Telling::new(&mut people, Some(&webhooks));
    assert!(telling.send(&alert(1)).await.is_err());
    assert_eq!(stack.waiting().await, 0);
    let mut nobody: Telling<'_, _, Http> = Telling::new(&mut people, None);
    assert!(nobody.send(&alert(1)).await.is_err());
}

/// Whom to tell is not known: it is said, and everything is kept until it is.
#[tokio::test]
async fn without_its_secret_nothing_is_told_and_nothing_is_lost() {
    let emulator = Emulator::shared().await;
    let mut stack = Stack::new(&emulator).await;
    let id = upload_id(2);
    let now = SystemClock.now().unix_millis();
    stack.uploads.apply(&received(id), now).await.unwrap();
    stack.uploads.apply(&failed(id), now).await.unwrap();
    let mut webhooks = stack.webhooks();
    let refused = webhooks.tell(&invocation()).await.unwrap_err();
    assert!(refused.context.contains("webhooks"), "{refused}");
    assert_eq!(stack.waiting().await, 1);
    let receiver = Receiver::start(200);
    let list = json!([endpoint(&receiver.url, &["uploads"])]);
    stack.set(list).await;
    let told = webhooks.tell(&invocation()).await.unwrap();
    assert_eq!(told.delivered, 1);
    assert_eq!(receiver.requests().len(), 1);
}

/// What waits is told by its age, not by when it is tried next; without endpoints to ask, all of it is,
/// and what no endpoint wants is not.
#[tokio::test]
async fn the_oldest_message_that_an_endpoint_waits_for_is_known() {
    let emulator = Emulator::shared().await;
    let stack = Stack::new(&emulator).await;
    let queue = WebhookQueue::new(stack.alerts.clone());
    let mut webhooks = stack.webhooks();
    assert_eq!(webhooks.oldest_seconds().await.unwrap(), 0);
    let now = SystemClock.now();
    for (id, topic, hours) in [
        ("ended", Topic::Uploads, 4),
        ("older", Topic::Alerts, 2),
        ("newer", Topic::Alerts, 1),
    ] {
        let message = Outgoing {
            id: id.to_owned(),
            topic,
            at: Timestamp(now.0 - hours * 3_600_000_000_000),
            body: "{}".to_owned(),
        };
        queue.put(&message).await.unwrap();
    }
    let hours = async |webhooks: &Webhooks<Http>| {
        let seconds = webhooks.oldest_seconds().await.unwrap();
        (seconds / 3600, seconds % 3600 < 600)
    };
    assert_eq!(hours(&webhooks).await, (4, true), "no endpoints are known");
    let receiver = Receiver::start(503);
    let list = json!([endpoint(&receiver.url, &["alerts"])]);
    stack.set(list).await;
    assert_eq!(hours(&webhooks).await, (2, true));
    // One is tried and waits for another try; the other waits for its endpoint.
    let told = webhooks.tell(&invocation()).await.unwrap();
    assert_eq!((told.delivered, told.failed), (0, 1));
    assert_eq!(hours(&webhooks).await, (2, true));
}

/// An invocation that is about to end takes up what ended, and leaves sending to the next.
#[tokio::test]
async fn nothing_is_sent_when_the_time_is_over() {
    let emulator = Emulator::shared().await;
    let stack = Stack::new(&emulator).await;
    let receiver = Receiver::start(200);
    let list = json!([endpoint(&receiver.url, &["alerts"])]);
    stack.set(list).await;
    let mut webhooks = stack.webhooks();
    let mut people = People::default();
    let mut telling = Telling::new(&mut people, Some(&webhooks));
    telling.send(&alert(1)).await.unwrap();
    let over = webhooks.tell(&Invocation::default()).await.unwrap();
    assert_eq!(over, Told::default());
    assert_eq!(receiver.requests().len(), 0);
    assert_eq!(webhooks.tell(&invocation()).await.unwrap().delivered, 1);
}
