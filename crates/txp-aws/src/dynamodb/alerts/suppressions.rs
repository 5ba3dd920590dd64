//! Of what nobody is to be told for a while, as all processes know it: one item of the table of alerts,
//! which `txp alerts suppress --env` changes.

use super::Alerts;
use crate::dynamodb::Damage;
use crate::dynamodb::attributes::{Fields, Pen, number, text};
use crate::dynamodb::connection::{conditional, corrupt, pass_over};
use crate::error::port_error;
use txp_domain::alert::{Suppression, SuppressionList, TooManySuppressions};
use txp_domain::time::Timestamp;
use txp_pipeline::port::{CONFLICT_ATTEMPTS_MAX, ErrorKind, PortError};

/// The item's key.
const KEY: &str = "suppressions";
/// The most bytes of the list: an item has 400 KB at most (DynamoDB's documented limit).
const LIST_BYTES_MAX: usize = 350 << 10;
/// How long the list is used before it is looked at again.
const FRESH_SECONDS: i64 = 60;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The list, and as it was last looked at.
#[derive(Clone, Debug)]
pub struct SharedSuppressions {
    alerts: Alerts,
    known: Vec<Suppression>,
    looked_at: Option<Timestamp>,
}

impl SharedSuppressions {
    /// In the table of these alerts.
    #[must_use]
    pub fn new(alerts: Alerts) -> Self {
        Self {
            alerts,
            known: Vec::new(),
            looked_at: None,
        }
    }

    /// Those to go by now; looks at the list if that was not done lately. What cannot be read holds up
    /// no alert: the list as it was is gone by, and one that is damaged suppresses nothing.
    pub async fn by_now(&mut self, now: Timestamp) -> &[Suppression] {
        let oldest = now.0.saturating_sub(FRESH_SECONDS * NANOS_PER_SECOND);
        if self.looked_at.is_none_or(|at| at.0 <= oldest) {
            match self.read().await {
                Ok(list) => {
                    self.known = list.suppressions;
                    self.looked_at = Some(now);
                }
                Err(error) if error.kind == ErrorKind::Corrupt => {
                    pass_over(&error);
                    self.known.clear();
                    self.looked_at = Some(now);
                }
                Err(error) => tracing::warn!(%error, "suppressions cannot be looked at"),
            }
        }
        &self.known
    }

    /// The list as it is.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub async fn read(&self) -> Result<SuppressionList, PortError> {
        Ok(self.stored().await?.0)
    }

    /// Changes the list, whoever else does at the same time, and gives what the change gave.
    ///
    /// # Errors
    /// It cannot be read or written, or has no room.
    pub async fn change<T>(
        &self,
        now: Timestamp,
        change: impl Fn(&mut SuppressionList) -> Result<T, TooManySuppressions>,
    ) -> Result<Result<T, TooManySuppressions>, PortError> {
        for _ in 0..CONFLICT_ATTEMPTS_MAX {
            let (mut list, revision) = self.stored().await?;
            let given = match change(&mut list) {
                Ok(given) => given,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if self.write(&encode(list, now)?, revision).await? {
                return Ok(Ok(given));
            }
        }
        let context = "the suppressions were changed by others at each try; try again";
        Err(PortError::new(ErrorKind::Transient, context))
    }

    /// The list, and the number of its last change.
    async fn stored(&self) -> Result<(SuppressionList, u64), PortError> {
        let alerts = &self.alerts;
        let get = alerts.connection.client().get_item();
        let output = get
            .table_name(&alerts.table)
            .key("alert_id", text(KEY))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(alerts.reading(), error))?;
        let stored = output.item().map(|item| decode(Fields(item))).transpose();
        let stored = stored.map_err(|damage| corrupt(&alerts.table, damage))?;
        Ok(stored.unwrap_or_default())
    }

    async fn write(&self, list: &str, revision: u64) -> Result<bool, PortError> {
        let alerts = &self.alerts;
        let mut pen = Pen::default();
        pen.text("alert_id", KEY);
        pen.text("list", list);
        pen.number("revision", revision.saturating_add(1));
        let put = alerts
            .connection
            .client()
            .put_item()
            .table_name(&alerts.table)
            .set_item(Some(pen.0));
        let put = match revision {
            0 => put.condition_expression("attribute_not_exists(alert_id)"),
            seen => put
                .condition_expression("revision = :seen")
                .expression_attribute_values(":seen", number(seen)),
        };
        let stored = conditional(put.send().await, || alerts.writing())?;
        Ok(stored.is_some())
    }
}

fn decode(fields: Fields<'_>) -> Result<(SuppressionList, u64), Damage> {
    let list = serde_json::from_str(fields.text("list")?);
    Ok((
        list.map_err(|_| Damage("list"))?,
        fields.number("revision")?,
    ))
}

/// Those that have ended are kept for who asks, as far as there is room.
fn encode(mut list: SuppressionList, now: Timestamp) -> Result<String, PortError> {
    let mut written = json(&list)?;
    if written.len() > LIST_BYTES_MAX {
        list.forget_ended(now);
        written = json(&list)?;
    }
    if written.len() > LIST_BYTES_MAX {
        let context = format!(
            "the suppressions take {} bytes, at most {LIST_BYTES_MAX} can be kept: end some, or give shorter reasons",
            written.len()
        );
        return Err(PortError::new(ErrorKind::Permanent, context));
    }
    Ok(written)
}

fn json(list: &SuppressionList) -> Result<String, PortError> {
    serde_json::to_string(list).map_err(|error| {
        let context = "suppressions cannot be written as JSON";
        PortError::caused(ErrorKind::Permanent, context, error)
    })
}
