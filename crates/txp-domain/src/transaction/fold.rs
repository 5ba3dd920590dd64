//! `decide` and `evolve`: how one event changes one item.

use super::content::{Content, KeptConflict, Standing};
use super::{
    CONFLICTS_MAX, DISPUTES_MAX, FLAGS_MAX, FirstAccepted, Flag, HISTORY_MAX, HistoryEntry,
    HistoryEvent, Rejection, Transaction,
};
use crate::event::{RejectedRow, RowEvent, RowOutcome};
use crate::id::EventId;
use crate::position::Position;
use crate::row::{CardFacts, Facts, TimeSource, TransactionType};

/// What a row is, beside the item's first accepted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// It is the first accepted event.
    Accepted = 0,
    /// It is invalid.
    Rejected = 1,
    /// It says what the first accepted event says.
    Duplicate = 2,
    /// It says something else; the first stands.
    Conflict = 3,
}

impl Class {
    /// The name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
        }
    }
}

/// The facts' revision that the first accepted event makes; each kept conflict makes the next.
pub const FIRST_FACTS_REVISION: u32 = 1;

/// What one row did to one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What the row is.
    pub class: Class,
    /// Whether the item changed and must be written.
    pub changed: bool,
    /// The facts' revision that this row made, where it made one: a judgement is due. A redelivered
    /// row says it again; the judge recognises it.
    pub facts_revision: Option<u32>,
}

/// The transaction that an accepted chargeback names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisputeLink<'a> {
    /// The merchant of both.
    pub merchant_id: &'a str,
    /// The original's id.
    pub original_transaction_id: &'a str,
    /// The chargeback's event.
    pub event: EventId,
}

impl RowEvent<'_> {
    /// The event's id, as the state keeps it.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        EventId {
            upload_id: self.upload_id,
            record: self.record,
        }
    }

    /// The link that this row makes once its own item classes it accepted.
    #[must_use]
    pub fn dispute_link(&self) -> Option<DisputeLink<'_>> {
        match &self.outcome {
            RowOutcome::Valid { facts, .. } if facts.kind == TransactionType::Chargeback => facts
                .original_transaction_id
                .map(|original_transaction_id| DisputeLink {
                    merchant_id: facts.merchant_id,
                    original_transaction_id,
                    event: self.event_id(),
                }),
            _ => None,
        }
    }
}

impl Transaction {
    /// What a row is for this item, without changing it.
    #[must_use]
    pub fn classify(&self, row: &RowEvent<'_>) -> Class {
        let RowOutcome::Valid { facts, key_id } = &row.outcome else {
            return Class::Rejected;
        };
        match &self.first {
            None => Class::Accepted,
            Some(first) if first.event == row.event_id() => Class::Accepted,
            Some(first) if first.standing().equals(facts, key_id) => Class::Duplicate,
            Some(_) => Class::Conflict,
        }
    }

    /// Applies one of the item's own row events. Applying it again changes nothing.
    pub fn apply_row(
        &mut self,
        row: &RowEvent<'_>,
        position: &Position,
        arrival_millis: i64,
    ) -> Applied {
        let class = self.classify(row);
        let seen = self
            .as_of
            .as_ref()
            .is_some_and(|as_of| !position.is_after(as_of));
        let (changed, facts_revision) = match (&row.outcome, class) {
            (RowOutcome::Valid { facts, key_id }, Class::Accepted) => {
                let changed = self.first.is_none();
                if changed {
                    self.first = Some(FirstAccepted::of(row, facts, key_id));
                    self.rejection = None;
                }
                (changed, Some(FIRST_FACTS_REVISION))
            }
            (RowOutcome::Valid { facts, key_id }, Class::Conflict) => {
                self.keep_conflict(row.event_id(), KeptConflict::of(row, facts, key_id), seen)
            }
            (RowOutcome::Rejected(rejected), _) => {
                (!seen && self.keep_rejection(row, rejected), None)
            }
            (RowOutcome::Valid { .. }, _) => (false, None),
        };
        if changed {
            let disputed = row.dispute_link().is_some();
            self.record(
                HistoryEvent::Row {
                    event: row.event_id(),
                    disputed,
                    class,
                },
                position,
                arrival_millis,
            );
            self.facts_revision = self.facts_revision.max(facts_revision.unwrap_or(0));
        }
        Applied {
            class,
            changed,
            facts_revision,
        }
    }

