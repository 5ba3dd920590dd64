//! Of what nobody is to be told for a while, as all processes know it: one item of the table of alerts,
//! which `txp alerts suppress --env` changes.

use super::Alerts;
use super::single::{Single, TEXT_BYTES_MAX};
use crate::dynamodb::Damage;
use crate::dynamodb::attributes::{Fields, Pen};
use crate::dynamodb::connection::pass_over;
use txp_domain::alert::{Suppression, SuppressionList, TooManySuppressions};
use txp_domain::time::Timestamp;
use txp_pipeline::port::{CONFLICT_ATTEMPTS_MAX, ErrorKind, PortError, Written};

const LIST: Single = Single {
    key: "suppressions",
    counter: "revision",
};
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
            let mut pen = Pen::default();
            pen.text("list", encode(list, now)?);
            let written = LIST.write(&self.alerts, pen, revision.saturating_add(1));
            if written.await? == Written::Stored {
                return Ok(Ok(given));
            }
        }
        let context = "the suppressions were changed by others at each try; try again";
        Err(PortError::new(ErrorKind::Transient, context))
    }

    /// The list, and the number of its last change.
    async fn stored(&self) -> Result<(SuppressionList, u64), PortError> {
        Ok(LIST.read(&self.alerts, decode).await?.unwrap_or_default())
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
    if written.len() > TEXT_BYTES_MAX {
        list.forget_ended(now);
        written = json(&list)?;
    }
    if written.len() > TEXT_BYTES_MAX {
        let context = format!(
            "the suppressions take {} bytes, at most {TEXT_BYTES_MAX} can be kept: end some, or give shorter reasons",
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
