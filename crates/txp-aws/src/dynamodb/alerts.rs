//! Alerts: one item per finding, under its id, recorded before it is handed on and marked after.
//!
//! What is recorded and not handed on stands in the sparse index `by_waiting`. Gathered alerts stand
//! there by merchant and rule: whoever closes a cooldown ([`cooldowns`]) finds what its digest stands
//! for, also after the process that gathered it is gone. Alerts to be sent by themselves stand there
//! in a few partitions of their own: whoever looks after what a crash left behind finds them.

mod cooldowns;
mod rules;
mod single;
mod suppressions;
mod webhooks;

pub use cooldowns::SharedCooldowns;
pub use rules::ActiveRules;
pub use suppressions::SharedSuppressions;
pub use webhooks::{KeptMessage, Waiting, WebhookQueue};

use super::attributes::{Fields, Item, Pen, number, text};
use super::connection::{Connection, conditional, corrupt, pass_over};
use super::{Damage, position, tables};
use crate::error::port_error;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use txp_domain::alert::{Decision, Notice};
use txp_domain::event::AnomalyFlagged;
use txp_domain::position::{Bucket, Position};
use txp_domain::time::Timestamp;
use txp_pipeline::port::{AlertLedger, AlertRecord, ErrorKind, Handed, PortError, Recorded};

/// Writes in flight.
const IN_FLIGHT_MAX: usize = 16;

/// Over so many partitions of the index is spread what does not wait by merchant and rule: each takes
/// a thousand writes a second, and whoever looks asks each of them.
const PARTITIONS: u8 = 8;

/// The table of alerts.
#[derive(Clone, Debug)]
pub struct Alerts {
    connection: Connection,
    table: String,
}

impl Alerts {
    /// The table of this name.
    #[must_use]
    pub fn new(connection: Connection, table: impl Into<String>) -> Self {
        Self {
            connection,
            table: table.into(),
        }
    }

