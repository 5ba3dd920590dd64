//! The port of who is told. What they heard is read by the caller's `read`, which waits until there is
//! as much as is asked for; what comes twice is heard twice.

use super::alerts::record;
use std::collections::BTreeSet;
use txp_domain::alert::{Decision, Message};
use txp_pipeline::port::AlertSink;

/// More than any adapter hands over at once.
const MANY: u64 = 25;
/// Of a body that is long and still handed over whole by all: SNS takes 256 KiB with what is around it.
const LONG_BYTES: usize = 200 << 10;

/// A message as it was heard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heard {
    /// The line above it.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// What subscribers filter by: severity, rule, merchant. A digest of many rules has none.
    pub attributes: [String; 3],
}

impl Heard {
    fn of(message: &Message) -> Self {
        Self {
            subject: message.subject.clone(),
            body: message.body.clone(),
            attributes: message.attributes().map(|(_, value)| value.to_owned()),
        }
    }
}

/// The message of a finding of a merchant, whose name is its own.
#[must_use]
pub fn message(number: u64, merchant_id: &str) -> Message {
    Message::of(&record(number, merchant_id, Decision::Send).flagged.finding)
}

fn all_of(messages: &[Message]) -> BTreeSet<Heard> {
    messages.iter().map(Heard::of).collect()
}

/// What was heard of these messages, each once, when all of them were.
async fn among(
    read: impl AsyncFn(&dyn Fn(&[Heard]) -> bool) -> Vec<Heard>,
    messages: &[Message],
) -> BTreeSet<Heard> {
    let expected = all_of(messages);
    let are_there = |heard: &[Heard]| expected.iter().all(|one| heard.contains(one));
    let heard = read(&are_there).await.into_iter();
    // Others may have told theirs.
    let merchants: BTreeSet<_> = messages
        .iter()
        .map(|message| &message.merchant_id)
        .collect();
    heard
        .filter(|heard| merchants.contains(&heard.attributes[2]))
        .collect()
}

/// Subject, text and what is filtered by come as they were given.
pub async fn a_message_is_told_whole(
    sink: &mut impl AlertSink,
    read: impl AsyncFn(&dyn Fn(&[Heard]) -> bool) -> Vec<Heard>,
) {
    let mut given = message(1, "told-whole");
    given.body.push_str("\n\"quoted\" & <marked> 100% \\ \t.");
    sink.send(&given).await.unwrap();
    let given = [given];
    assert_eq!(among(read, &given).await, all_of(&given));
}

/// One without a rule, as a digest of several has none, is told like the others.
pub async fn a_message_may_have_no_rule(
    sink: &mut impl AlertSink,
    read: impl AsyncFn(&dyn Fn(&[Heard]) -> bool) -> Vec<Heard>,
) {
    let mut given = message(2, "told-of-no-rule");
    given.rule = String::new();
    sink.send(&given).await.unwrap();
    let given = [given];
    assert_eq!(among(read, &given).await, all_of(&given));
}

/// More than go at once, some of them long: each is told, and none of them is told of another.
pub async fn many_are_told(
    sink: &mut impl AlertSink,
    read: impl AsyncFn(&dyn Fn(&[Heard]) -> bool) -> Vec<Heard>,
) {
    let mut given: Vec<_> = (0..MANY)
        .map(|number| message(100 + number, &format!("told-with-others-{number}")))
        .collect();
    for long in [3, 4, 17] {
        given[long].body.push_str(&"x".repeat(LONG_BYTES));
    }
    sink.send_all(&[]).await.unwrap();
    sink.send_all(&given).await.unwrap();
    assert_eq!(among(read, &given).await, all_of(&given));
}

/// What could not be told is an error until whoever listens is there, and is told when it is sent
/// again.
pub async fn what_failed_is_told_when_it_is_sent_again(
    sink: &mut impl AlertSink,
    mend: impl AsyncFnOnce(),
    read: impl AsyncFn(&dyn Fn(&[Heard]) -> bool) -> Vec<Heard>,
) {
    let given = [message(3, "told-late-1"), message(4, "told-late-2")];
    for _ in 0..2 {
        let error = sink.send(&given[0]).await.unwrap_err();
        assert!(!error.is_retryable(), "{error:?}");
        let error = sink.send_all(&given).await.unwrap_err();
        assert!(!error.is_retryable(), "{error:?}");
    }
    mend().await;
    sink.send_all(&given).await.unwrap();
    assert_eq!(among(read, &given).await, all_of(&given));
}
