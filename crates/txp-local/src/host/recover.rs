//! After a crash, or after any end: what the log holds beyond the last checkpoint is folded again.

use super::alerting::Flagged;
use super::fold::Fold;
use super::folding::{CHECKPOINT_PENDING_BYTES, FOLD_EVENTS};
use super::quarantine::Quarantine;
use super::{HostError, LOG_DIR, Opened, QUARANTINE_STAGE};
use crate::block_on::block_on;
use crate::log::{Cut, LogReader};
use crate::runs::StateError;
use crate::state::State;
use std::path::Path;
use txp_domain::event::{Decoded, Event, decode};
use txp_domain::position::{Position, Sequence};
use txp_pipeline::batch::Delivery;
use txp_pipeline::port::{Poison, Quarantine as _};

/// Opens the state; a damaged one is moved aside and folded again from the log, which is the truth.
pub(super) fn open_state(dir: &Path) -> Result<(Fold, u64), HostError> {
    match State::open(dir) {
        Ok(state) => Fold::resume(state),
        Err(StateError::Corrupt { .. }) => {
            let aside = dir.with_extension("damaged");
            if aside.exists() {
                std::fs::remove_dir_all(&aside)
                    .map_err(HostError::io("removing the older damaged state", &aside))?;
            }
            std::fs::rename(dir, &aside)
                .map_err(HostError::io("moving the damaged state to", &aside))?;
            Fold::resume(State::open(dir)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// What was cut off the log's end, in words.
pub(super) fn describe(cut: &Cut) -> String {
    format!(
        "{} bytes of an append that was never confirmed were cut off {} at byte {}",
        cut.bytes,
        cut.file.file_name().unwrap_or_default().to_string_lossy(),
        cut.offset
    )
}

/// Folds the log from behind the checkpoint to its end. Gives the findings that are still to be
/// alerted; those that are still to be appended stay outstanding in the fold.
pub(super) fn refold(
    dir: &Path,
    fold: &mut Fold,
    alerted_through: u64,
    opened: &mut Opened,
) -> Result<Vec<Flagged>, HostError> {
    let folded_through = fold.as_of().sequence;
    let mut flagged = Vec::new();
    let mut quarantine = Quarantine::open(dir)?;
    let log = dir.join(LOG_DIR);
    let mut reader = LogReader::from_sequence(&log, alerted_through.min(folded_through) + 1)?;
    while let Some(frame) = reader.next_frame()? {
        let arrival_millis = i64::try_from(frame.arrival_ms).unwrap_or(i64::MAX);
        let mut decoded = Vec::new();
        for event in frame.events {
            let position = Position {
                bucket: event.bucket,
                sequence: Sequence::from(event.sequence),
                subsequence: 0,
            };
            match decode(event.bytes) {
                Ok(event) => decoded.push((position, event)),
                Err(error) => {
                    let poison = Poison {
                        position,
                        stage: QUARANTINE_STAGE,
                        reason: error.to_string(),
                    };
                    opened.quarantined += u64::from(quarantine.is_new(&poison));
                    block_on(quarantine.put(&poison))?;
                }
            }
        }
        for (position, event) in &decoded {
            if let Decoded::AnomalyFlagged(event) = event
                && position
                    .sequence
                    .as_u64()
                    .is_some_and(|s| s > alerted_through && s <= folded_through)
            {
                flagged.push((position.clone(), (**event).clone()));
            }
        }
        let new: Vec<_> = decoded
            .iter()
            .filter(|(position, _)| {
                position
                    .sequence
                    .as_u64()
                    .is_some_and(|s| s > folded_through)
            })
            .map(|(position, event)| (position, event.event()))
            .map(|(position, event)| delivery(position, event, arrival_millis))
            .collect();
        opened.refolded += new.len() as u64;
        for part in new.chunks(FOLD_EVENTS) {
            flagged.extend(block_on(fold.fold(part))?.flagged);
        }
        // A whole history may be folded again: what is pending does not grow with it.
        if fold.state.pending_bytes() >= CHECKPOINT_PENDING_BYTES {
            fold.checkpoint(alerted_through)?;
        }
    }
    Ok(flagged)
}

fn delivery<'a>(position: &Position, event: Event<'a>, arrival_millis: i64) -> Delivery<'a> {
    Delivery {
        position: position.clone(),
        arrival_millis,
        event,
    }
}
