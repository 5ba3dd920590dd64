//! `ruleset.activated`: so that history knows which rules judged, from which position on.
//! `ruleset.shadowed`: the same of rules that are tried beside them.

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

/// Data of `ruleset.shadowed`, version 1: from here on a rule set is tried beside the one that judges,
/// or ceases to be. What it finds is recorded, and that is all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RulesetShadowed {
    /// How many such changes this history has had, this one counted: 1 for the first.
    pub change: u64,
    /// The version of the rule set that is tried, or was until here.
    pub version: String,
    /// SHA-256 of its canonical rule file, in hexadecimal.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// Who wanted it.
    pub shadowed_by: String,
    /// When; the envelope's time.
    #[serde(skip)]
    pub shadowed_at: Timestamp,
    /// The whole rule file; absent where the rule set ceases to be tried, and none is from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub rules: Option<serde_json::Value>,
}

impl RulesetShadowed {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> String {
        format!("ruleset:{}:{}:shadow", self.version, self.change)
    }

    /// The event that ends what this one began.
    #[must_use]
    pub fn ended(&self, by: &str, at: Timestamp) -> Self {
        Self {
            change: self.change + 1,
            version: self.version.clone(),
            sha256: self.sha256.clone(),
            shadowed_by: by.to_owned(),
            shadowed_at: at,
            rules: None,
        }
    }
}
