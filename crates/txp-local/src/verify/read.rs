//! Reads a history to its end, past its damage, and hands it to those who decode it.

use super::VerifyError;
use super::lanes::Lanes;
use txp_pipeline::port::{ErrorKind, EventSource, PortError, Progress, SourceBatch};

/// Reads to the end, or through an event, and hands every batch on. Whether `watch` let it.
pub(super) async fn read<S: EventSource>(
    source: &mut S,
    through: Option<u64>,
    to_parse: &mut Lanes,
    damage: &mut Damage,
    watch: &mut impl FnMut(u64) -> bool,
) -> Result<bool, VerifyError> {
    let (mut raw, mut read) = (SourceBatch::default(), 0);
    loop {
        let progress = match source.next(&mut raw).await {
            Ok(progress) => progress,
            Err(error) if error.kind == ErrorKind::Corrupt => {
                damage.meet(&error);
                match source.pass_damage() {
                    Ok(true) => continue,
                    Ok(false) => Progress::Ended,
                    Err(error) => {
                        damage.meet(&error);
                        Progress::Ended
                    }
                }
            }
            Err(error) => return Err(error.into()),
        };
        if !raw.is_empty() {
            read += raw.len() as u64;
            damage.go_on(&raw);
            let is_through = through.is_some_and(|through| {
                let place = source.cursor().parse::<u64>();
                place.is_ok_and(|place| place >= through)
            });
            // Nobody on the other side: it has failed, and says why itself.
            if !to_parse.hand_on(&mut raw) || is_through {
                return Ok(true);
            }
        }
        if !watch(read) {
            return Ok(false);
        }
        if progress != Progress::More {
            return Ok(true);
        }
    }
}

/// What is damaged, and which events were in it.
#[derive(Debug, Default)]
pub(super) struct Damage {
    pub(super) told: Vec<String>,
    lost: Vec<(u64, u64)>,
    /// The last event read, where the history has one order.
    last: u64,
    /// Since which event nothing could be read.
    since: Option<u64>,
}

impl Damage {
    fn meet(&mut self, error: &PortError) {
        self.told.push(error.to_string());
        self.since.get_or_insert(self.last + 1);
    }

    fn go_on(&mut self, batch: &SourceBatch) {
        let mut sequences = batch.events().map(|event| event.position.sequence.as_u64());
        let first = sequences.next().flatten().unwrap_or(0);
        if let Some(since) = self.since.take() {
            self.lost.push((since, first.saturating_sub(1)));
        }
        self.last = sequences.last().flatten().unwrap_or(first);
    }

    pub(super) fn lost(&self) -> Vec<(u64, u64)> {
        let end = self.since.map(|since| (since, u64::MAX));
        self.lost.iter().copied().chain(end).collect()
    }
}
