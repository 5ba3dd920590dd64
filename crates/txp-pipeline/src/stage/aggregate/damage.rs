//! What cannot be folded because a stored item is damaged: passed over where there is a place for it,
//! so that one item does not keep a whole shard waiting for ever.
//!
//! An upload with a row that was passed over is not told completed: its counts fall short. Who mends
//! the item, or makes the tables again from the history, makes it whole.

use super::Work;
use super::progress::Progress;
use crate::batch::Delivery;
use crate::port::{ErrorKind, PortError};
use txp_domain::event::Event;

/// Where deliveries go that can never be folded.
pub(super) trait Aside {
    /// Whether there is such a place. Without, the first of them stops the batch.
    const IS_THERE: bool;

    /// Takes deliveries, each with the reason.
    async fn put(
        &mut self,
        deliveries: &[Delivery<'_>],
        damaged: &[(usize, String)],
    ) -> Result<(), PortError>;
}

/// No place.
pub(super) struct Nowhere;

impl Aside for Nowhere {
    const IS_THERE: bool = false;

    async fn put(
        &mut self,
        _deliveries: &[Delivery<'_>],
        _damaged: &[(usize, String)],
    ) -> Result<(), PortError> {
        Ok(())
    }
}

impl Work<'_, '_> {
    /// Notes a delivery that is to be put aside, if its error says so.
    pub(super) fn pass_over(&mut self, delivery: usize, error: PortError) -> Result<(), PortError> {
        if self.passes_over_damage && error.kind == ErrorKind::Corrupt {
            self.outcome.damaged.push((delivery, error.reason()));
            return Ok(());
        }
        Err(error)
    }

    /// Puts aside what was noted, and the rows of uploads of which nothing can be counted.
    pub(super) async fn put_aside<A: Aside>(&mut self, aside: &mut A, progress: &Progress) {
        for (index, delivery) in self.deliveries.iter().enumerate() {
            if let Event::Row(row) = &delivery.event
                && let Some(reason) = progress.damage(row.upload_id)
            {
                self.outcome.damaged.push((index, reason.to_owned()));
            }
        }
        let damaged = &mut self.outcome.damaged;
        damaged.sort();
        damaged.dedup_by_key(|(index, _)| *index);
        let Some((first, _)) = damaged.first() else {
            return;
        };
        let first = *first;
        if let Err(error) = aside.put(self.deliveries, damaged).await {
            self.fail(first, error);
        }
    }
}