    /// Keeps a new conflicting content. Says whether the item changed, and which facts' revision
    /// the row made, now or when it came first.
    fn keep_conflict(
        &mut self,
        event: EventId,
        conflict: KeptConflict,
        seen: bool,
    ) -> (bool, Option<u32>) {
        let revision_of =
            |at: usize| FIRST_FACTS_REVISION + 1 + u32::try_from(at).unwrap_or(u32::MAX - 2);
        let mut kept = self.conflicts.iter();
        if let Some(at) = kept.position(|kept| kept.digest == conflict.digest) {
            let is_known = self.history.iter().any(
                |entry| matches!(&entry.what, HistoryEvent::Row { event: known, .. } if *known == event),
            );
            // A full history does not tell which event brought the content: one judgement too many
            // gives the same finding again, one too few loses it.
            let is_redelivered = is_known || (seen && self.history_truncated);
            return (false, is_redelivered.then(|| revision_of(at)));
        }
        if seen {
            return (false, None);
        }
        if self.conflicts.len() < CONFLICTS_MAX {
            self.conflicts.push(conflict);
            return (true, Some(revision_of(self.conflicts.len() - 1)));
        }
        (
            !std::mem::replace(&mut self.conflicts_truncated, true),
            None,
        )
    }

    fn keep_rejection(&mut self, row: &RowEvent<'_>, rejected: &RejectedRow<'_>) -> bool {
        let event = row.event_id();
        let known = self.rejection.as_ref().is_some_and(|r| r.event == event);
        if self.first.is_some() || known {
            return false;
        }
        self.rejection = Some(Rejection {
            event,
            line: row.line,
            violations: rejected.violations.into(),
        });
        true
    }

    /// Links a chargeback. The result is the same in whatever order links come, and however often.
    /// Says whether the item changed.
    pub fn link_dispute(&mut self, event: EventId) -> bool {
        let Err(at) = self.disputes.binary_search(&event) else {
            return false;
        };
        let mut changed = false;
        if at < DISPUTES_MAX {
            self.disputes.insert(at, event);
            changed = true;
        }
        if self.disputes.len() > DISPUTES_MAX || at >= DISPUTES_MAX {
            self.disputes.truncate(DISPUTES_MAX);
            changed |= !std::mem::replace(&mut self.disputes_truncated, true);
        }
        self.revision += u64::from(changed);
        changed
    }

    /// Applies a finding: `event` is the id of the `anomaly.flagged` event, `finding` its data as
    /// JSON. Says whether the item changed. A finding never makes a judgement due.
    pub fn apply_flag(
        &mut self,
        event: &str,
        finding: &str,
        position: &Position,
        arrival_millis: i64,
    ) -> bool {
        if self.flags.len() >= FLAGS_MAX || self.flags.iter().any(|flag| *flag.event == *event) {
            return false;
        }
        self.flags.push(Flag {
            event: event.into(),
            finding: finding.into(),
        });
        self.record(
            HistoryEvent::Flagged {
                event: event.into(),
            },
            position,
            arrival_millis,
        );
        true
    }

    fn record(&mut self, what: HistoryEvent, position: &Position, arrival_millis: i64) {
        if self.history.len() < HISTORY_MAX {
            self.history.push(HistoryEntry {
                what,
                position: position.clone(),
                arrival_millis,
            });
        } else {
            self.history_truncated = true;
        }
        self.revision += 1;
        self.as_of = Some(position.clone());
    }
}

impl FirstAccepted {
    fn of(row: &RowEvent<'_>, facts: &Facts<'_>, key_id: &str) -> Self {
        Self {
            event: row.event_id(),
            line: row.line,
            content: Content::of(facts, key_id),
            last4: facts.card.last4,
            brand: facts.card.brand,
            timestamp: facts.timestamp,
            time_source: facts.time_source,
            uploaded_at: row.uploaded_at,
        }
    }

    /// The row's facts, for the ids that the item is called by.
    #[must_use]
    pub fn facts<'a>(&'a self, merchant_id: &'a str, transaction_id: &'a str) -> Facts<'a> {
        let content = &self.content;
        Facts {
            transaction_id,
            merchant_id,
            amount: content.amount,
            currency: content.currency,
            kind: content.kind,
            original_transaction_id: content.original_transaction_id.as_deref(),
            terminal_id: content.terminal_id.as_deref(),
            country: content.country,
            mcc: content.mcc,
            timestamp: self.timestamp,
            time_source: self.time_source,
            card: CardFacts {
                last4: self.last4,
                brand: self.brand,
                fingerprint: content.fingerprint,
            },
        }
    }

    /// What a later row is compared with.
    #[must_use]
    pub fn standing(&self) -> Standing<'_> {
        Standing {
            content: &self.content,
            last4: self.last4,
            brand: self.brand,
            timestamp: (self.time_source == TimeSource::File).then_some(self.timestamp),
        }
    }
}
