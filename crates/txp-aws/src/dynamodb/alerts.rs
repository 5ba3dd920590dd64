//! Alerts: one item per finding, under its id, recorded before it is handed on and marked after.
//!
//! What is recorded and not handed on stands in the sparse index `by_waiting`, by merchant and
//! rule: whoever closes a cooldown finds there what its digest stands for, also after the process
//! that gathered it is gone. The index is behind the table for a moment, so a digest may leave a
//! newest alert waiting; then the next digest tells of it once more.

use super::attributes::{Fields, Item, Pen, number, text};
use super::connection::{Connection, conditional, corrupt};
use super::{Damage, position, tables};
use crate::error::port_error;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use txp_domain::alert::{Decision, Notice};
use txp_domain::event::AnomalyFlagged;
use txp_domain::position::Position;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{AlertLedger, AlertRecord, ErrorKind, Handed, PortError, Recorded};

/// Writes in flight.
const IN_FLIGHT_MAX: usize = 16;

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

    /// The alerts of a merchant and rule that are recorded and not handed on, the oldest first, up
    /// to `limit`. From the index: the newest may be missing.
    ///
    /// # Errors
    /// The table cannot be read, or an item is damaged.
    pub async fn waiting(
        &self,
        merchant_id: &str,
        rule: &str,
        limit: usize,
    ) -> Result<Vec<AlertRecord>, PortError> {
        let mut pages = self
            .connection
            .client()
            .query()
            .table_name(&self.table)
            .index_name(tables::BY_WAITING)
            .key_condition_expression("waiting = :waiting")
            .expression_attribute_values(":waiting", text(waiting_key(merchant_id, rule)))
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(item) = pages.next().await
        {
            let item = item.map_err(|error| port_error(self.reading(), error))?;
            found.push(self.decode(&item)?);
        }
        Ok(found)
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

    /// Marks the gathered alerts of a merchant and rule as told by a digest.
    async fn mark_digest(
        &self,
        digest_id: &str,
        waiting: String,
        at: Timestamp,
    ) -> Result<(), PortError> {
        let pages = self
            .connection
            .client()
            .query()
            .table_name(&self.table)
            .index_name(tables::BY_WAITING)
            .key_condition_expression("waiting = :waiting AND waiting_since <= :until")
            .filter_expression("decision = :digest")
            .expression_attribute_values(":waiting", text(waiting))
            .expression_attribute_values(":until", number(at.unix_millis()))
            .expression_attribute_values(":digest", text(Decision::Digest.name()))
            .into_paginator()
            .items()
            .send();
        let gathered: Vec<Item> = pages
            .collect::<Result<_, _>>()
            .await
            .map_err(|error| port_error(self.reading(), error))?;
        let marks = gathered.iter().map(async |item| {
            let id = Fields(item).text("alert_id");
            let id = id.map_err(|damage| corrupt(&self.table, damage))?;
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
    if alert.decision != Decision::RecordOnly {
        pen.text("waiting", waiting_key(&notice.merchant_id, &notice.rule));
        pen.number("waiting_since", alert.decided_at.unix_millis());
    }
    Ok(pen.0)
}

fn decode(fields: Fields<'_>) -> Result<AlertRecord, Damage> {
    let finding = serde_json::from_str(fields.text("finding")?);
    let decision = fields.text("decision")?;
    let decisions = [Decision::Send, Decision::Digest, Decision::RecordOnly];
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
            Some(item) if item.contains_key("waiting") => {
                Recorded::Waiting(Box::new(self.decode(item)?))
            }
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
                Handed::Digest {
                    id,
                    merchant_id,
                    rule,
                    ..
                } => {
                    self.mark_digest(id, waiting_key(merchant_id, rule), at)
                        .await?;
                }
            }
        }
        Ok(())
    }
}
