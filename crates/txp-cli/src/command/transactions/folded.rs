//! A history folded into a state of its own, which is then written and gone.
//!
//! The fold is the one of the pipeline; nothing is judged, and nobody is told. Findings that the
//! history holds flag their transactions, as they do where it was recorded.

use super::Export;
use crate::command::source::{self, Reading, Source};
use crate::output;
use anyhow::Context as _;
use txp_domain::event::{Decoded, decode};
use txp_domain::time::Timestamp;
use txp_local::state::State;
use txp_pipeline::batch::Delivery;
use txp_pipeline::history::Recorded;
use txp_pipeline::port::{EventSource as _, Progress, SourceBatch, Window};
use txp_pipeline::stage::aggregate::Aggregator;

/// Bytes of state after which it is written to the folder.
const PENDING_BYTES_MAX: usize = 40 << 20;

/// Folds a history, and writes what comes of it; how many events could not be read.
pub(super) fn write(
    source: &Source,
    as_of: Option<Timestamp>,
    export: &mut Export,
) -> anyhow::Result<u64> {
    let dir = tempfile::tempdir().context("making a folder for the state")?;
    let mut state = State::open(dir.path())?;
    let unreadable = source::runtime()?.block_on(fold(source, as_of, &mut state))?;
    state.checkpoint(b"{}")?;
    let mut ended = Ok(());
    state.for_each_transaction(|item| {
        if ended.is_ok() {
            ended = export.one(&item);
        }
    })?;
    ended.map(|()| unreadable)
}

async fn fold(source: &Source, as_of: Option<Timestamp>, state: &mut State) -> anyhow::Result<u64> {
    let window = Window {
        // What arrived in its millisecond is in.
        to_millis: as_of.map(|time| time.unix_millis().saturating_add(1)),
        ..Window::default()
    };
    let mut source = source.open(window).await?;
    let (mut batch, mut aggregator) = (SourceBatch::default(), Aggregator::default());
    let mut reading = Reading::new("events folded", false);
    let mut unreadable = 0;
    loop {
        let progress = source.next(&mut batch).await?;
        let recorded: Vec<Recorded<'_>> = batch.events().collect();
        let events: Vec<(&Recorded<'_>, Decoded<'_>)> = recorded
            .iter()
            .filter_map(|recorded| match decode(recorded.bytes) {
                Ok(event) => Some((recorded, event)),
                Err(error) => {
                    unreadable += 1;
                    let sequence = &recorded.position.sequence;
                    output::note(&format!("event {sequence} is left out: {error}"));
                    None
                }
            })
            .collect();
        let deliveries = events.iter().map(|(recorded, event)| Delivery {
            position: recorded.position.clone(),
            arrival_millis: recorded.arrival_millis,
            event: event.event(),
        });
        let deliveries: Vec<Delivery<'_>> = deliveries.collect();
        let outcome = aggregator.fold(state, &deliveries).await;
        if let Some((_, error)) = outcome.failed {
            return Err(error.into());
        }
        reading.goes_on(&source, batch.len());
        if state.pending_bytes() >= PENDING_BYTES_MAX {
            state.checkpoint(b"{}")?;
        }
        if progress != Progress::More {
            return Ok(unreadable);
        }
    }
}
