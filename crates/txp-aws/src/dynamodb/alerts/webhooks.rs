//! Messages to webhooks: an item `webhook#{message id}` in the table of alerts.
//!
//! - A message is put by a conditional write: the same again is not put twice, and once it has ended
//!   not again either. While it waits it stands in the index `by_waiting`, from when it is to be tried
//!   on, and in the index `by_age`, by when it was made.
//! - Whoever finds it due takes it, by a conditional write that makes it due again later: who takes it
//!   and dies only delays it. What came of an attempt is written before the next endpoint is tried; a
//!   crash in between sends the same message once more.
//! - Where an endpoint does not answer, its other messages are put off as they are met, so that what
//!   waits for it is not in the way of what others wait for.
//!
//! A message is for every endpoint that wants its topic when it is sent. Deliberately absent: who the
//! endpoints are ([`crate::webhooks`]).

use super::{Alerts, PARTITIONS, partition_of};
use crate::dynamodb::attributes::{Fields, Item, Pen, number, text};
use crate::dynamodb::connection::{conditional, corrupt, pass_over};
use crate::dynamodb::{Damage, tables};
use crate::error::port_error;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::webhook::{BODY_BYTES_MAX, Ending, Endpoint, Mark, Outgoing, Post, Round, Topic};

/// For so long a message that was taken is nobody else's: longer than all endpoints take to answer.
const TAKEN_SECONDS: i64 = 300;
/// The most messages of a partition of the index that one look reads, with their bodies.
const LOOKED_AT_MAX: usize = 64;
/// The oldest messages of a partition that are looked at for one that somebody waits for. What nobody
/// waits for ends when it is next due, so there is more of it only after an endpoint was taken out.
const OLDEST_MAX: i32 = 64;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The messages, in the table of these alerts.
#[derive(Clone, Debug)]
pub struct WebhookQueue(Alerts);

/// A message that waits, and what came of it so far.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptMessage {
    /// The message.
    pub message: Outgoing,
    /// The last attempt at each endpoint.
    pub marks: Vec<Mark>,
    /// When it is to be looked at: what every change is conditional on.
    due_at: Timestamp,
}

/// A message that waits, as the index by age has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// When it was made.
    pub at: Timestamp,
    /// The key of its item.
    key: String,
}

impl KeptMessage {
    fn mark_of(&self, endpoint: &Endpoint) -> Option<&Mark> {
        let mut marks = self.marks.iter();
        marks.find(|mark| mark.webhook_id == endpoint.id)
    }

    /// When an endpoint is to be told; `None` if it does not want it, or not any more.
    fn due_for(&self, endpoint: &Endpoint) -> Option<Timestamp> {
        if !endpoint.topics.contains(&self.message.topic) {
            return None;
        }
        match self.mark_of(endpoint) {
            None => Some(self.message.at),
            Some(mark) if mark.ending.is_some() => None,
            Some(mark) => Some(mark.next_at.unwrap_or(mark.at)),
        }
    }

    /// Whether an endpoint waits for it.
    #[must_use]
    pub fn is_awaited_by(&self, endpoint: &Endpoint) -> bool {
        self.due_for(endpoint).is_some()
    }

    fn can_tell<P: Post>(&self, endpoint: &Endpoint, round: &Round<'_, P>, now: Timestamp) -> bool {
        round.rests_until(endpoint).is_none()
            && self.due_for(endpoint).is_some_and(|due| due <= now)
    }

    /// When it is to be looked at next; `None` once nobody waits for it.
    fn next<P: Post>(&self, endpoints: &[Endpoint], round: &Round<'_, P>) -> Option<Timestamp> {
        let of = |endpoint| {
            let due = self.due_for(endpoint)?;
            Some(
                round
                    .rests_until(endpoint)
                    .map_or(due, |rest| rest.max(due)),
            )
        };
        endpoints.iter().filter_map(of).min()
    }
}

impl WebhookQueue {
    /// In the table of these alerts.
    #[must_use]
    pub fn new(alerts: Alerts) -> Self {
        Self(alerts)
    }