    /// The gathered alerts of a merchant and rule that no digest has told of, the oldest first, up to
    /// `limit`. From the index: the newest may be missing.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn gathered(
        &self,
        merchant_id: &str,
        rule: &str,
        limit: usize,
    ) -> Result<Vec<AlertRecord>, PortError> {
        let mut found = Vec::new();
        self.visit_gathered(merchant_id, rule, limit, |record| found.push(record))
            .await?;
        Ok(found)
    }

    /// The same, one by one: of a storm very many are gathered.
    async fn visit_gathered(
        &self,
        merchant_id: &str,
        rule: &str,
        limit: usize,
        mut visit: impl FnMut(AlertRecord),
    ) -> Result<(), PortError> {
        let key = waiting_key(merchant_id, rule);
        let of_item = |item: Item| self.visit_sound(&item, &mut visit);
        self.visit_waiting(key, Timestamp(i64::MAX), limit, of_item)
            .await
    }

    /// The alerts to be sent by themselves that were decided by `until` and that nobody has handed
    /// on, up to about `limit`.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn unsent(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<AlertRecord>, PortError> {
        let mut found = Vec::new();
        for partition in (0..PARTITIONS).map(unsent_key) {
            let room = limit - found.len();
            let of_item = |item: Item| self.visit_sound(&item, |record| found.push(record));
            self.visit_waiting(partition, until, room, of_item).await?;
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// What waits under a key of the index, the earliest first, up to `limit`.
    async fn visit_waiting(
        &self,
        key: String,
        until: Timestamp,
        limit: usize,
        mut visit: impl FnMut(Item),
    ) -> Result<(), PortError> {
        let mut pages = self
            .connection
            .client()
            .query()
            .table_name(&self.table)
            .index_name(tables::BY_WAITING)
            .key_condition_expression("waiting = :waiting AND waiting_since <= :until")
            .expression_attribute_values(":waiting", text(key))
            .expression_attribute_values(":until", number(until.unix_millis()))
            .into_paginator()
            .items()
            .send();
        for _ in 0..limit {
            let Some(item) = pages.next().await else {
                return Ok(());
            };
            visit(item.map_err(|error| port_error(self.reading(), error))?);
        }
        Ok(())
    }

    /// Visits an alert, unless its item is damaged: it would keep the others waiting for ever.
    fn visit_sound(&self, item: &Item, visit: impl FnOnce(AlertRecord)) {
        match self.decode(item) {
            Ok(record) => visit(record),
            Err(error) => pass_over(&error),
        }
    }

    fn decode(&self, item: &Item) -> Result<AlertRecord, PortError> {
        decode(Fields(item)).map_err(|damage| corrupt(&self.table, damage))
    }

    async fn put(&self, alert: &AlertRecord) -> Result<(), PortError> {
        let item = encode(alert).map_err(|error| {
            let context = "an alert cannot be written as JSON";
            PortError::caused(ErrorKind::Permanent, context, error)
        })?;
        let put = self
            .connection
            .client()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(alert_id)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if let Some(output) = conditional(put.send().await, || self.writing())? {
            self.connection.consumed(output.consumed_capacity());
        }
        // Recorded already, by a write whose answer was lost or by another: it stays as it is.
        Ok(())
    }

    fn marking(&self, id: &str, at: Timestamp) -> UpdateItemFluentBuilder {
        self.connection
            .client()
            .update_item()
            .table_name(&self.table)
            .key("alert_id", text(id))
            .condition_expression("attribute_exists(alert_id) AND attribute_not_exists(handed_at)")
            .expression_attribute_values(":at", text(at.to_string()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    /// Marks once; one that is marked already stays as it is.
    async fn mark_with(&self, update: UpdateItemFluentBuilder) -> Result<(), PortError> {
        if let Some(output) = conditional(update.send().await, || self.writing())? {
            self.connection.consumed(output.consumed_capacity());
        }
        Ok(())
    }

    async fn mark_alert(&self, id: &str, at: Timestamp) -> Result<(), PortError> {
        let expression = "SET handed_at = :at REMOVE waiting, waiting_since";
        self.mark_with(self.marking(id, at).update_expression(expression))
            .await
    }

    /// Marks alerts as told by a digest.
    async fn mark_digest(
        &self,
        digest_id: &str,
        alerts: &[String],
        at: Timestamp,
    ) -> Result<(), PortError> {
        let marks = alerts.iter().map(async |id| {
            let expression = "SET handed_at = :at, digest_id = :by REMOVE waiting, waiting_since";
            let update = self
                .marking(id, at)
                .update_expression(expression)
                .expression_attribute_values(":by", text(digest_id));
            self.mark_with(update).await
        });
        stream::iter(marks)
            .buffer_unordered(IN_FLIGHT_MAX)
            .try_collect()
            .await
    }

    fn reading(&self) -> String {
        format!("reading the table {} failed", self.table)
    }

    fn writing(&self) -> String {
        format!("writing to the table {} failed", self.table)
    }
}

/// Merchants' ids have no blanks, so the two cannot run into each other.
fn waiting_key(merchant_id: &str, rule: &str) -> String {
    format!("{merchant_id} {rule}")
}

/// A partition of the alerts to be sent. A blank is in no merchant's id, and neither is `#`.
fn unsent_key(partition: u8) -> String {
    format!("send#{partition}")
}

fn partition_of(key: &str) -> u8 {
    Bucket::of(key.as_bytes()).0 % PARTITIONS
}

fn encode(alert: &AlertRecord) -> Result<Item, serde_json::Error> {
    let finding = &alert.flagged.finding;
    let notice = Notice::of(finding);
    let mut pen = Pen::default();
    pen.text("alert_id", alert.flagged.id());
    pen.text("merchant_id", &*notice.merchant_id);
    pen.text("transaction_id", &*notice.transaction_id);
    pen.text("rule", &*notice.rule);
    pen.number("score", notice.score);
    pen.text("decision", alert.decision.name());
    pen.text("decided_at", alert.decided_at.to_string());
    pen.text("uploaded_at", alert.flagged.time.to_string());
    pen.text("position", position::write(&alert.position));
    pen.text("finding", serde_json::to_string(finding)?);
    let waiting = match alert.decision {
        Decision::Send => Some(unsent_key(partition_of(alert.flagged.id()))),
        Decision::Digest => Some(waiting_key(&notice.merchant_id, &notice.rule)),
        Decision::RecordOnly | Decision::Suppressed => None,
    };
    if let Some(waiting) = waiting {
        pen.text("waiting", waiting);
        pen.number("waiting_since", alert.decided_at.unix_millis());
    }
    Ok(pen.0)
}

fn decode(fields: Fields<'_>) -> Result<AlertRecord, Damage> {
    let finding = serde_json::from_str(fields.text("finding")?);
    let decision = fields.text("decision")?;
    let decisions = [
        Decision::Send,
        Decision::Digest,
        Decision::RecordOnly,
        Decision::Suppressed,
    ];
    let mut decisions = decisions.into_iter();
    Ok(AlertRecord {
        flagged: AnomalyFlagged {
            finding: finding.map_err(|_| Damage("finding"))?,
            time: fields.parsed("uploaded_at")?,
        },
        decision: decisions
            .find(|known| known.name() == decision)
            .ok_or(Damage("decision"))?,
        decided_at: fields.parsed("decided_at")?,
        position: position::read(fields.text("position")?).ok_or(Damage("position"))?,
    })
}

impl AlertLedger for Alerts {
    async fn look_up(&mut self, id: &str, _: &Position) -> Result<Recorded, PortError> {
        let output = self
            .connection
            .client()
            .get_item()
            .table_name(&self.table)
            .key("alert_id", text(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(self.reading(), error))?;
        Ok(match output.item() {
            None => Recorded::No,
            Some(item) if item.contains_key("waiting") => match self.decode(item) {
                Ok(alert) => Recorded::Waiting(Box::new(alert)),
                // It is no reason not to tell: who met the finding again knows what it says.
                Err(error) => {
                    pass_over(&error);
                    Recorded::No
                }
            },
            Some(_) => Recorded::Yes,
        })
    }

    async fn record(&mut self, alerts: &[AlertRecord]) -> Result<(), PortError> {
        let puts = alerts.iter().map(|alert| self.put(alert));
        stream::iter(puts)
            .buffer_unordered(IN_FLIGHT_MAX)
            .try_collect()
            .await
    }

    async fn mark(&mut self, handed: &[Handed], at: Timestamp) -> Result<(), PortError> {
        for one in handed {
            match one {
                Handed::Alert { id } => self.mark_alert(id, at).await?,
                Handed::Digest { id, alerts, .. } => self.mark_digest(id, alerts, at).await?,
            }
        }
        Ok(())
    }
}
