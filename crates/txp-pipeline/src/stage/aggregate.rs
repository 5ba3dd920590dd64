//! Folding the history into the state of transactions and uploads.
//!
//! Rows are folded per key, in order. Nearly every row is the first with its key: those go to the
//! store together, one conditional put each and no read. The rest is read, folded and written if
//! unchanged meanwhile. After the states come the watermarks; a crash in between means that rows
//! are seen again, classed again as before, and counted once.
//!
//! What it hands on is the change feed: the judgements that are due, in order.
//!
//! Items say who wrote them. A replay may be ahead of the running pipeline in a table that both write
//! to: an item that the replay wrote and whose row the running one meets for the first time is written
//! again as its own, unchanged, so that the table's stream makes the judgement due that no replay ever
//! does.
//!
//! [`Aggregator::fold_recorded`] does the same from the history's bytes, as a stream delivers them. There
//! a stored item that is damaged does not stop the batch: what needs it is put aside like an event
//! that cannot be read.

mod damage;
mod history;
mod progress;

use crate::batch::Delivery;
use crate::port::{
    CONFLICT_ATTEMPTS_MAX, ErrorKind, PortError, TransactionStore, UploadStore, Written,
};
use crate::telemetry::{Metric, count};
use damage::{Aside, Nowhere};
pub use history::{Folded, STAGE};
use progress::Progress;
use txp_domain::event::{AnomalyFlagged, Event, RowEvent};
use txp_domain::transaction::{
    Applied, Class, DisputeLink, FIRST_FACTS_REVISION, FirstAccepted, FreshTransaction,
    Transaction, Writer,
};
use txp_domain::upload::ClassCounts;
use xxhash_rust::xxh3::xxh3_64;

/// A judgement that is due: a transaction's facts have changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The index of the delivery that changed them.
    pub delivery: usize,
    /// The facts' revision since.
    pub facts_revision: u32,
    /// The row that stands, where the delivery is a new conflict with it.
    pub standing: Option<Box<FirstAccepted>>,
}

/// What folding a batch gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The rows that were counted: those whose watermark was moved.
    pub counted: ClassCounts,
    /// The judgements that are due, by delivery. They are due even if the batch failed: what was
    /// counted before is a repeat when it is delivered again, and is not told of again.
    pub changes: Vec<Change>,
    /// The findings that were folded into their transactions, by delivery. One that is delivered
    /// again is told of again: an alert is recognised by its id.
    pub flagged: Vec<usize>,
    /// The first delivery that was not folded, and why; those after it may have been. All of the
    /// batch from there on is to be delivered again.
    pub failed: Option<(usize, PortError)>,
    /// The deliveries that can never be folded, because what is stored for them is damaged, and why.
    /// They are put aside; without a place for them the first is a failure.
    damaged: Vec<(usize, String)>,
}

/// The stage, with its buffers.
#[derive(Debug, Default)]
pub struct Aggregator {
    writer: Writer,
    progress: Progress,
    classes: Vec<Option<Class>>,
    keyed: Vec<Keyed>,
    inserted: Vec<bool>,
}

/// A delivery that touches a transaction: the hash of the transaction's key above the delivery's
/// index, in one number, because sorting plain numbers costs a third of sorting pairs.
///
/// The order is that of the transaction ids' hash first: a store that keeps its items in that order
/// is visited from front to back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Keyed(u128);

impl Keyed {
    /// Bits of the hash that tell the merchants of one transaction id apart.
    const MERCHANT_BITS: u64 = (1 << 20) - 1;

    fn new(merchant_id: &str, transaction_id: &str, delivery: usize) -> Self {
        let hash = xxh3_64(transaction_id.as_bytes()) & !Self::MERCHANT_BITS
            | xxh3_64(merchant_id.as_bytes()) & Self::MERCHANT_BITS;
        Self(u128::from(hash) << 64 | delivery as u128)
    }

    fn hash(self) -> u128 {
        self.0 >> 64
    }

    fn delivery(self) -> usize {
        usize::try_from(self.0 & u128::from(u64::MAX)).unwrap_or(usize::MAX)
    }
}

impl Aggregator {
    /// The stage as a replay runs it: its items say so.
    #[must_use]
    pub fn of_replay(id: &str) -> Self {
        Self {
            writer: Writer::Replay(id.into()),
            ..Self::default()
        }
    }