    /// Puts a message, unless it is there or was.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn put(&self, message: &Outgoing) -> Result<(), PortError> {
        if message.body.len() > BODY_BYTES_MAX {
            tracing::error!(
                id = message.id,
                "a message to webhooks is too long to be sent"
            );
            return Ok(());
        }
        let key = item_key(&message.id);
        let mut pen = Pen::default();
        pen.text("topic", topic_name(message.topic));
        pen.text("at", message.at.to_string());
        pen.text("body", &*message.body);
        pen.text("waiting", waiting_key(partition_of(&key)));
        pen.number("waiting_since", message.at.unix_millis());
        pen.text("alert_id", key);
        let alerts = &self.0;
        let put = alerts
            .connection
            .client()
            .put_item()
            .table_name(&alerts.table)
            .set_item(Some(pen.0))
            .condition_expression("attribute_not_exists(alert_id)");
        conditional(put.send().await, || alerts.writing())?;
        Ok(())
    }

    /// Messages that are due, those of a partition in the order in which they became so.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn due(&self, now: Timestamp) -> Result<Vec<KeptMessage>, PortError> {
        let mut found = Vec::new();
        for partition in (0..PARTITIONS).map(waiting_key) {
            let keep = |item: Item| match decode(Fields(&item)) {
                Ok(kept) => found.push(kept),
                // It would keep all others waiting for ever.
                Err(damage) => pass_over(&corrupt(&self.0.table, damage)),
            };
            self.0
                .visit_waiting(partition, now, LOOKED_AT_MAX, keep)
                .await?;
        }
        Ok(found)
    }

    /// The first of these, as they come, that is awaited. Each is one read: mostly there is one.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn first_awaited(
        &self,
        waiting: Vec<Waiting>,
        is_awaited: impl Fn(&KeptMessage) -> bool,
    ) -> Result<Option<Waiting>, PortError> {
        for one in waiting {
            let kept = self.get(&one.key).await?;
            if kept.as_ref().is_some_and(&is_awaited) {
                return Ok(Some(one));
            }
        }
        Ok(None)
    }

    /// The messages that wait, the oldest first: of each partition at most the 64 oldest. From the
    /// index: the newest may be missing.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn by_age(&self) -> Result<Vec<Waiting>, PortError> {
        let alerts = &self.0;
        let mut found = Vec::new();
        for partition in (0..PARTITIONS).map(waiting_key) {
            let query = alerts
                .connection
                .client()
                .query()
                .table_name(&alerts.table)
                .index_name(tables::BY_AGE)
                .key_condition_expression("waiting = :waiting")
                .expression_attribute_values(":waiting", text(partition))
                .limit(OLDEST_MAX);
            let answer = query.send().await;
            let answer = answer.map_err(|error| port_error(alerts.reading(), error))?;
            for item in answer.items() {
                match read_waiting(Fields(item)) {
                    Ok(waiting) => found.push(waiting),
                    // It would keep all others unseen.
                    Err(damage) => pass_over(&corrupt(&alerts.table, damage)),
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// A message by its item's key, while it waits.
    async fn get(&self, key: &str) -> Result<Option<KeptMessage>, PortError> {
        let alerts = &self.0;
        let get = alerts.connection.client().get_item();
        let get = get.table_name(&alerts.table).key("alert_id", text(key));
        let answer = get.consistent_read(true).send().await;
        let answer = answer.map_err(|error| port_error(alerts.reading(), error))?;
        // It ended since the index was asked.
        let Some(item) = answer.item().filter(|item| item.contains_key("waiting")) else {
            return Ok(None);
        };
        match decode(Fields(item)) {
            Ok(kept) => Ok(Some(kept)),
            Err(damage) => {
                pass_over(&corrupt(&alerts.table, damage));
                Ok(None)
            }
        }
    }

    /// Tells these endpoints what is due, until `is_over`.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn send<P: Post>(
        &self,
        due: Vec<KeptMessage>,
        endpoints: &[Endpoint],
        round: &mut Round<'_, P>,
        now: impl Fn() -> Timestamp,
        is_over: impl Fn() -> bool,
    ) -> Result<(), PortError> {
        for mut kept in due {
            if is_over() {
                break;
            }
            let at = now();
            let can_tell = |kept: &KeptMessage, round: &Round<'_, P>, endpoints: &[Endpoint]| {
                endpoints.iter().any(|one| kept.can_tell(one, round, at))
            };
            if can_tell(&kept, round, endpoints) && !self.take(&mut kept, at).await? {
                continue;
            }
            let mut rest = endpoints;
            while let [endpoint, others @ ..] = rest {
                rest = others;
                if !kept.can_tell(endpoint, round, at) {
                    continue;
                }
                let attempts = kept.mark_of(endpoint).map_or(0, |mark| mark.attempts);
                let mark = round.try_once(endpoint, &kept.message, attempts, now());
                let mark = mark.await;
                say(&mark);
                kept.marks.retain(|old| old.webhook_id != mark.webhook_id);
                kept.marks.push(mark);
                if is_over() {
                    break;
                }
                if can_tell(&kept, round, rest) {
                    let taken = kept.due_at;
                    self.keep(&mut kept, Some(taken)).await?;
                }
            }
            let next = kept.next(endpoints, round);
            self.keep(&mut kept, next).await?;
        }
        Ok(())
    }

    /// Takes a message, if nobody else has; whether it did.
    async fn take(&self, kept: &mut KeptMessage, now: Timestamp) -> Result<bool, PortError> {
        let until = now.0.saturating_add(TAKEN_SECONDS * NANOS_PER_SECOND);
        self.keep(kept, Some(Timestamp(until))).await
    }

    /// Writes down what came of it, and when it is due; without a time it has ended. Whether it still
    /// stood as it was found: if not, somebody else has it by now.
    async fn keep(
        &self,
        kept: &mut KeptMessage,
        due_at: Option<Timestamp>,
    ) -> Result<bool, PortError> {
        let alerts = &self.0;
        let marks = serde_json::to_string(&kept.marks).map_err(|error| {
            let context = "attempts at a webhook cannot be written as JSON";
            PortError::caused(ErrorKind::Permanent, context, error)
        })?;
        let update = alerts
            .connection
            .client()
            .update_item()
            .table_name(&alerts.table)
            .key("alert_id", text(item_key(&kept.message.id)))
            .condition_expression("waiting_since = :seen")
            .expression_attribute_values(":seen", number(kept.due_at.unix_millis()))
            .expression_attribute_values(":marks", text(marks));
        let update = match due_at {
            Some(due_at) => update
                .update_expression("SET marks = :marks, waiting_since = :due")
                .expression_attribute_values(":due", number(due_at.unix_millis())),
            // What stays says that it was told, so that it is not put again.
            None => {
                update.update_expression("SET marks = :marks REMOVE waiting, waiting_since, body")
            }
        };
        let stored = conditional(update.send().await, || alerts.writing())?;
        if let Some(due_at) = due_at {
            kept.due_at = due_at;
        }
        Ok(stored.is_some())
    }
}

