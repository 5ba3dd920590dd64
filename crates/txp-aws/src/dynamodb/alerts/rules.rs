//! The rules that judge, as all processes agree on them: one item of the table of alerts.

use super::Alerts;
use crate::dynamodb::Damage;
use crate::dynamodb::attributes::{Fields, Pen, number, text};
use crate::dynamodb::connection::{conditional, corrupt};
use crate::error::port_error;
use aws_sdk_dynamodb::types::AttributeValue;
use txp_domain::event::RulesetActivated;
use txp_pipeline::port::{ErrorKind, PortError, Written};
use txp_pipeline::stage::rulebook::{Activation, RuleRegistry};

/// The item's key.
const KEY: &str = "ruleset#active";
/// The most bytes of rules: an item has 400 KB at most (DynamoDB's documented limit).
const RULES_BYTES_MAX: usize = 350 << 10;

/// The item, in the table of these alerts.
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

impl RuleRegistry for ActiveRules {
    async fn latest(&mut self) -> Result<Option<Activation>, PortError> {
        let alerts = &self.0;
        let get = alerts.connection.client().get_item();
        let output = get
            .table_name(&alerts.table)
            .key("alert_id", text(KEY))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(alerts.reading(), error))?;
        let activation = output.item().map(|item| decode(Fields(item)));
        activation
            .transpose()
            .map_err(|damage| corrupt(&alerts.table, damage))
    }

    async fn register(&mut self, event: &RulesetActivated) -> Result<Written, PortError> {
        let alerts = &self.0;
        let rules = event.rules.to_string();
        if rules.len() > RULES_BYTES_MAX {
            let context = format!(
                "the rule file has {} bytes, at most {RULES_BYTES_MAX} can be active",
                rules.len()
            );
            return Err(PortError::new(ErrorKind::Permanent, context));
        }
        let mut pen = Pen::default();
        pen.text("alert_id", KEY);
        pen.number("activation", event.activation);
        pen.text("version", &*event.version);
        pen.text("sha256", &*event.sha256);
        pen.text("activated_by", &*event.activated_by);
        pen.text("activated_at", event.activated_at.to_string());
        pen.text("rules", rules);
        let put = alerts
            .connection
            .client()
            .put_item()
            .table_name(&alerts.table)
            .set_item(Some(pen.0));
        let put = match event.activation.checked_sub(1) {
            None | Some(0) => put.condition_expression("attribute_not_exists(alert_id)"),
            Some(before) => put
                .condition_expression("activation = :before")
                .expression_attribute_values(":before", number(before)),
        };
        let stored = conditional(put.send().await, || alerts.writing())?;
        // A write whose answer was lost looks like another's: whoever looks again finds its own.
        Ok(stored.map_or(Written::Conflict, |_| Written::Stored))
    }

    async fn announced(&mut self, activation: u64) -> Result<(), PortError> {
        let alerts = &self.0;
        let update = alerts
            .connection
            .client()
            .update_item()
            .table_name(&alerts.table)
            .key("alert_id", text(KEY))
            .condition_expression("activation = :activation")
            .update_expression("SET announced = :true")
            .expression_attribute_values(":activation", number(activation))
            .expression_attribute_values(":true", AttributeValue::Bool(true));
        // Where others are active already, nobody asks whether these were announced.
        conditional(update.send().await, || alerts.writing())?;
        Ok(())
    }
}