    /// Folds a batch, in the order of its deliveries.
    pub async fn fold<S: TransactionStore + UploadStore>(
        &mut self,
        store: &mut S,
        deliveries: &[Delivery<'_>],
    ) -> Outcome {
        self.fold_around(store, &mut Nowhere, deliveries).await
    }

    /// Folds a batch around what is damaged, where that can be put `aside`.
    async fn fold_around<S: TransactionStore + UploadStore, A: Aside>(
        &mut self,
        store: &mut S,
        aside: &mut A,
        deliveries: &[Delivery<'_>],
    ) -> Outcome {
        let mut outcome = Outcome::default();
        self.classes.clear();
        self.classes.resize(deliveries.len(), None);
        self.progress.begin();
        let mut work = Work {
            writer: &self.writer,
            deliveries,
            outcome: &mut outcome,
            classes: &mut self.classes,
            passes_over_damage: A::IS_THERE,
        };
        match self.progress.load(store, deliveries, A::IS_THERE).await {
            Ok(()) => {
                work.sort_by_key(&mut self.progress, &mut self.keyed);
                work.fold_keys(store, &self.keyed, &mut self.inserted).await;
                // Before the watermarks move: what comes again behind them is a repeat.
                work.put_aside(aside, &self.progress).await;
                let end = work
                    .outcome
                    .failed
                    .as_ref()
                    .map_or(deliveries.len(), |(at, _)| *at);
                match self
                    .progress
                    .advance(store, deliveries, work.classes, end)
                    .await
                {
                    Ok(damaged) => work.outcome.damaged.extend(damaged),
                    Err(failed) => work.fail(failed.0, failed.1),
                }
                work.put_aside(aside, &self.progress).await;
            }
            // Nothing was folded, whichever delivery the watermark was asked for.
            Err(error) => work.fail(0, error),
        }
        outcome.counted = self.progress.counted();
        outcome
            .changes
            .sort_unstable_by_key(|change| change.delivery);
        outcome.flagged.sort_unstable();
        outcome
    }
}

/// One batch at work.
struct Work<'a, 'd> {
    writer: &'a Writer,
    deliveries: &'a [Delivery<'d>],
    outcome: &'a mut Outcome,
    classes: &'a mut Vec<Option<Class>>,
    passes_over_damage: bool,
}

impl<'d> Work<'_, 'd> {
    fn fail(&mut self, delivery: usize, error: PortError) {
        if self
            .outcome
            .failed
            .as_ref()
            .is_none_or(|(at, _)| delivery < *at)
        {
            self.outcome.failed = Some((delivery, error));
        }
    }

    /// Finds the deliveries that touch a transaction, those of one transaction side by side in
    /// order. Repeats are left out.
    fn sort_by_key(&mut self, progress: &mut Progress, keyed: &mut Vec<Keyed>) {
        keyed.clear();
        for (index, delivery) in self.deliveries.iter().enumerate() {
            let ids = match &delivery.event {
                Event::Row(row) if progress.damage(row.upload_id).is_some() => None,
                Event::Row(row) if progress.is_repeat(row, delivery.position.bucket) => None,
                Event::Row(row) => row.ids().or_else(|| {
                    self.class(index, Class::Rejected);
                    None
                }),
                Event::AnomalyFlagged(flagged) => Some(flagged.ids()),
                _ => None,
            };
            if let Some((merchant_id, transaction_id)) = ids {
                keyed.push(Keyed::new(merchant_id, transaction_id, index));
            }
        }
        keyed.sort_unstable();
    }

    fn class(&mut self, delivery: usize, class: Class) {
        if let Some(slot) = self.classes.get_mut(delivery) {
            *slot = Some(class);
        }
    }

    fn delivery(&self, keyed: &Keyed) -> Option<&'_ Delivery<'d>> {
        self.deliveries.get(keyed.delivery())
    }

