//! The planted bugs, and two faults that must do no harm, as changes of a directory that no host
//! has open.

use super::bug::LocalBug;
use super::image::{self, LogEnd, Torn};
use crate::random::Random;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use txp_local::log::LogReader;
use txp_local::runs::{Keyspace, Options, Store};
use txp_local::state::{KEYSPACES, State};

const TRANSACTIONS: Keyspace = Keyspace::new(0);
const PROFILES: Keyspace = Keyspace::new(3);

/// Of a dropped run's keyspace, so many keys in a thousand were in it.
const DROPPED_PERMILLE: u32 = 500;

/// What a crash had to do with the log.
pub(super) struct LogEnds<'a> {
    /// Where it ended before the last frame that was acknowledged.
    pub(super) before_last: Option<&'a LogEnd>,
    /// The tail that the last crash tore off.
    pub(super) torn: &'a mut Option<Torn>,
}

/// After a crash.
pub(super) fn at_crash(bug: LocalBug, random: &mut Random, dir: &Path, log: LogEnds<'_>) {
    let state = dir.join("state");
    match bug {
        LocalBug::LogBeforeSync => {
            if let Some(before) = log.before_last
                && before.segment.exists()
                && image::log_end(&dir.join("log")).is_some_and(|e| e.segment == before.segment)
            {
                image::cut(&before.segment, before.bytes);
            }
        }
        LocalBug::TornTailStays => {
            // Until something stands behind it, there is nothing to find.
            log.torn.take_if(|torn| image::splice(torn));
        }
        LocalBug::PositionTooFar => change_meta(&state, |meta| {
            let folded = meta["as_of"]["sequence"].as_u64().unwrap();
            let next = frame_behind(&dir.join("log"), folded);
            meta["as_of"]["sequence"] = json!(next.unwrap_or(folded));
        }),
        LocalBug::OutstandingForgotten => {
            change_meta(&state, |meta| meta["outstanding"] = json!([]));
        }
        LocalBug::AlertedTooFar => {
            change_meta(&state, |meta| {
                meta["alerted_through"] = meta["as_of"]["sequence"].clone()
            });
        }
        LocalBug::TrialForgotten => change_meta(&state, |meta| meta["shadow"] = Value::Null),
        LocalBug::ShadowedForgotten => {
            change_meta(&state, |meta| meta["outstanding_shadowed"] = json!([]));
        }
        LocalBug::RulesForgotten => change_meta(&state, |meta| meta["rules"] = Value::Null),
        LocalBug::AlertsBeforeSync => {
            let table = dir.join("alerts/table.jsonl");
            let Ok(text) = fs::read_to_string(&table) else {
                return;
            };
            let lines = text.lines().count();
            let kept = lines - random.below(lines.min(4) + 1);
            let kept: String = text.split_inclusive('\n').take(kept).collect();
            fs::write(&table, kept).unwrap();
        }
        _ => {}
    }
}

/// After any end of a run.
pub(super) fn at_restart(bug: LocalBug, random: &mut Random, dir: &Path) {
    match bug {
        LocalBug::RunDropped => drop_keys(random, &dir.join("state"), TRANSACTIONS),
        LocalBug::ProfilesDropped => drop_keys(random, &dir.join("state"), PROFILES),
        LocalBug::MarksForgotten => {
            let table = dir.join("alerts/table.jsonl");
            let Ok(text) = fs::read_to_string(&table) else {
                return;
            };
            let unmarked = text
                .lines()
                .filter(|line| !line.contains("\"kind\":\"handed\""));
            let unmarked: String = unmarked.map(|line| format!("{line}\n")).collect();
            fs::write(&table, unmarked).unwrap();
        }
        _ => {}
    }
}

/// No bug: the state's position is an older one, so that events come again to a state that has
/// folded them.
pub(super) fn rewind(random: &mut Random, dir: &Path) {
    change_meta(&dir.join("state"), |meta| {
        let folded = meta["as_of"]["sequence"].as_u64().unwrap();
        meta["as_of"]["sequence"] = json!(folded.saturating_sub(random.below(40) as u64));
    });
}

/// Publishes a state again with another description.
fn change_meta(state: &Path, change: impl FnOnce(&mut Value)) {
    if !state.is_dir() {
        return;
    }
    // A damaged one is folded again, whatever is planted.
    let Ok(mut state) = State::open(state) else {
        return;
    };
    let Some(bytes) = state.meta() else { return };
    let mut meta = serde_json::from_slice(bytes).unwrap();
    change(&mut meta);
    state
        .checkpoint(&serde_json::to_vec(&meta).unwrap())
        .unwrap();
}

/// The last event of the frame behind a position.
fn frame_behind(log: &Path, sequence: u64) -> Option<u64> {
    let mut reader = LogReader::from_sequence(log, sequence + 1).ok()?;
    let frame = reader.next_frame().ok()??;
    Some(frame.last)
}

fn drop_keys(random: &mut Random, state: &Path, keyspace: Keyspace) {
    if !state.is_dir() {
        return;
    }
    // Another fault may have damaged it; that the names are right shows where nothing has.
    let Ok(mut store) = Store::open(state, &KEYSPACES, Options::default()) else {
        return;
    };
    let Some(meta) = store.meta().map(<[u8]>::to_vec) else {
        return;
    };
    let mut dropped = Vec::new();
    let mut entries = store.iter(keyspace).unwrap();
    while let Some(entry) = entries.next().unwrap() {
        if random.permille(DROPPED_PERMILLE) {
            dropped.push((entry.hash, entry.key.to_vec()));
        }
    }
    for (hash, key) in dropped {
        store.delete(keyspace, hash, &key).unwrap();
    }
    store.checkpoint(&meta).unwrap();
}
