//! The rules that judge, as all processes agree on them: one item of the table of alerts. The rules
//! that are tried beside them: another one.

use super::Alerts;
use crate::dynamodb::Damage;
use crate::dynamodb::attributes::{Fields, Pen, number, text};
use crate::dynamodb::connection::{conditional, corrupt};
use crate::error::port_error;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use txp_domain::event::{RulesetActivated, RulesetShadowed};
use txp_pipeline::port::{ErrorKind, PortError, Written};
use txp_pipeline::stage::rulebook::{Activation, RuleRegistry, Shadowing};

/// The key of the item of the rules that judge.
const ACTIVE: &str = "ruleset#active";
/// Of those that are tried.
const SHADOW: &str = "ruleset#shadow";
/// The most bytes of rules: an item has 400 KB at most (DynamoDB's documented limit).
const RULES_BYTES_MAX: usize = 350 << 10;

/// The items, in the table of these alerts.
#[derive(Clone, Debug)]
pub struct ActiveRules(Alerts);

impl ActiveRules {
    /// In the table of these alerts.
    #[must_use]
    pub fn new(alerts: Alerts) -> Self {
        Self(alerts)
    }
}

fn decode(fields: Fields<'_>) -> Result<Activation, Damage> {
    let rules = serde_json::from_str(fields.text("rules")?);
    Ok(Activation {
        event: RulesetActivated {
            activation: fields.number("activation")?,
            version: fields.text("version")?.to_owned(),
            sha256: fields.text("sha256")?.to_owned(),
            activated_by: fields.text("activated_by")?.to_owned(),
            activated_at: fields.parsed("activated_at")?,
            rules: rules.map_err(|_| Damage("rules"))?,
        },
        is_announced: fields.flag("announced"),
    })
}

fn decode_shadow(fields: Fields<'_>) -> Result<Shadowing, Damage> {
    let rules = fields.optional_text("rules")?;
    let rules = rules.map(serde_json::from_str).transpose();
    Ok(Shadowing {
        event: RulesetShadowed {
            change: fields.number("change")?,
            version: fields.text("version")?.to_owned(),
            sha256: fields.text("sha256")?.to_owned(),
            shadowed_by: fields.text("shadowed_by")?.to_owned(),
            shadowed_at: fields.parsed("shadowed_at")?,
            rules: rules.map_err(|_| Damage("rules"))?,
        },
        is_announced: fields.flag("announced"),
    })
}

impl ActiveRules {
    async fn read(&self, key: &str) -> Result<Option<HashMap<String, AttributeValue>>, PortError> {
        let alerts = &self.0;
        let get = alerts.connection.client().get_item();
        let output = get
            .table_name(&alerts.table)
            .key("alert_id", text(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(alerts.reading(), error))?;
        Ok(output.item)
    }

    /// Writes an item in the place of the one whose `counter` is one less.
    async fn write(
        &self,
        mut pen: Pen,
        key: &str,
        (counter, value): (&str, u64),
        rules: Option<&serde_json::Value>,
    ) -> Result<Written, PortError> {
        let alerts = &self.0;
        if let Some(rules) = rules.map(ToString::to_string) {
            if rules.len() > RULES_BYTES_MAX {
                let context = format!(
                    "the rule file has {} bytes, at most {RULES_BYTES_MAX} can be active",
                    rules.len()
                );
                return Err(PortError::new(ErrorKind::Permanent, context));
            }
            pen.text("rules", rules);
        }
        pen.text("alert_id", key);
        pen.number(counter, value);
        let put = alerts
            .connection
            .client()
            .put_item()
            .table_name(&alerts.table)
            .set_item(Some(pen.0));
        let put = match value.checked_sub(1) {
            None | Some(0) => put.condition_expression("attribute_not_exists(alert_id)"),
            Some(before) => put
                .condition_expression("#counter = :before")
                .expression_attribute_names("#counter", counter)
                .expression_attribute_values(":before", number(before)),
        };
        let stored = conditional(put.send().await, || alerts.writing())?;
        // A write whose answer was lost looks like another's: whoever looks again finds its own.
        Ok(stored.map_or(Written::Conflict, |_| Written::Stored))
    }

    async fn mark(&self, key: &str, (counter, value): (&str, u64)) -> Result<(), PortError> {
        let alerts = &self.0;
        let update = alerts
            .connection
            .client()
            .update_item()
            .table_name(&alerts.table)
            .key("alert_id", text(key))
            .condition_expression("#counter = :value")
            .update_expression("SET announced = :true")
            .expression_attribute_names("#counter", counter)
            .expression_attribute_values(":value", number(value))
            .expression_attribute_values(":true", AttributeValue::Bool(true));
        // Where others stand there already, nobody asks whether these were announced.
        conditional(update.send().await, || alerts.writing())?;
        Ok(())
    }

    fn decoded<T>(
        &self,
        item: Option<&HashMap<String, AttributeValue>>,
        decode: impl FnOnce(Fields<'_>) -> Result<T, Damage>,
    ) -> Result<Option<T>, PortError> {
        let decoded = item.map(|item| decode(Fields(item)));
        decoded
            .transpose()
            .map_err(|damage| corrupt(&self.0.table, damage))
    }
}

impl RuleRegistry for ActiveRules {
    async fn latest(&mut self) -> Result<Option<Activation>, PortError> {
        let item = self.read(ACTIVE).await?;
        self.decoded(item.as_ref(), decode)
    }

    async fn register(&mut self, event: &RulesetActivated) -> Result<Written, PortError> {
        let mut pen = Pen::default();
        pen.text("version", &*event.version);
        pen.text("sha256", &*event.sha256);
        pen.text("activated_by", &*event.activated_by);
        pen.text("activated_at", event.activated_at.to_string());
        let counter = ("activation", event.activation);
        self.write(pen, ACTIVE, counter, Some(&event.rules)).await
    }

    async fn announced(&mut self, activation: u64) -> Result<(), PortError> {
        self.mark(ACTIVE, ("activation", activation)).await
    }

    async fn latest_shadow(&mut self) -> Result<Option<Shadowing>, PortError> {
        let item = self.read(SHADOW).await?;
        self.decoded(item.as_ref(), decode_shadow)
    }

    async fn register_shadow(&mut self, event: &RulesetShadowed) -> Result<Written, PortError> {
        let mut pen = Pen::default();
        pen.text("version", &*event.version);
        pen.text("sha256", &*event.sha256);
        pen.text("shadowed_by", &*event.shadowed_by);
        pen.text("shadowed_at", event.shadowed_at.to_string());
        let counter = ("change", event.change);
        self.write(pen, SHADOW, counter, event.rules.as_ref()).await
    }

    async fn shadow_announced(&mut self, change: u64) -> Result<(), PortError> {
        self.mark(SHADOW, ("change", change)).await
    }
}
