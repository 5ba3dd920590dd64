//! Both sides, side by side: each key of either is folded and compared once. What is walked is a half of
//! the keys; the halves know nothing of each other.

use super::collect::PLAIN;
use super::found::FoundHalf;
use super::links::{self, FoundLinks};
use super::{UpTo, VerifyError};
use crate::sorter::{Record, Sorted, Sorter};
use crate::state::{ids_of, item};
use std::cmp::Ordering;
use txp_domain::event::{RejectedRow, RowEvent, RowOutcome};
use txp_domain::id::EventId;
use txp_domain::position::Position;
use txp_domain::row::TransactionType;
use txp_domain::time::Timestamp;
use txp_domain::transaction::{Class, Transaction};
use txp_pipeline::verify::{Drift, DriftKind, Report, differences};

pub(super) struct Walk<'w> {
    /// What was found on this walk.
    pub(super) report: Report,
    /// What chargebacks link, and what items say of it.
    pub(super) links: Sorter,
    pub(super) up_to: UpTo,
    /// The last event read, by bucket.
    pub(super) last_by_bucket: &'w [Option<Position>],
    /// The sequences that damage has taken from the history.
    pub(super) lost: &'w [(u64, u64)],
    pub(super) key: Vec<u8>,
}

/// Which of an item's events are folded into what it is compared with.
#[derive(Clone, Copy)]
enum Limit<'p> {
    All,
    /// Those up to a position; none, if the item has met no event of its own.
    Through(Option<&'p Position>),
}

impl Limit<'_> {
    fn is_beyond(self, position: &Position) -> bool {
        match self {
            Self::All => false,
            Self::Through(None) => true,
            Self::Through(Some(last)) => position.is_after(last),
        }
    }
}

/// An item under construction.
struct Folding {
    item: Transaction,
    /// The same with the events beyond the limit, once there is one.
    ahead: Option<Transaction>,
    /// When the first event beyond the limit was appended that changes it.
    lags_since_millis: Option<i64>,
    /// Chargebacks that were accepted, and whether within the limit, with what each names.
    links: Vec<(EventId, Box<str>, bool)>,
}

