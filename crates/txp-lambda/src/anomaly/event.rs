//! What the function is told: a batch of the table's stream, or that a minute has passed.

use serde::Deserialize;
use txp_aws::dynamodb::stream::StreamRecord;

/// An event of the function.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Raw")]
pub enum AnomalyEvent {
    /// Records of the stream, in their order.
    Stream(Vec<StreamRecord>),
    /// Look after alerts.
    Tick,
}

/// Who sends ticks: a rule, or a schedule.
const CLOCKS: [&str; 2] = ["aws.events", "aws.scheduler"];

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "Records")]
    records: Option<Vec<StreamRecord>>,
    source: Option<String>,
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the event is neither of a table's stream nor of a schedule")]
pub struct UnknownEvent;

impl TryFrom<Raw> for AnomalyEvent {
    type Error = UnknownEvent;

    fn try_from(raw: Raw) -> Result<Self, UnknownEvent> {
        match raw {
            Raw {
                records: Some(records),
                ..
            } => Ok(Self::Stream(records)),
            Raw {
                source: Some(source),
                ..
            } if CLOCKS.contains(&&*source) => Ok(Self::Tick),
            _ => Err(UnknownEvent),
        }
    }
}
