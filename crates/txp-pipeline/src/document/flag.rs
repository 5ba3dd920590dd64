//! A finding as it shows in a transaction's document: one flag per rule that hit.

use super::Audience;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use txp_domain::finding::{Finding, Hit, Numbers};
use txp_domain::rule::Severity;
use txp_domain::transaction::Flag;

/// The rule of a finding that this program cannot read: a later version wrote it.
const UNREADABLE: &str = "unreadable";

/// One rule's hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlagDocument {
    /// The rule's id.
    pub rule: String,
    /// The rule's severity.
    pub severity: Severity,
    /// What the rule found, in words.
    pub words: String,
    /// The finding's score: 500 where a rule just hits, up to 1000. Not told to a merchant where it
    /// comes of what other merchants sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<u16>,
    /// The numbers that the rule compared, with the same exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
    /// Version of the rule set that judged.
    pub rule_set: String,
    /// The id of the `anomaly.flagged` event.
    pub finding_id: String,
    /// The transaction's facts revision that was judged.
    pub facts_revision: u32,
}

/// The flags of one finding.
pub(super) fn flags_of(flag: &Flag, audience: Audience) -> Vec<FlagDocument> {
    let Ok(finding) = serde_json::from_str::<Finding>(&flag.finding) else {
        return vec![unreadable(flag)];
    };
    // A score and a severity are of the whole finding: they tell of every rule that hit.
    let hides =
        audience == Audience::Merchant && finding.hits.iter().any(|h| is_learnt(&h.numbers));
    let document = |hit: &Hit| FlagDocument {
        rule: hit.rule.clone(),
        severity: hit.severity,
        words: match audience {
            Audience::Merchant => words_for_merchant(hit),
            Audience::Operator => hit.words.clone(),
        },
        score: (!hides).then_some(finding.score),
        numbers: (audience == Audience::Operator || !is_learnt(&hit.numbers))
            .then_some(hit.numbers),
        rule_set: finding.rule_set.clone(),
        finding_id: finding.id.clone(),
        facts_revision: finding.facts_revision,
    };
    finding.hits.iter().map(document).collect()
}

/// Whether the numbers come of what the card did at any merchant.
fn is_learnt(numbers: &Numbers) -> bool {
    matches!(
        numbers,
        Numbers::CardVelocity { .. } | Numbers::AmountDeviation { .. }
    )
}

fn words_for_merchant(hit: &Hit) -> String {
    match hit.numbers {
        Numbers::CardVelocity { .. } => {
            "more sales on the card in a short time than usual".to_owned()
        }
        Numbers::AmountDeviation { .. } => {
            "the amount is far above what is usual for the card".to_owned()
        }
        _ => hit.words.clone(),
    }
}

fn unreadable(flag: &Flag) -> FlagDocument {
    FlagDocument {
        rule: UNREADABLE.to_owned(),
        severity: Severity::Low,
        words: "a finding that this version cannot read: use a newer one".to_owned(),
        score: None,
        numbers: None,
        rule_set: UNREADABLE.to_owned(),
        finding_id: flag.event.to_string(),
        facts_revision: 0,
    }
}