    async fn fold_keys<S: TransactionStore>(
        &mut self,
        store: &mut S,
        keyed: &[Keyed],
        inserted: &mut Vec<bool>,
    ) {
        let groups = || keyed.chunk_by(|a, b| a.hash() == b.hash());
        let (deliveries, writer) = (self.deliveries, self.writer);
        let mut fresh: Vec<FreshTransaction<'_>> = Vec::with_capacity(keyed.len());
        let candidates = groups().filter_map(|group| candidate(deliveries, group));
        fresh.extend(candidates.map(|fresh| fresh.written_by(writer)));
        if let Err(error) = store.insert_new(&fresh, inserted).await {
            // Which of them are stored is not known; their rows are classed again next time.
            let first = keyed.iter().map(|k| k.delivery()).min().unwrap_or(0);
            self.fail(first, error);
            return;
        }
        let mut answers = inserted.iter().copied();
        let mut rest = Vec::new();
        for group in groups() {
            let is_new = candidate(deliveries, group).is_some() && answers.next().unwrap_or(false);
            let left = if is_new {
                self.first_sight(group)
            } else {
                group
            };
            if !left.is_empty() {
                rest.push(left);
            }
        }
        self.fold_rest(store, &rest).await;
    }

    /// Folds what was not the first sight of its transaction, key by key.
    async fn fold_rest<S: TransactionStore>(&mut self, store: &mut S, rest: &[&[Keyed]]) {
        let first = rest.iter().copied().flatten().map(|k| k.delivery()).min();
        let Some(first) = first else {
            return;
        };
        let deliveries = self.deliveries;
        let mut keys: Vec<_> = rest
            .iter()
            .copied()
            .flatten()
            .filter_map(|keyed| deliveries.get(keyed.delivery()))
            .flat_map(|delivery| loaded_keys(&delivery.event))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        if let Err(error) = store.prepare(&keys).await {
            self.fail(first, error);
            return;
        }
        for group in rest {
            if let Err((at, error)) = self.fold_group(store, group).await {
                self.fail(at, error);
            }
        }
    }

    /// Takes the first of a group as inserted.
    fn first_sight<'g>(&mut self, group: &'g [Keyed]) -> &'g [Keyed] {
        let Some((first, rest)) = group.split_first() else {
            return group;
        };
        let delivery = first.delivery();
        self.class(delivery, Class::Accepted);
        self.outcome.changes.push(Change {
            delivery,
            facts_revision: FIRST_FACTS_REVISION,
            standing: None,
        });
        rest
    }

    /// Folds what is left of a group, one event after the other. Keys whose hashes collide share a
    /// group: each event looks up its own item.
    async fn fold_group<S: TransactionStore>(
        &mut self,
        store: &mut S,
        group: &[Keyed],
    ) -> Result<(), (usize, PortError)> {
        for keyed in group {
            let index = keyed.delivery();
            let Some(delivery) = self.delivery(keyed).cloned() else {
                continue;
            };
            match &delivery.event {
                Event::Row(row) => self.fold_row(store, index, &delivery, row).await,
                Event::AnomalyFlagged(flagged) => {
                    self.fold_flag(store, index, &delivery, flagged).await
                }
                _ => Ok(()),
            }
            .or_else(|error| self.pass_over(index, error))
            .map_err(|error| (index, error))?;
        }
        Ok(())
    }

    async fn fold_row<S: TransactionStore>(
        &mut self,
        store: &mut S,
        index: usize,
        delivery: &Delivery<'_>,
        row: &RowEvent<'_>,
    ) -> Result<(), PortError> {
        let Some((merchant_id, transaction_id)) = row.ids() else {
            return Ok(());
        };
        for _ in 0..CONFLICT_ATTEMPTS_MAX {
            let stored = store.load(merchant_id, transaction_id).await?;
            let expected = stored.as_ref().map_or(0, |item| item.revision);
            let mut item =
                stored.unwrap_or_else(|| Transaction::empty(merchant_id, transaction_id));
            if let (Class::Accepted, Some(link)) = (item.classify(row), row.dispute_link()) {
                // Before the item: were it after, a crash in between would lose the link.
                link_dispute(store, &link, self.writer).await?;
            }
            let applied = item.apply_row(row, &delivery.position, delivery.arrival_millis);
            let is_taken_over = applied.facts_revision.is_some()
                && *self.writer == Writer::Live
                && item.writer != Writer::Live;
            let is_written = applied.changed || is_taken_over;
            if is_written {
                item.writer.clone_from(self.writer);
            }
            if is_written && store.store(&item, expected).await? == Written::Conflict {
                count(Metric::WriteConflicts, 1);
                continue;
            }
            self.class(index, applied.class);
            self.hand_on(index, &item, applied);
            return Ok(());
        }
        Err(contended())
    }

    fn hand_on(&mut self, delivery: usize, item: &Transaction, applied: Applied) {
        if let Some(facts_revision) = applied.facts_revision {
            let conflict = applied.class == Class::Conflict;
            let standing = item.first.clone().filter(|_| conflict).map(Box::new);
            self.outcome.changes.push(Change {
                delivery,
                facts_revision,
                standing,
            });
        }
    }

    /// An item that is nowhere yet.
    fn unseen(&self, merchant_id: &str, transaction_id: &str) -> Transaction {
        unseen(merchant_id, transaction_id, self.writer)
    }

    async fn fold_flag<S: TransactionStore>(
        &mut self,
        store: &mut S,
        index: usize,
        delivery: &Delivery<'_>,
        flagged: &AnomalyFlagged,
    ) -> Result<(), PortError> {
        let (merchant_id, transaction_id) = flagged.ids();
        let event = flagged.id();
        let finding = serde_json::to_string(flagged).map_err(|error| {
            PortError::caused(
                ErrorKind::Permanent,
                "a finding cannot be written as JSON",
                error,
            )
        })?;
        for _ in 0..CONFLICT_ATTEMPTS_MAX {
            let stored = store.load(merchant_id, transaction_id).await?;
            let expected = stored.as_ref().map_or(0, |item| item.revision);
            let mut item = stored.unwrap_or_else(|| self.unseen(merchant_id, transaction_id));
            if item.apply_flag(event, &finding, &delivery.position, delivery.arrival_millis)
                && store.store(&item, expected).await? == Written::Conflict
            {
                count(Metric::WriteConflicts, 1);
                continue;
            }
            self.outcome.flagged.push(index);
            return Ok(());
        }
        Err(contended())
    }
}

