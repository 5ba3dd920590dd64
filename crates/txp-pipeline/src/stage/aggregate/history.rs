//! A batch of the history as it is delivered: read, poison put aside, the rest folded, and what may
//! go away by itself tried again before the batch is given back.

use super::Aggregator;
use super::damage::Aside;
use crate::batch::Delivery;
use crate::history::Recorded;
use crate::port::{Clock, Poison, PortError, Quarantine, TransactionStore, UploadStore};
use crate::retry::RetryPolicy;
use crate::stage::decode::{self, Readable};
use crate::telemetry::{Metric, count_of, observe, rows_folded};
use std::collections::HashSet;
use txp_domain::event::Event;
use txp_domain::id::UploadId;
use txp_domain::position::Position;
use txp_domain::trace::TraceParent;
use txp_domain::upload::ClassCounts;

/// What events in quarantine name as the stage that could not process them.
pub const STAGE: &str = "aggregate";

/// Within one delivery: about 4 seconds in all. What lasts longer is the stream's to deliver again.
const RETRY: RetryPolicy = RetryPolicy {
    first_wait_millis: 50,
    max_wait_millis: 2_000,
    attempts_max: 6,
};

/// The quarantine as the place for what is passed over.
struct InQuarantine<'q, Q> {
    quarantine: &'q mut Q,
    /// The positions that were put there: what is folded again in this delivery is not put again.
    known: HashSet<Position>,
}

impl<Q: Quarantine> Aside for InQuarantine<'_, Q> {
    const IS_THERE: bool = true;

    async fn put(
        &mut self,
        deliveries: &[Delivery<'_>],
        damaged: &[(usize, String)],
    ) -> Result<(), PortError> {
        let poison = |(index, reason): &(usize, String)| {
            Some(Poison {
                position: deliveries.get(*index)?.position.clone(),
                stage: STAGE,
                reason: reason.clone(),
            })
        };
        let mut poisons: Vec<Poison> = damaged.iter().filter_map(poison).collect();
        poisons.retain(|poison| !self.known.contains(&poison.position));
        if !poisons.is_empty() {
            self.quarantine.put_all(&poisons).await?;
            let positions = poisons.into_iter().map(|poison| poison.position);
            self.known.extend(positions);
        }
        Ok(())
    }
}

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
    /// The first uploads that the batch has events of, with the trace where one of these tells it: by
    /// them a log is searched.
    pub uploads: Vec<(UploadId, Option<TraceParent>)>,
}

/// Uploads that are told of a batch.
const UPLOADS_TOLD_MAX: usize = 16;

fn uploads_of(deliveries: &[Delivery<'_>]) -> Vec<(UploadId, Option<TraceParent>)> {
    let mut uploads: Vec<(UploadId, Option<TraceParent>)> = Vec::new();
    for delivery in deliveries {
        let upload_id = match &delivery.event {
            Event::Row(row) => row.upload_id,
            Event::Upload(event) => event.upload_id(),
            _ => continue,
        };
        let told = delivery.event.trace().cloned();
        if let Some((_, trace)) = uploads.iter_mut().rev().find(|(id, _)| *id == upload_id) {
            *trace = told.or(trace.take());
        } else if uploads.len() < UPLOADS_TOLD_MAX {
            uploads.push((upload_id, told));
        }
    }
    uploads
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
        folded.uploads = uploads_of(&deliveries);
        let mut aside = InQuarantine {
            quarantine,
            known: HashSet::new(),
        };
        let stopped = self
            .fold_patiently(store, &mut aside, clock, &deliveries, &mut folded.counts)
            .await;
        let passed_over = u64::try_from(aside.known.len()).unwrap_or(u64::MAX);
        if passed_over > 0 {
            count_of(Metric::Quarantined, "stage", STAGE.to_owned(), passed_over);
            folded.quarantined += passed_over;
        }
        // What could not be put in quarantine stands behind all that is folded here.
        if let Some((at, error)) = stopped {
            let index = events.get(at).map_or(0, |(index, _)| *index);
            folded.failed = Some((index, error));
        }
        report(&folded, clock, batch);
        folded
    }

    /// Folds, and goes on from the first delivery that was not folded while its error may pass.
    async fn fold_patiently<S: TransactionStore + UploadStore, A: Aside>(
        &mut self,
        store: &mut S,
        aside: &mut A,
        clock: &impl Clock,
        deliveries: &[Delivery<'_>],
        counts: &mut ClassCounts,
    ) -> Option<(usize, PortError)> {
        let mut done = 0;
        let outcome = RETRY.run(clock, async |_| {
            let rest = deliveries.get(done..).unwrap_or_default();
            let outcome = self.fold_around(store, aside, rest).await;
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
    rows_folded(&folded.counts);
    let oldest = batch.iter().map(|recorded| recorded.arrival_millis).min();
    if let Some(oldest) = oldest.filter(|_| folded.failed.is_none()) {
        let lag = clock.now().unix_millis().saturating_sub(oldest).max(0);
        // Milliseconds are exact in a float for longer than anyone waits.
        observe(Metric::FoldLagMilliseconds, lag as f64);
    }
}
