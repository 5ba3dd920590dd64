//! From the bytes of the history to events. What cannot be read goes to quarantine, by position and
//! with the reason, and the rest goes on.
//!
//! Deliberately absent: dropping repeats, and any judgement of what an event says.

use crate::history::{NoObject, Recorded};
use crate::port::{Poison, PortError, Quarantine};
use crate::telemetry::{Metric, count_of};
use txp_domain::event::{Decoded, decode};

/// A batch of the history, as far as it can be read. `E` is what a stage makes of an event.
#[derive(Debug)]
pub struct Readable<E> {
    /// The events that can be read, each with its index in the batch, in order; all of them before
    /// the failure, if there is one.
    pub events: Vec<(usize, E)>,
    /// How many cannot and were put in quarantine.
    pub quarantined: u64,
    /// The first event that can neither be read nor put in quarantine: the batch is to be delivered
    /// again from there on.
    pub failed: Option<(usize, PortError)>,
}

/// Reads a batch for a stage.
pub async fn read<'a, Q: Quarantine>(
    batch: &[Recorded<'a>],
    stage: &'static str,
    quarantine: &mut Q,
) -> Readable<Decoded<'a>> {
    read_by(batch, stage, quarantine, decoded).await
}

/// An event that is an object, as attributes and position are told.
///
/// # Errors
/// Why it cannot be read.
pub fn decoded<'a>(recorded: &Recorded<'a>) -> Result<Decoded<'a>, String> {
    match decode(recorded.bytes) {
        // An array of the attributes' values could pass for the object.
        Ok(_) if recorded.attributes().is_none() => Err(NoObject.to_string()),
        Ok(event) => Ok(event),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads a batch for a stage that takes what `take` takes.
pub async fn read_by<'a, Q: Quarantine, E>(
    batch: &[Recorded<'a>],
    stage: &'static str,
    quarantine: &mut Q,
    take: impl Fn(&Recorded<'a>) -> Result<E, String>,
) -> Readable<E> {
    let mut events = Vec::with_capacity(batch.len());
    let mut poisons = Vec::new();
    let mut first_poison = None;
    for (index, recorded) in batch.iter().enumerate() {
        let reason = match take(recorded) {
            Ok(event) => {
                events.push((index, event));
                continue;
            }
            Err(reason) => reason,
        };
        first_poison.get_or_insert(index);
        poisons.push(Poison {
            position: recorded.position.clone(),
            stage,
            reason,
        });
    }
    let Some(first) = first_poison else {
        return Readable {
            events,
            quarantined: 0,
            failed: None,
        };
    };
    if let Err(error) = quarantine.put_all(&poisons).await {
        // Which of them are there is not known: putting one again changes nothing.
        events.retain(|(index, _)| *index < first);
        return Readable {
            events,
            quarantined: 0,
            failed: Some((first, error)),
        };
    }
    let quarantined = u64::try_from(poisons.len()).unwrap_or(u64::MAX);
    count_of(Metric::Quarantined, "stage", stage.to_owned(), quarantined);
    Readable {
        events,
        quarantined,
        failed: None,
    }
}
