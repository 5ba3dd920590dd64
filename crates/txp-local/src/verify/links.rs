//! Disputes: a set of links that the events of other items make, compared in a walk of its own.

use super::VerifyError;
use crate::sorter::{SortError, Sorted, Sorter};
use crate::state::{ids_of, transaction_key};
use serde_json::Value;
use txp_domain::id::EventId;
use txp_domain::transaction::{DISPUTES_MAX, Transaction};
use txp_pipeline::verify::{Difference, Drift, DriftKind, Report};

/// A link that must be there.
const MADE: u8 = 0;
/// A link that may be there: its chargeback is under way.
const POSSIBLE: u8 = 1;
/// What the item says.
const FOUND: u8 = 2;

/// What an item says of its disputes.
#[derive(Debug, Default)]
pub(super) struct FoundLinks {
    /// Whether something else is wrong with it, which is told already.
    pub(super) is_told: bool,
    /// Of an item that has links and nothing else.
    pub(super) revision: Option<u64>,
    pub(super) disputes: Vec<EventId>,
    pub(super) is_truncated: bool,
}

pub(super) fn push_link(
    links: &mut Sorter,
    merchant_id: &str,
    original_transaction_id: &str,
    event: EventId,
    is_made: bool,
) -> Result<(), SortError> {
    let mut key = Vec::new();
    let hash = transaction_key(merchant_id, original_transaction_id, &mut key);
    links.push(hash, &key, |out| {
        out.push(if is_made { MADE } else { POSSIBLE });
        event.write(out);
    })
}

pub(super) fn push_found(
    links: &mut Sorter,
    hash: u64,
    key: &[u8],
    found: &FoundLinks,
) -> Result<(), SortError> {
    links.push(hash, key, |out| {
        out.extend_from_slice(&[
            FOUND,
            u8::from(found.is_told),
            u8::from(found.is_truncated),
            u8::from(found.revision.is_some()),
        ]);
        out.extend_from_slice(&found.revision.unwrap_or(0).to_le_bytes());
        for event in &found.disputes {
            event.write(out);
            out.push(b' ');
        }
    })
}

fn read_found(value: &[u8]) -> Option<FoundLinks> {
    let ([told, truncated, has_revision], rest) = value.split_first_chunk::<3>()?;
    let (revision, rest) = rest.split_first_chunk::<8>()?;
    let disputes = rest.split(|byte| *byte == b' ').filter(|id| !id.is_empty());
    Some(FoundLinks {
        is_told: *told != 0,
        is_truncated: *truncated != 0,
        revision: (*has_revision != 0).then(|| u64::from_le_bytes(*revision)),
        disputes: disputes.map(EventId::parse).collect::<Option<_>>()?,
    })
}

/// The links of one item. The set itself is kept by the item's own code, in whatever order they come.
struct Linked {
    made: Transaction,
    possible: Transaction,
    found: FoundLinks,
}

/// Compares the links that chargebacks make with what items say: all of them, if it is known that none
/// is under way or lost.
pub(super) fn compare(
    mut links: Sorted,
    is_exact: bool,
    report: &mut Report,
) -> Result<(), VerifyError> {
    let mut current: Option<(Vec<u8>, Linked)> = None;
    while let Some(record) = links.next()? {
        if current.as_ref().is_none_or(|(key, _)| key != record.key) {
            if let Some((_, linked)) = current.take() {
                linked.judge(is_exact, report);
            }
            let (id, merchant) = ids_of(record.key).ok_or(VerifyError::Garbled)?;
            let linked = Linked {
                made: Transaction::empty(merchant, id),
                possible: Transaction::empty(merchant, id),
                found: FoundLinks::default(),
            };
            current = Some((record.key.to_vec(), linked));
        }
        if let Some((_, linked)) = &mut current {
            linked.take(record.value).ok_or(VerifyError::Garbled)?;
        }
    }
    if let Some((_, linked)) = current {
        linked.judge(is_exact, report);
    }
    Ok(())
}

impl Linked {
    fn take(&mut self, value: &[u8]) -> Option<()> {
        match value.split_first()? {
            (&MADE, event) => {
                self.made.link_dispute(EventId::parse(event)?);
            }
            (&POSSIBLE, event) => {
                self.possible.link_dispute(EventId::parse(event)?);
            }
            (&FOUND, found) => self.found = read_found(found)?,
            _ => return None,
        }
        Some(())
    }

    fn judge(&self, is_exact: bool, report: &mut Report) {
        if self.is_equal() || !is_exact && self.is_possible() {
            return;
        }
        let key = &self.made.key;
        let ids = |events: &[EventId]| -> Value {
            events
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .into()
        };
        let mut drift = Drift::of(
            DriftKind::Differs,
            &key.merchant_id,
            &key.transaction_id,
            None,
            None,
        );
        drift.fields.push(Difference {
            field: "disputes".to_owned(),
            expected: ids(&self.made.disputes),
            found: ids(&self.found.disputes),
        });
        match self.found.is_told {
            // It is counted; here is what else is wrong with it.
            true => {
                let merchant_id = &drift.merchant_id;
                let told = report.drifts.iter_mut().find(|told| {
                    told.transaction_id == drift.transaction_id && told.merchant_id == *merchant_id
                });
                if let Some(told) = told {
                    told.fields.append(&mut drift.fields);
                }
            }
            false => report.tell(drift),
        }
    }

    fn is_equal(&self) -> bool {
        let links = self.found.disputes.len() as u64;
        let is_revision_sound =
            self.found.is_truncated || self.found.revision.is_none_or(|revision| revision == links);
        // One that is missing as a whole, and told, lacks its links too.
        let is_absent = self.found.is_told && self.found.disputes.is_empty();
        is_absent
            || is_revision_sound
                && self.made.disputes == self.found.disputes
                && self.made.disputes_truncated == self.found.is_truncated
    }

    /// Whether chargebacks under way explain what is more than must be there. Of more than an item
    /// keeps, nobody can tell.
    fn is_possible(&self) -> bool {
        let found = &self.found.disputes;
        let has = |set: &Transaction, event: &EventId| set.disputes.binary_search(event).is_ok();
        found.len() == DISPUTES_MAX
            || self.made.disputes.iter().all(|event| found.contains(event))
                && found
                    .iter()
                    .all(|event| has(&self.made, event) || has(&self.possible, event))
    }
}
