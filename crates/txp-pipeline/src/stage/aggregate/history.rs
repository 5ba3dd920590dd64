//! A batch of the history as it is delivered: read, poison put aside, the rest folded, and what may
//! go away by itself tried again before the batch is given back.

use super::Aggregator;
use crate::batch::Delivery;
use crate::history::Recorded;
use crate::port::{Clock, PortError, Quarantine, TransactionStore, UploadStore};
use crate::retry::RetryPolicy;
use crate::stage::decode::{self, Readable};
use crate::telemetry::{Metric, count_of, observe};
use txp_domain::upload::ClassCounts;

/// What events in quarantine name as the stage that could not process them.
pub const STAGE: &str = "aggregate";

/// Within one delivery: about 4 seconds in all. What lasts longer is the stream's to deliver again.
const RETRY: RetryPolicy = RetryPolicy {
    first_wait_millis: 50,
    max_wait_millis: 2_000,
    attempts_max: 6,
};

/// What folding a delivered batch gave.
#[derive(Debug, Default)]
pub struct Folded {
    /// The rows that were folded and counted, by class.
    pub counts: ClassCounts,
    /// Events put in quarantine.
    pub quarantined: u64,
    /// The first event that was not folded, and why: the batch is to be delivered again from there
    /// on. Those after it may have been folded; that changes nothing.
    pub failed: Option<(usize, PortError)>,
}

impl Aggregator {
    /// Folds a delivered batch, in its order.
    pub async fn fold_recorded<S, Q, C>(
        &mut self,
        store: &mut S,
        quarantine: &mut Q,
        clock: &C,
        batch: &[Recorded<'_>],
    ) -> Folded
    where
        S: TransactionStore + UploadStore,
        Q: Quarantine,
        C: Clock,
    {
        let Readable {
            events,
            quarantined,
            failed,
        } = decode::read(batch, STAGE, quarantine).await;
        let mut folded = Folded {
            quarantined,
            failed,
            ..Folded::default()
        };
        let deliveries: Vec<Delivery<'_>> = events
            .iter()
            .filter_map(|(index, event)| {
                let recorded = batch.get(*index)?;
                Some(Delivery {
                    position: recorded.position.clone(),
                    arrival_millis: recorded.arrival_millis,
                    event: event.event(),
                })
            })
            .collect();
        let stopped = self
            .fold_patiently(store, clock, &deliveries, &mut folded.counts)
            .await;
        // What could not be put in quarantine stands behind all that is folded here.
        if let Some((at, error)) = stopped {
            let index = events.get(at).map_or(0, |(index, _)| *index);
            folded.failed = Some((index, error));
        }
        report(&folded, clock, batch);
        folded
    }

    /// Folds, and goes on from the first delivery that was not folded while its error may pass.
    async fn fold_patiently<S: TransactionStore + UploadStore>(
        &mut self,
        store: &mut S,
        clock: &impl Clock,
        deliveries: &[Delivery<'_>],
        counts: &mut ClassCounts,
    ) -> Option<(usize, PortError)> {
        let mut done = 0;
        let outcome = RETRY.run(clock, async |_| {
            let rest = deliveries.get(done..).unwrap_or_default();
            let outcome = self.fold(store, rest).await;
            counts.add_all(&outcome.counted);
            match outcome.failed {
                Some((at, error)) => {
                    done += at;
                    Err(error)
                }
                None => Ok(()),
            }
        });
        outcome.await.err().map(|error| (done, error))
    }
}

fn report(folded: &Folded, clock: &impl Clock, batch: &[Recorded<'_>]) {
    let counts = folded.counts;
    for (class, rows) in [
        ("accepted", counts.accepted),
        ("rejected", counts.rejected),
        ("duplicate", counts.duplicates),
        ("conflict", counts.conflicts),
    ] {
        if rows > 0 {
            count_of(Metric::RowsFolded, "class", class.to_owned(), rows);
        }
    }
    let oldest = batch.iter().map(|recorded| recorded.arrival_millis).min();
    if let Some(oldest) = oldest.filter(|_| folded.failed.is_none()) {
        let lag = clock.now().unix_millis().saturating_sub(oldest).max(0);
        // Milliseconds are exact in a float for longer than anyone waits.
        observe(Metric::FoldLag, lag as f64);
    }
}
