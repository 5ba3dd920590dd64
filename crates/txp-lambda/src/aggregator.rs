//! The function `aggregator`.

use crate::runtime::{Function, Invocation};

/// The function.
pub struct Aggregator;

impl Function for Aggregator {
    type Event = serde_json::Value;
    type Answer = serde_json::Value;

    async fn start() -> anyhow::Result<Self> {
        Ok(Self)
    }

    async fn handle(
        &mut self,
        event: Self::Event,
        _invocation: &Invocation,
    ) -> anyhow::Result<Self::Answer> {
        Ok(event)
    }
}
