//! The stage: folds typed events into a state, as the running pipeline does, and does nothing else.
//!
//! There is no sink for events and none for alerts in its type, so whatever a history holds, replaying
//! it appends nothing and tells no one; what it writes says `replay:{id}`, by which the feed of a
//! table that it shares with the running pipeline leaves it out.

use super::batch::ReadBatch;
use crate::batch::Delivery;
use crate::port::{PortError, TransactionStore, UploadStore};
use crate::stage::aggregate::Aggregator;
use txp_domain::event::{Event, RulesetActivated, RulesetShadowed};
use txp_domain::upload::ClassCounts;

/// Events folded in one go.
const FOLD_EVENTS: usize = 2048;

/// The stage, and what it has counted.
#[derive(Debug)]
pub struct Replay {
    aggregator: Aggregator,
    /// What was replayed so far.
    pub counted: Counted,
    /// The last rules that were activated.
    pub rules: Option<Box<RulesetActivated>>,
    /// The last change of the rules that are tried.
    pub shadow: Option<Box<RulesetShadowed>>,
}

/// What was replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Events, those that cannot be read among them.
    pub events: u64,
    /// Events that cannot be read.
    pub unreadable: u64,
    /// Rows by class, each once.
    pub rows: ClassCounts,
    /// Findings that were folded into their transactions.
    pub findings: u64,
    /// When the last event was appended, Unix milliseconds.
    pub arrival_millis: i64,
    /// The last event's sequence, where it fits.
    pub sequence: u64,
}

impl Replay {
    /// A replay that writes under this id.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            aggregator: Aggregator::of_replay(id),
            counted: Counted::default(),
            rules: None,
            shadow: None,
        }
    }

    /// Folds a batch, in order. Folding it again changes nothing.
    ///
    /// # Errors
    /// The store failed; the batch is to be folded again.
    pub async fn fold<S: TransactionStore + UploadStore>(
        &mut self,
        store: &mut S,
        batch: &ReadBatch,
    ) -> Result<(), PortError> {
        let mut events = batch.deliveries();
        loop {
            let deliveries: Vec<Delivery<'_>> = events.by_ref().take(FOLD_EVENTS).collect();
            let Some(last) = deliveries.last() else {
                break;
            };
            let outcome = self.aggregator.fold(store, &deliveries).await;
            if let Some((_, error)) = outcome.failed {
                return Err(error);
            }
            self.counted.rows.add_all(&outcome.counted);
            self.counted.findings += outcome.flagged.len() as u64;
            self.counted.events += deliveries.len() as u64;
            self.counted.arrival_millis = last.arrival_millis;
            self.counted.sequence = last.position.sequence.as_u64().unwrap_or(0);
            for delivery in &deliveries {
                match &delivery.event {
                    Event::RulesetActivated(activated) => self.rules = Some(activated.clone()),
                    Event::RulesetShadowed(shadowed) => self.shadow = Some(shadowed.clone()),
                    _ => {}
                }
            }
        }
        let unreadable = batch.poisons().len() as u64;
        self.counted.events += unreadable;
        self.counted.unreadable += unreadable;
        Ok(())
    }
}
