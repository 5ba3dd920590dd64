//! `ruleset.activated`: so that history knows which rules judged, from which position on.

use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Data of `ruleset.activated`, version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RulesetActivated {
    /// How many activations this history has had, this one counted: 1 for the first.
    pub activation: u64,
    /// The rule set's version, as its file names it.
    pub version: String,
    /// SHA-256 of the canonical rule file, in hexadecimal.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// Who activated it.
    pub activated_by: String,
    /// When; the envelope's time.
    #[serde(skip)]
    pub activated_at: Timestamp,
    /// The whole rule file: history can be judged again without any other file.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub rules: serde_json::Value,
}

impl RulesetActivated {
    /// All activations stand in one order.
    pub const PARTITION_KEY: &'static str = "ruleset";

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> String {
        format!("ruleset:{}:{}", self.version, self.activation)
    }
}
