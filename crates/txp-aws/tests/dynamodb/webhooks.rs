//! Messages to webhooks in the table of alerts: told once to who wants them, again after a crash, later
//! after a failure, and never in the way of each other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::alerts::{Alerts, WebhookQueue};
use txp_aws::dynamodb::tables;
use txp_domain::position::Bucket;
use txp_domain::time::Timestamp;
use txp_emulator::Emulator;
use txp_pipeline::webhook::{
    Endpoint, Outgoing, Post, PostFailure, PostRequest, Round, Told, Topic,
};
use txp_tests::conformance::alerts::at;

/// Longer than a message that was taken is nobody else's.
const TAKEN_SECONDS: u64 = 301;

async fn queue(emulator: &Emulator) -> WebhookQueue {
    let connection = Connection::new(emulator.dynamodb());
    let table = emulator.table(&tables::ALERTS).await;
    WebhookQueue::new(Alerts::new(connection, table))
}

fn message(id: &str, topic: Topic, seconds: u64) -> Outgoing {
    Outgoing {
        id: id.to_owned(),
        topic,
        at: at(seconds),
        body: format!("{{\"of\":\"{id}\"}}"),
    }
}

fn endpoint(name: &str, topics: &[Topic]) -> Endpoint {
    serde_json::from_value(serde_json::json!({
        "id": name,
        "url": format!("https://{name}.example/"),
        "topics": topics,
        "added_at": Timestamp(0),
        "secrets": [{ "text": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }],
    }))
    .unwrap()
}

/// Answers by the address, 200 if nothing else is said, and remembers what came.
#[derive(Default)]
struct Receivers {
    answers: BTreeMap<&'static str, u16>,
    came: RefCell<Vec<String>>,
}

impl Post for &Receivers {
    async fn post(&mut self, request: &PostRequest<'_>) -> Result<u16, PostFailure> {
        let mut headers = request.headers.iter();
        let id = headers.find(|(name, _)| *name == "webhook-id").unwrap();
        let host = request.url.trim_start_matches("https://");
        let host = host.trim_end_matches(".example/");
        self.came.borrow_mut().push(format!("{host} {}", id.1));
        Ok(self.answers.get(host).copied().unwrap_or(200))
    }
}

impl Receivers {
    fn took(&self) -> Vec<String> {
        let mut took = std::mem::take(&mut *self.came.borrow_mut());
        took.sort();
        took
    }
}

async fn round(
    queue: &WebhookQueue,
    endpoints: &[Endpoint],
    receivers: &Receivers,
    seconds: u64,
) -> Told {
    let mut post = receivers;
    let mut round = Round::new(&mut post, || 0);
    let due = queue.due(at(seconds)).await.unwrap();
    let sent = queue.send(due, endpoints, &mut round, || at(seconds), || false);
    sent.await.unwrap();
    round.told()
}

#[tokio::test]
async fn each_message_is_told_once_to_who_wants_it() {
    let emulator = Emulator::shared().await;
    let queue = queue(&emulator).await;
    let both = [Topic::Uploads, Topic::Alerts];
    let endpoints = [endpoint("shop", &both), endpoint("rota", &[Topic::Alerts])];
    let messages = [
        message("u:completed", Topic::Uploads, 1),
        message("a:1", Topic::Alerts, 2),
        message("later", Topic::Alerts, 9),
    ];
    for message in messages.iter().chain(&messages) {
        queue.put(message).await.unwrap();
    }
    let receivers = Receivers::default();
    let told = round(&queue, &endpoints, &receivers, 5).await;
    assert_eq!((told.delivered, told.failed), (3, 0));
    assert_eq!(
        receivers.took(),
        ["rota a:1", "shop a:1", "shop u:completed"]
    );
    // What has ended is not put again: whoever handed an alert on and died before it was marked.
    queue.put(&messages[0]).await.unwrap();
    let told = round(&queue, &endpoints, &receivers, 9).await;
    assert_eq!(told.delivered, 2);
    assert_eq!(receivers.took(), ["rota later", "shop later"]);
    assert_eq!(queue.due(at(99_999)).await.unwrap(), []);
}

/// Two processes look at the same time; then one dies with a message in its hands.
#[tokio::test]
async fn a_message_is_one_process_s_and_comes_back_when_that_dies() {
    let emulator = Emulator::shared().await;
    let queue = queue(&emulator).await;
    let endpoints = [endpoint("shop", &[Topic::Alerts])];
    queue.put(&message("a", Topic::Alerts, 1)).await.unwrap();
    let receivers = Receivers::default();
    let seen = [
        queue.due(at(1)).await.unwrap(),
        queue.due(at(1)).await.unwrap(),
    ];
    for due in seen {
        let mut post = &receivers;
        let mut round = Round::new(&mut post, || 0);
        let sent = queue.send(due, &endpoints, &mut round, || at(1), || false);
        sent.await.unwrap();
    }
    assert_eq!(receivers.took(), ["shop a"]);

    queue.put(&message("b", Topic::Alerts, 2)).await.unwrap();
    let due = queue.due(at(2)).await.unwrap();
    let mut dying = Dying;
    let mut dead = Round::new(&mut dying, || 0);
    let sent = queue.send(due, &endpoints, &mut dead, || at(2), || false);
    assert!(tokio::time::timeout(DIES_AFTER, sent).await.is_err());
    assert_eq!(
        round(&queue, &endpoints, &receivers, 3).await,
        Told::default()
    );
    let told = round(&queue, &endpoints, &receivers, 2 + TAKEN_SECONDS).await;
    assert_eq!(told.delivered, 1);
    assert_eq!(receivers.took(), ["shop b"]);
}

