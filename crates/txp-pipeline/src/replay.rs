//! Replay: a history folded again, into a state of its own.
//!
//! - [`ReadBatch`]: a part of the history as typed values, read on one thread and folded on another;
//! - [`Replay`]: the stage, which can fold and nothing else;
//! - [`Plan`]: what a replay would take, as a value, before anything is written.
//!
//! Deliberately absent: targets. They are the hosts'.

mod batch;
mod plan;
mod stage;

pub use batch::{ReadBatch, STAGE};
pub use plan::{Cost, Plan, SourceSize, TargetKind, money};
pub use stage::{Counted, Replay};

use sha2::{Digest, Sha256};
use txp_domain::letters::to_letters;

/// Bytes of the digest that name a replay: 16 letters.
const ID_BYTES: usize = 8;

/// What a replay is called: the same for the same part of the same history, whoever asks and whenever,
/// so that one that was cut finds what it has done.
#[must_use]
pub fn replay_id(source: &str, from_millis: Option<i64>, to_millis: Option<i64>) -> String {
    let mut hash = Sha256::new();
    hash.update((source.len() as u64).to_be_bytes());
    hash.update(source);
    for bound in [from_millis, to_millis] {
        hash.update([u8::from(bound.is_some())]);
        hash.update(bound.unwrap_or(0).to_be_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    to_letters(digest.get(..ID_BYTES).unwrap_or_default())
}

#[cfg(test)]
mod tests;
