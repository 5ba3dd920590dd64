//! A queue against a receiver that answers as it is told, in a directory of its own.

use super::*;
use crate::control::Webhooks;
use crate::meter::{Registry, Value};
use std::cell::{Cell, RefCell};
use std::path::Path;
use txp_domain::time::Timestamp;
use txp_pipeline::telemetry::{Kind, Metric};
use txp_pipeline::webhook::{Ending, Outgoing, Post, PostFailure, PostRequest, Told, Topic};

const SECOND: i64 = 1_000_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp(second * SECOND)
}

fn message(id: &str, topic: Topic, second: i64) -> Outgoing {
    Outgoing {
        id: id.to_owned(),
        topic,
        at: at(second),
        body: format!("{{\"of\":\"{id}\"}}"),
    }
}

/// Answers by the message's id, and remembers what came.
#[derive(Default)]
struct Receiver {
    status: Cell<u16>,
    came: RefCell<Vec<(String, String)>>,
}

impl Post for &Receiver {
    async fn post(&mut self, request: &PostRequest<'_>) -> Result<u16, PostFailure> {
        let headers = request.headers.iter();
        let id = headers
            .clone()
            .find(|(name, _)| *name == "webhook-id")
            .unwrap();
        self.came
            .borrow_mut()
            .push((request.url.to_owned(), id.1.clone()));
        match self.status.get() {
            0 => Err(PostFailure("it refused the connection".to_owned())),
            status => Ok(status),
        }
    }
}

impl Receiver {
    fn took(&self) -> Vec<String> {
        let mut came = self.came.borrow_mut();
        came.drain(..).map(|(_, id)| id).collect()
    }
}

fn add(dir: &Path, url: &str, topics: &[Topic], second: i64) -> String {
    let webhooks = Webhooks::open(dir, at(second)).unwrap();
    webhooks
        .add(url, topics.to_vec(), false, at(second))
        .unwrap()
        .id
}

#[test]
fn without_an_endpoint_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut putter = Putter::new(dir.path());
    putter.put(&[message("a", Topic::Uploads, 5)]).unwrap();
    assert!(!dir.path().join(WEBHOOKS_DIR).exists());
}

/// What was put is sent once to each endpoint that wants it and was there; a crash before the mark
/// sends it again under the same id, and putting it again changes nothing.
#[test]
fn each_message_is_taken_once_by_who_wants_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    add(
        dir,
        "https://a.example/",
        &[Topic::Uploads, Topic::Alerts],
        10,
    );
    add(dir, "https://b.example/", &[Topic::Alerts], 20);
    let mut putter = Putter::new(dir);
    let messages = [
        message("early", Topic::Uploads, 5),
        message("up", Topic::Uploads, 15),
        message("alert", Topic::Alerts, 25),
        message("old-alert", Topic::Alerts, 15),
    ];
    putter.put(&messages).unwrap();
    putter.put(&messages).unwrap();
    Putter::new(dir).put(&messages).unwrap();
    let receiver = Receiver::default();
    receiver.status.set(200);
    let mut queue = Queue::open(dir).unwrap();
    let told = send_waiting(dir, &mut queue, &mut &receiver, || at(30)).unwrap();
    assert_eq!((told.delivered, told.waiting), (4, 0));
    let mut took = receiver.took();
    took.sort();
    assert_eq!(took, ["alert", "alert", "old-alert", "up"]);
    let mut queue = Queue::open(dir).unwrap();
    let told = send_waiting(dir, &mut queue, &mut &receiver, || at(40)).unwrap();
    assert_eq!(told, Told::default());
}