/// A process that never comes back from a post; waited for as long as the emulator may take to let
/// it begin.
struct Dying;
const DIES_AFTER: std::time::Duration = std::time::Duration::from_secs(2);

impl Post for Dying {
    async fn post(&mut self, _: &PostRequest<'_>) -> Result<u16, PostFailure> {
        std::future::pending().await
    }
}

/// One endpoint is away: what it is to be told waits, and holds up nobody else.
#[tokio::test]
async fn an_endpoint_that_is_away_is_told_later_and_holds_up_nobody() {
    let emulator = Emulator::shared().await;
    let queue = queue(&emulator).await;
    let endpoints = [
        endpoint("away", &[Topic::Alerts]),
        endpoint("shop", &[Topic::Alerts]),
    ];
    for number in 0..4 {
        let message = message(&format!("a:{number}"), Topic::Alerts, 1);
        queue.put(&message).await.unwrap();
    }
    let mut receivers = Receivers::default();
    receivers.answers.insert("away", 503);
    let told = round(&queue, &endpoints, &receivers, 1).await;
    assert_eq!((told.delivered, told.failed, told.gave_up), (4, 1, 0));
    let took = receivers.took();
    assert_eq!(
        took.iter().filter(|line| line.starts_with("away")).count(),
        1
    );
    // All of it is put off, not only what was tried.
    assert_eq!(queue.due(at(5)).await.unwrap(), []);
    let waiting = queue.due(at(6)).await.unwrap();
    assert_eq!(waiting.len(), 4);
    let tried = waiting.iter().flat_map(|kept| &kept.marks);
    let tried = tried.filter(|mark| mark.webhook_id == "away");
    assert_eq!(tried.map(|mark| mark.attempts).collect::<Vec<_>>(), [1]);
    receivers.answers.clear();
    let told = round(&queue, &endpoints, &receivers, 6).await;
    assert_eq!((told.delivered, told.failed), (4, 0));
    assert!(receivers.took().iter().all(|line| line.starts_with("away")));
    assert_eq!(queue.due(at(99_999)).await.unwrap(), []);
}

/// For good: each message ends, in a number of rounds that is bounded, and says why.
#[tokio::test]
async fn an_endpoint_that_is_gone_for_good_leaves_nothing_behind() {
    let emulator = Emulator::shared().await;
    let queue = queue(&emulator).await;
    let endpoints = [endpoint("gone", &[Topic::Alerts])];
    for number in 0..3 {
        let message = message(&format!("a:{number}"), Topic::Alerts, 0);
        queue.put(&message).await.unwrap();
    }
    let mut receivers = Receivers::default();
    receivers.answers.insert("gone", 500);
    let (mut seconds, mut rounds, mut gave_up) = (0, 0, 0);
    while gave_up < 3 {
        gave_up += round(&queue, &endpoints, &receivers, seconds).await.gave_up;
        seconds += 1800;
        rounds += 1;
        assert!(rounds < 300, "{gave_up} of 3 were given up");
    }
    assert!(receivers.took().len() <= 30);
    assert_eq!(queue.due(at(9_999_999)).await.unwrap(), []);
}

/// No endpoint wants it, or none is left: it ends, and one that never will be taken ends at once.
#[tokio::test]
async fn what_nobody_wants_ends() {
    let emulator = Emulator::shared().await;
    let queue = queue(&emulator).await;
    queue.put(&message("u", Topic::Uploads, 1)).await.unwrap();
    queue.put(&message("a", Topic::Alerts, 1)).await.unwrap();
    let mut receivers = Receivers::default();
    receivers.answers.insert("shop", 410);
    let endpoints = [endpoint("shop", &[Topic::Alerts])];
    let told = round(&queue, &endpoints, &receivers, 1).await;
    assert_eq!((told.delivered, told.gave_up), (0, 1));
    assert_eq!(queue.due(at(99_999)).await.unwrap(), []);
}

/// By its age, behind more messages than a look at what is due reads, and behind one that nobody wants.
#[tokio::test]
async fn the_oldest_that_is_awaited_is_known_however_late_it_is_tried() {
    let emulator = Emulator::shared().await;
    let queue = queue(&emulator).await;
    assert_eq!(queue.by_age().await.unwrap(), []);
    let away = endpoint("away", &[Topic::Alerts]);
    let mut receivers = Receivers::default();
    receivers.answers.insert("away", 503);
    queue.put(&message("a", Topic::Alerts, 2)).await.unwrap();
    for seconds in [2, 7] {
        let told = round(&queue, std::slice::from_ref(&away), &receivers, seconds).await;
        assert_eq!(told.failed, 1);
    }
    // It is tried again in five minutes; these before it, all in its partition.
    let partition = |id: &str| Bucket::of(format!("webhook#{id}").as_bytes()).0 % 8;
    let others = (0..).map(|number| format!("b:{number}"));
    for id in others.filter(|id| partition(id) == partition("a")).take(65) {
        queue.put(&message(&id, Topic::Alerts, 9)).await.unwrap();
    }
    queue.put(&message("u", Topic::Uploads, 1)).await.unwrap();
    let due = queue.due(at(99_999)).await.unwrap();
    assert!(due.iter().all(|kept| kept.message.id != "a"), "{due:?}");

    let waiting = queue.by_age().await.unwrap();
    assert!(waiting.is_sorted_by_key(|one| one.at));
    assert_eq!(waiting[0].at, at(1));
    let awaited = queue.first_awaited(waiting, |kept| kept.is_awaited_by(&away));
    assert_eq!(awaited.await.unwrap().map(|one| one.at), Some(at(2)));
    let waiting = queue.by_age().await.unwrap();
    assert_eq!(queue.first_awaited(waiting, |_| false).await.unwrap(), None);
}