impl Walk<'_> {
    /// Walks to the end of both sides. Where the state is damaged, what lies behind is not compared:
    /// then it is `false`.
    pub(super) fn all(
        &mut self,
        history: &mut Sorted,
        found: &mut FoundHalf<'_>,
    ) -> Result<bool, VerifyError> {
        history.next()?;
        if !self.step(found)? {
            return Ok(false);
        }
        loop {
            let order = match (history.current(), found.current()) {
                (None, None) => return Ok(true),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(h), Some(f)) => (h.hash, h.key).cmp(&(f.hash, f.key)),
            };
            match order {
                Ordering::Less => self.missing(history)?,
                Ordering::Equal => {
                    self.both(history, found)?;
                    if !self.step(found)? {
                        return Ok(false);
                    }
                }
                Ordering::Greater => {
                    self.unexplained(found)?;
                    if !self.step(found)? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Goes on to the next item of the state; `false` if it cannot be read.
    fn step(&mut self, found: &mut FoundHalf<'_>) -> Result<bool, VerifyError> {
        match found.step() {
            Ok(()) => Ok(true),
            Err(VerifyError::State(error)) => {
                self.report.damage.push(error.to_string());
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn both(&mut self, history: &mut Sorted, found: &FoundHalf<'_>) -> Result<(), VerifyError> {
        let (Some(record), Some(stored)) = (history.current(), found.current()) else {
            return Ok(());
        };
        self.key.clear();
        self.key.extend_from_slice(record.key);
        self.report.transactions += 1;
        let is_same = record.value.split_first() == Some((&PLAIN, stored.value));
        if is_same {
            history.next()?;
            if !self.stands_on_key(history, stored.hash) {
                return Ok(());
            }
        }
        let (merchant_id, transaction_id) = self.ids()?;
        let read = item::decode(&merchant_id, &transaction_id, stored.value);
        let limit_at = read.as_ref().and_then(|item| item.as_of.clone());
        let limit = match self.up_to {
            UpTo::Checkpoint => Limit::All,
            UpTo::EachItem { .. } => Limit::Through(limit_at.as_ref()),
        };
        let start = read.clone().filter(|_| is_same);
        let start = start.unwrap_or_else(|| Transaction::empty(&merchant_id, &transaction_id));
        let mut folding = self.fold(history, stored.hash, start, limit)?;
        let Some(item) = read else {
            let (merchant, id) = (&*merchant_id, &*transaction_id);
            let expected = Some(&folding.item);
            let kind = DriftKind::Unreadable;
            self.report
                .tell(Drift::of(kind, merchant, id, expected, None));
            return Ok(());
        };
        let is_drifted = self.judge(&folding, &item);
        if folding
            .lags_since_millis
            .is_some_and(|since| self.is_settled(since))
        {
            folding.links.iter_mut().for_each(|link| link.2 = true);
        }
        self.tell_links(&folding)?;
        if self.is_ahead(&item) || self.has_lost(&item) {
            self.tell_possible_link(&item)?;
        }
        self.found_links(stored, &item, is_drifted)
    }

    /// Whether an item is not what was folded; what is under way is counted.
    fn judge(&mut self, folding: &Folding, found: &Transaction) -> bool {
        let (merchant_id, transaction_id) = (&found.key.merchant_id, &found.key.transaction_id);
        if !differences(&folding.item, found).is_empty() {
            if self.is_ahead(found) {
                self.report.in_flight += 1;
                return false;
            }
            if self.has_lost(found) {
                self.report.unverifiable += 1;
                return false;
            }
            let (kind, expected) = (DriftKind::Differs, Some(&folding.item));
            let drift = Drift::of(kind, merchant_id, transaction_id, expected, Some(found));
            self.report.tell(drift);
            return true;
        }
        let Some(since) = folding.lags_since_millis else {
            return false;
        };
        if !self.is_settled(since) {
            self.report.in_flight += 1;
            return false;
        }
        let (kind, expected) = (DriftKind::Behind, folding.ahead.as_ref());
        let drift = Drift::of(kind, merchant_id, transaction_id, expected, Some(found));
        self.report.tell(drift);
        true
    }

    fn is_settled(&self, arrival_millis: i64) -> bool {
        match self.up_to {
            UpTo::Checkpoint => true,
            UpTo::EachItem {
                settled_before_millis,
            } => arrival_millis < settled_before_millis,
        }
    }

    /// Whether an item has met events that the history, as far as it was read, does not hold yet.
    fn is_ahead(&self, found: &Transaction) -> bool {
        if self.up_to == UpTo::Checkpoint {
            return false;
        }
        let Some(as_of) = &found.as_of else {
            return false;
        };
        let last = self.last_by_bucket.get(as_of.bucket.index());
        match last.and_then(Option::as_ref) {
            Some(last) => as_of.is_after(last),
            None => true,
        }
    }

    /// Whether an item has met events that damage has taken from the history.
    fn has_lost(&self, found: &Transaction) -> bool {
        if self.lost.is_empty() {
            return false;
        }
        let own = found.history.iter().map(|entry| &entry.position);
        own.chain(&found.as_of).any(|position| {
            let sequence = position.sequence.as_u64();
            sequence.is_some_and(|sequence| {
                let mut spans = self.lost.iter();
                spans.any(|(first, last)| (*first..=*last).contains(&sequence))
            })
        })
    }

    fn missing(&mut self, history: &mut Sorted) -> Result<(), VerifyError> {
        let Some(record) = history.current() else {
            return Ok(());
        };
        let hash = record.hash;
        self.key.clear();
        self.key.extend_from_slice(record.key);
        let (merchant_id, transaction_id) = self.ids()?;
        let start = Transaction::empty(&merchant_id, &transaction_id);
        let mut folding = self.fold(history, hash, start, Limit::All)?;
        let since = folding.item.history.first();
        let since = since.map_or(0, |entry| entry.arrival_millis);
        if !self.is_settled(since) {
            self.report.in_flight += 1;
            folding.links.iter_mut().for_each(|link| link.2 = false);
            return self.tell_links(&folding);
        }
        self.report.transactions += 1;
        let (kind, expected) = (DriftKind::Missing, Some(&folding.item));
        let drift = Drift::of(kind, &merchant_id, &transaction_id, expected, None);
        self.report.tell(drift);
        self.tell_links(&folding)?;
        let links = FoundLinks {
            is_told: true,
            ..FoundLinks::default()
        };
        links::push_found(&mut self.links, hash, &self.key, &links)?;
        Ok(())
    }

    fn unexplained(&mut self, found: &FoundHalf<'_>) -> Result<(), VerifyError> {
        let Some(stored) = found.current() else {
            return Ok(());
        };
        self.key.clear();
        self.key.extend_from_slice(stored.key);
        self.report.transactions += 1;
        let ids = ids_of(stored.key);
        let read = ids
            .and_then(|(transaction, merchant)| item::decode(merchant, transaction, stored.value));
        let Some(item) = read else {
            let (transaction_id, merchant_id) = ids.unwrap_or_default();
            let kind = DriftKind::Unreadable;
            let drift = Drift::of(kind, merchant_id, transaction_id, None, None);
            self.report.tell(drift);
            return Ok(());
        };
        let nothing = Transaction::empty(&item.key.merchant_id, &item.key.transaction_id);
        let is_placeholder = !item.disputes.is_empty() && differences(&nothing, &item).is_empty();
        if is_placeholder {
            return self.found_links(stored, &item, false);
        }
        let (is_ahead, has_lost) = (self.is_ahead(&item), self.has_lost(&item));
        if is_ahead || has_lost {
            self.report.in_flight += u64::from(is_ahead);
            self.report.unverifiable += u64::from(has_lost && !is_ahead);
            self.tell_possible_link(&item)?;
            return self.found_links(stored, &item, true);
        }
        let (merchant_id, transaction_id) = (&item.key.merchant_id, &item.key.transaction_id);
        let kind = DriftKind::Unexplained;
        let drift = Drift::of(kind, merchant_id, transaction_id, None, Some(&item));
        self.report.tell(drift);
        self.found_links(stored, &item, true)
    }

    /// Takes down what an item says of its disputes, for the second walk.
    fn found_links(
        &mut self,
        stored: Record<'_>,
        item: &Transaction,
        is_told: bool,
    ) -> Result<(), VerifyError> {
        if item.disputes.is_empty() && !is_told {
            return Ok(());
        }
        let links = FoundLinks {
            is_told,
            revision: item.as_of.is_none().then_some(item.revision),
            disputes: item.disputes.clone(),
            is_truncated: item.disputes_truncated,
        };
        links::push_found(&mut self.links, stored.hash, stored.key, &links)?;
        Ok(())
    }

    fn tell_links(&mut self, folding: &Folding) -> Result<(), VerifyError> {
        let merchant_id = &folding.item.key.merchant_id;
        for (event, original, is_made) in &folding.links {
            links::push_link(&mut self.links, merchant_id, original, *event, *is_made)?;
        }
        Ok(())
    }

    /// The link that a chargeback has made whose event the history does not hold yet.
    fn tell_possible_link(&mut self, found: &Transaction) -> Result<(), VerifyError> {
        let link = found.first.as_ref().and_then(|first| {
            let is_chargeback = first.content.kind == TransactionType::Chargeback;
            let original = first.content.original_transaction_id.as_deref();
            Some((original.filter(|_| is_chargeback)?, first.event))
        });
        if let Some((original, event)) = link {
            let merchant_id = &found.key.merchant_id;
            links::push_link(&mut self.links, merchant_id, original, event, false)?;
        }
        Ok(())
    }

    fn ids(&self) -> Result<(Box<str>, Box<str>), VerifyError> {
        let (transaction_id, merchant_id) = ids_of(&self.key).ok_or(VerifyError::Garbled)?;
        Ok((merchant_id.into(), transaction_id.into()))
    }

    fn stands_on_key(&self, history: &Sorted, hash: u64) -> bool {
        history
            .current()
            .is_some_and(|record| record.hash == hash && record.key == self.key)
    }

    /// Folds the records of the current key, in order, and leaves the history behind them.
    fn fold(
        &self,
        history: &mut Sorted,
        hash: u64,
        start: Transaction,
        limit: Limit<'_>,
    ) -> Result<Folding, VerifyError> {
        let (merchant_id, transaction_id) = self.ids()?;
        let mut folding = Folding {
            item: start,
            ahead: None,
            lags_since_millis: None,
            links: Vec::new(),
        };
        while self.stands_on_key(history, hash) {
            let alone = history
                .current()
                .and_then(|record| {
                    item::decode(&merchant_id, &transaction_id, record.value.get(1..)?)
                })
                .ok_or(VerifyError::Garbled)?;
            folding.apply(&alone, limit).ok_or(VerifyError::Garbled)?;
            history.next()?;
        }
        Ok(folding)
    }
}

impl Folding {
    /// Applies the event that a record was made of. `None` if it is no such record.
    fn apply(&mut self, alone: &Transaction, limit: Limit<'_>) -> Option<()> {
        let position = alone.as_of.as_ref()?;
        let arrival_millis = alone.history.first()?.arrival_millis;
        let is_beyond = limit.is_beyond(position);
        let item = if is_beyond {
            self.ahead.get_or_insert_with(|| self.item.clone())
        } else {
            &mut self.item
        };
        let changed = if let Some(flag) = alone.flags.first() {
            item.apply_flag(&flag.event, &flag.finding, position, arrival_millis)
        } else {
            let row = row_of(alone)?;
            if let (Class::Accepted, Some(link)) = (item.classify(&row), row.dispute_link()) {
                let original = link.original_transaction_id.into();
                self.links.push((link.event, original, !is_beyond));
            }
            item.apply_row(&row, position, arrival_millis).changed
        };
        if is_beyond && changed {
            self.lags_since_millis.get_or_insert(arrival_millis);
        }
        Some(())
    }
}

/// The row that a record was made of.
fn row_of(alone: &Transaction) -> Option<RowEvent<'_>> {
    let (merchant_id, transaction_id) = (&*alone.key.merchant_id, &*alone.key.transaction_id);
    if let Some(first) = &alone.first {
        return Some(RowEvent {
            upload_id: first.event.upload_id,
            uploaded_at: first.uploaded_at,
            record: first.event.record,
            line: first.line,
            outcome: RowOutcome::Valid {
                facts: first.facts(merchant_id, transaction_id),
                key_id: &first.content.key_id,
            },
        });
    }
    let rejection = alone.rejection.as_ref()?;
    Some(RowEvent {
        upload_id: rejection.event.upload_id,
        // Nothing of a rejected row's arrival is kept in an item.
        uploaded_at: Timestamp::EPOCH,
        record: rejection.event.record,
        line: rejection.line,
        outcome: RowOutcome::Rejected(RejectedRow {
            ids: Some((merchant_id, transaction_id)),
            violations: &rejection.violations,
        }),
    })
}