#[test]
fn what_fails_is_tried_later_and_given_up_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let id = add(dir, "https://a.example/", &[Topic::Uploads], 0);
    let messages = [
        message("one", Topic::Uploads, 1),
        message("two", Topic::Uploads, 2),
    ];
    Putter::new(dir).put(&messages).unwrap();
    let receiver = Receiver::default();
    receiver.status.set(500);
    let clock = Cell::new(10);
    let mut rounds = 0;
    let mut queue = Queue::open(dir).unwrap();
    let (registry, oldest) = (Registry::new(), Oldest::default());
    assert_eq!(oldest.look(dir).unwrap(), Some(at(1)));
    loop {
        let endpoints = Webhooks::to_read(dir).list().unwrap();
        let waiting = queue.waiting(&endpoints);
        let oldest_waiting = waiting.iter().map(|waiting| waiting.at).min();
        assert_eq!(oldest.look(dir).unwrap(), oldest_waiting);
        let round = || send_waiting(dir, &mut queue, &mut &receiver, || at(clock.get())).unwrap();
        let told = registry.measure(round);
        // Of an endpoint that fails, one message a round.
        assert!(told.failed + told.gave_up <= 2);
        let Some(next) = queue.waiting(&endpoints).first().map(|w| w.due_at) else {
            break;
        };
        clock.set(clock.get().max(next.0 / SECOND + 1));
        rounds += 1;
        assert!(rounds < 100);
        // A restart goes on where it was.
        queue = Queue::open(dir).unwrap();
    }
    assert_eq!(receiver.took().iter().filter(|id| *id == "one").count(), 10);
    let marks = queue.marks_of(&id);
    assert_eq!(marks.len(), 2);
    for mark in marks {
        assert_eq!(mark.ending, Some(Ending::GaveUp));
        assert_eq!((mark.attempts, &*mark.answer), (10, "it answered 500"));
    }
    assert_eq!(oldest.look(dir).unwrap(), None);
    let counted = registry.series().into_iter();
    let counted = counted.filter(|series| series.value != Value::Sum(0));
    let counted = counted.map(|series| (series.metric, series.value));
    let counted: Vec<_> = counted
        .filter(|(metric, _)| metric.kind() == Kind::Counter)
        .collect();
    assert_eq!(
        counted,
        [
            (Metric::WebhookFailures, Value::Sum(20)),
            (Metric::WebhooksGivenUp, Value::Sum(2)),
        ]
    );
    // Three days of trying.
    assert!(clock.get() > 60 * 3600, "{}", clock.get());
}

#[test]
fn an_endpoint_that_is_gone_or_removed_is_told_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let id = add(dir, "https://a.example/", &[Topic::Uploads], 0);
    let mut putter = Putter::new(dir);
    putter.put(&[message("one", Topic::Uploads, 1)]).unwrap();
    let receiver = Receiver::default();
    receiver.status.set(410);
    let mut queue = Queue::open(dir).unwrap();
    let told = send_waiting(dir, &mut queue, &mut &receiver, || at(9)).unwrap();
    assert_eq!((told.gave_up, told.waiting), (1, 0));
    putter.put(&[message("two", Topic::Uploads, 2)]).unwrap();
    let webhooks = Webhooks::open(dir, at(3)).unwrap();
    webhooks.remove(&id).unwrap();
    assert!(webhooks.remove(&id).is_err());
    let told = send_waiting(dir, &mut queue, &mut &receiver, || at(9)).unwrap();
    assert_eq!(told, Told::default());
}

#[test]
fn a_damaged_queue_is_moved_away_and_new_messages_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    add(dir, "https://a.example/", &[Topic::Uploads], 0);
    Putter::new(dir)
        .put(&[message("one", Topic::Uploads, 1)])
        .unwrap();
    let path = dir.join(WEBHOOKS_DIR).join("queue.jsonl");
    std::fs::write(&path, "{\"step\":\n{}\n").unwrap();
    let refused = Queue::open(dir).unwrap_err();
    assert!(
        refused.to_string().contains("damaged at byte 0"),
        "{refused}"
    );
    Putter::new(dir)
        .put(&[message("two", Topic::Uploads, 2)])
        .unwrap();
    let endpoints = Webhooks::to_read(dir).list().unwrap();
    let waiting = Queue::open(dir).unwrap().waiting(&endpoints);
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].id, "two");
}
