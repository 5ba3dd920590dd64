//! The rules that judge, as all processes agree on them: one item of the table of alerts. The rules
//! that are tried beside them: another one.

use super::Alerts;
use super::single::{Single, TEXT_BYTES_MAX};
use crate::dynamodb::Damage;
use crate::dynamodb::attributes::{Fields, Pen, number, text};
use crate::dynamodb::connection::conditional;
use aws_sdk_dynamodb::types::AttributeValue;
use txp_domain::event::{RulesetActivated, RulesetShadowed};
use txp_pipeline::port::{ErrorKind, PortError, Written};
use txp_pipeline::stage::rulebook::{Activation, RuleRegistry, Shadowing};

/// The rules that judge.
const ACTIVE: Single = Single {
    key: "ruleset#active",
    counter: "activation",
};
/// Those that are tried.
const SHADOW: Single = Single {
    key: "ruleset#shadow",
    counter: "change",
};

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
    async fn write(
        &self,
        item: Single,
        change: u64,
        mut pen: Pen,
        rules: Option<&serde_json::Value>,
    ) -> Result<Written, PortError> {
        if let Some(rules) = rules.map(ToString::to_string) {
            if rules.len() > TEXT_BYTES_MAX {
                let context = format!(
                    "the rule file has {} bytes, at most {TEXT_BYTES_MAX} can be active",
                    rules.len()
                );
                return Err(PortError::new(ErrorKind::Permanent, context));
            }
            pen.text("rules", rules);
        }
        item.write(&self.0, pen, change).await
    }

    async fn mark(&self, item: Single, change: u64) -> Result<(), PortError> {
        let alerts = &self.0;
        let update = alerts
            .connection
            .client()
            .update_item()
            .table_name(&alerts.table)
            .key("alert_id", text(item.key))
            .condition_expression("#counter = :value")
            .update_expression("SET announced = :true")
            .expression_attribute_names("#counter", item.counter)
            .expression_attribute_values(":value", number(change))
            .expression_attribute_values(":true", AttributeValue::Bool(true));
        // Where others stand there already, nobody asks whether these were announced.
        conditional(update.send().await, || alerts.writing())?;
        Ok(())
    }
}

impl RuleRegistry for ActiveRules {
    async fn latest(&mut self) -> Result<Option<Activation>, PortError> {
        ACTIVE.read(&self.0, decode).await
    }

    async fn register(&mut self, event: &RulesetActivated) -> Result<Written, PortError> {
        let mut pen = Pen::default();
        pen.text("version", &*event.version);
        pen.text("sha256", &*event.sha256);
        pen.text("activated_by", &*event.activated_by);
        pen.text("activated_at", event.activated_at.to_string());
        let rules = Some(&event.rules);
        self.write(ACTIVE, event.activation, pen, rules).await
    }

    async fn announced(&mut self, activation: u64) -> Result<(), PortError> {
        self.mark(ACTIVE, activation).await
    }

    async fn latest_shadow(&mut self) -> Result<Option<Shadowing>, PortError> {
        SHADOW.read(&self.0, decode_shadow).await
    }

    async fn register_shadow(&mut self, event: &RulesetShadowed) -> Result<Written, PortError> {
        let mut pen = Pen::default();
        pen.text("version", &*event.version);
        pen.text("sha256", &*event.sha256);
        pen.text("shadowed_by", &*event.shadowed_by);
        pen.text("shadowed_at", event.shadowed_at.to_string());
        let rules = event.rules.as_ref();
        self.write(SHADOW, event.change, pen, rules).await
    }

    async fn shadow_announced(&mut self, change: u64) -> Result<(), PortError> {
        self.mark(SHADOW, change).await
    }
}
