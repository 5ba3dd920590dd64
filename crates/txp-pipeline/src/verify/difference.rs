//! What two versions of one item say differently, field by field, as the item's document names them.

use crate::document::{AsOfDocument, Audience, PositionDocument, transaction_document};
use serde::Serialize;
use serde_json::Value;
use txp_domain::transaction::{Transaction, Writer};

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The field, as the document of a transaction names it.
    pub field: String,
    /// What the history makes of it.
    pub expected: Value,
    /// What the state says.
    pub found: Value,
}

/// What is told of a part that no document shows.
const NOT_SHOWN: &str = "not shown";

/// The fields in which an item differs from what its history makes of it. Disputes are not compared:
/// `expected` has none. Both are of the same key.
#[must_use]
pub fn differences(expected: &Transaction, found: &Transaction) -> Vec<Difference> {
    let found = without_disputes(found, expected);
    let expected = &Transaction {
        writer: Writer::Live,
        ..expected.clone()
    };
    if *expected == found {
        return Vec::new();
    }
    let (one, other) = (fields(expected), fields(&found));
    let mut differing: Vec<Difference> = one
        .into_iter()
        .filter_map(|(field, expected)| {
            let found = other.get(&field).cloned().unwrap_or(Value::Null);
            (expected != found).then_some(Difference {
                field,
                expected,
                found,
            })
        })
        .collect();
    let hidden = [
        ("card_fingerprint", card(expected) != card(&found)),
        ("conflicts", expected.conflicts != found.conflicts),
        ("flags", expected.flags != found.flags),
        ("rejection", expected.rejection != found.rejection),
    ];
    for (field, differs) in hidden {
        if differs && differing.iter().all(|known| known.field != field) {
            differing.push(Difference {
                field: field.to_owned(),
                expected: NOT_SHOWN.into(),
                found: NOT_SHOWN.into(),
            });
        }
    }
    differing
}

/// The item as it would be had nobody disputed it, by its writer's leave. Each link made one revision,
/// as long as all of them are kept; of more than are kept, nobody knows how many did.
fn without_disputes(found: &Transaction, expected: &Transaction) -> Transaction {
    let links = found.disputes.len() as u64;
    Transaction {
        revision: match found.disputes_truncated {
            true => expected.revision,
            false => found.revision.saturating_sub(links),
        },
        disputes: Vec::new(),
        disputes_truncated: false,
        writer: Writer::Live,
        ..found.clone()
    }
}

fn card(item: &Transaction) -> Option<(&[u8], &str)> {
    let content = &item.first.as_ref()?.content;
    Some((&content.fingerprint.0, &content.key_id))
}

fn fields(item: &Transaction) -> serde_json::Map<String, Value> {
    let document = transaction_document(item, None, AsOfDocument::of(item), Audience::Operator);
    let Ok(Value::Object(mut fields)) = serde_json::to_value(&document) else {
        return serde_json::Map::new();
    };
    // Its time is that of the history, which is compared by itself.
    let as_of = item.as_of.as_ref().map(PositionDocument::from);
    fields.insert(
        "as_of".to_owned(),
        serde_json::to_value(as_of).unwrap_or_default(),
    );
    fields
}