/// Says what an operator may ask for later; the answer is in words of ours.
fn say(mark: &Mark) {
    let Mark {
        id,
        webhook_id,
        attempts,
        answer,
        ..
    } = mark;
    match mark.ending {
        Some(Ending::Delivered) => tracing::info!(id, webhook_id, attempts, "a webhook was told"),
        Some(Ending::GaveUp) => {
            tracing::error!(id, webhook_id, attempts, answer, "a webhook is not told");
        }
        None => tracing::warn!(id, webhook_id, attempts, answer, "a webhook is told later"),
    }
}

/// The key of a message's item. No alert's id has a `#`.
fn item_key(id: &str) -> String {
    format!("webhook#{id}")
}

fn waiting_key(partition: u8) -> String {
    format!("webhook#{partition}")
}

const fn topic_name(topic: Topic) -> &'static str {
    match topic {
        Topic::Uploads => "uploads",
        Topic::Alerts => "alerts",
    }
}

fn read_waiting(fields: Fields<'_>) -> Result<Waiting, Damage> {
    Ok(Waiting {
        at: fields.parsed("at")?,
        key: fields.text("alert_id")?.to_owned(),
    })
}

fn decode(fields: Fields<'_>) -> Result<KeptMessage, Damage> {
    let key = fields.text("alert_id")?;
    let id = key.strip_prefix("webhook#").ok_or(Damage("alert_id"))?;
    let topic = fields.text("topic")?;
    let mut topics = [Topic::Uploads, Topic::Alerts].into_iter();
    let marks = fields.optional_text("marks")?.map(serde_json::from_str);
    let due_at = Timestamp::from_unix_millis(fields.number("waiting_since")?);
    Ok(KeptMessage {
        message: Outgoing {
            id: id.to_owned(),
            topic: topics
                .find(|known| topic_name(*known) == topic)
                .ok_or(Damage("topic"))?,
            at: fields.parsed("at")?,
            body: fields.text("body")?.to_owned(),
        },
        marks: marks
            .transpose()
            .map_err(|_| Damage("marks"))?
            .unwrap_or_default(),
        due_at: due_at.ok_or(Damage("waiting_since"))?,
    })
}
