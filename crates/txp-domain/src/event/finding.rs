//! `anomaly.flagged`: a finding, with all that it takes to evaluate it again.

use crate::finding::Finding;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Data of `anomaly.flagged`, version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnomalyFlagged {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// When the upload of the judged row arrived; the envelope's time.
    #[serde(skip)]
    pub time: Timestamp,
}

impl AnomalyFlagged {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.finding.id
    }

    /// Merchant and transaction.
    #[must_use]
    pub fn ids(&self) -> (&str, &str) {
        (&self.finding.merchant_id, &self.finding.transaction_id)
    }

    /// The `subject` attribute, which is the transaction's partition key too.
    #[must_use]
    pub fn subject(&self) -> String {
        format!(
            "{}/{}",
            self.finding.merchant_id, self.finding.transaction_id
        )
    }
}