/// The first event of a group, where it may be the first sight of its transaction: any valid row
/// but a chargeback, whose link must be written before it.
fn candidate<'a>(deliveries: &'a [Delivery<'_>], group: &[Keyed]) -> Option<FreshTransaction<'a>> {
    let delivery = deliveries.get(group.first()?.delivery())?;
    match &delivery.event {
        Event::Row(row) if row.dispute_link().is_none() => {
            FreshTransaction::of(row, &delivery.position, delivery.arrival_millis)
        }
        _ => None,
    }
}

/// The items that folding an event loads.
fn loaded_keys<'a>(event: &'a Event<'_>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let (own, original) = match event {
        Event::Row(row) => (row.ids(), row.dispute_link()),
        Event::AnomalyFlagged(flagged) => (Some(flagged.ids()), None),
        _ => (None, None),
    };
    let original = original.map(|link| (link.merchant_id, link.original_transaction_id));
    own.into_iter().chain(original)
}

fn unseen(merchant_id: &str, transaction_id: &str, writer: &Writer) -> Transaction {
    Transaction {
        writer: writer.clone(),
        ..Transaction::empty(merchant_id, transaction_id)
    }
}

/// A link makes no judgement due, so it leaves the item to whoever wrote it.
async fn link_dispute<S: TransactionStore>(
    store: &mut S,
    link: &DisputeLink<'_>,
    writer: &Writer,
) -> Result<(), PortError> {
    let (merchant_id, transaction_id) = (link.merchant_id, link.original_transaction_id);
    for _ in 0..CONFLICT_ATTEMPTS_MAX {
        let stored = store.load(merchant_id, transaction_id).await?;
        let expected = stored.as_ref().map_or(0, |item| item.revision);
        let mut item = stored.unwrap_or_else(|| unseen(merchant_id, transaction_id, writer));
        let is_new = item.link_dispute(link.event);
        if !is_new || store.store(&item, expected).await? == Written::Stored {
            return Ok(());
        }
        count(Metric::WriteConflicts, 1);
    }
    Err(contended())
}

fn contended() -> PortError {
    PortError::new(
        ErrorKind::Transient,
        "an item was changed by others each time that it was to be written; try again",
    )
}

#[cfg(test)]
pub(crate) mod tests;
