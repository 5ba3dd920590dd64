//! A replay into a directory: the target, and the loop that fills it.
//!
//! The target is a state and no log: what a replay folds is another's history, which stays where it
//! is. Items keep the positions that their events have there, so that a target can be compared with
//! its source, item by item. Every checkpoint says how far the source was read, together with what was
//! folded of it, at once: a replay that was ended in any way goes on from the last checkpoint, and one
//! that has come to its end folds nothing when it is asked again but what its source has got since.
//!
//! ```text
//! source ──reads and decodes──► batches, a few that go round ──folds──► state, checkpoint now and then
//! ```
//!
//! Deliberately absent: detection, alerts, appending. [`Replay`] has no port for any of them.

use crate::block_on::block_on;
use crate::format::{self, ReplayOf};
use crate::host::{
    ActiveRules, AsOf, HostError, Meta, Quarantine, STATE_DIR, ShadowRules, meta_of,
};
use crate::lock::DirLock;
use crate::runs::StateError;
use crate::state::State;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use txp_domain::event::Event;
use txp_domain::time::Timestamp;
use txp_domain::transaction::{TransactionKey, Writer};
use txp_pipeline::port::{EventSource, Poison, PortError, Progress, Quarantine as _, SourceBatch};
use txp_pipeline::replay::{Counted, ReadBatch, Replay};

/// A checkpoint is due once so many bytes of state are pending.
const CHECKPOINT_PENDING_BYTES: usize = 40 << 20;

/// Batches on their way, of about a mebibyte of events each.
pub(crate) const BATCHES: usize = 4;

/// Transactions that are taken down as touched: some 20 MB of them.
pub const TOUCHED_MAX: usize = 200_000;

/// Unreadable events that are named; more are counted.
pub const POISONS_NAMED_MAX: usize = 20;

/// A directory that a replay fills.
pub struct Target {
    dir: PathBuf,
    replay: ReplayOf,
    state: State,
    meta: Meta,
    stage: Replay,
    quarantine: Option<Quarantine>,
    poisons: Vec<Poison>,
    is_restarted: bool,
    /// What was folded into, where somebody wants to know and it is not too much.
    touched: Option<BTreeSet<TransactionKey>>,
    _lock: DirLock,
}

/// What a replay did.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What was folded now.
    pub counted: Counted,
    /// Up to where the target is folded, by the source's last event.
    pub as_of: AsOf,
    /// The first events that cannot be read, of those met now.
    pub poisons: Vec<Poison>,
    /// Whether it was ended before the end of its source.
    pub is_cut: bool,
    /// Whether the target was found damaged and folded from the start.
    pub is_restarted: bool,
    /// The transactions that may have changed; `None` if it was not asked for or they are too many.
    pub touched: Option<BTreeSet<TransactionKey>>,
}

/// Ids of replays are derived, so that the same one finds its target again.
#[must_use]
pub fn writer_of(replay: &ReplayOf) -> Writer {
    Writer::Replay(replay.id.as_str().into())
}

impl Target {
    /// Opens a new directory, or one that the same replay has made, and takes its lock. What is damaged
    /// in the latter is folded again from the start: nothing in it is the only one of its kind.
    ///
    /// # Errors
    /// It is of another kind, of another replay, held by another process, or not usable.
    pub fn open(
        dir: &Path,
        replay: &ReplayOf,
        command: &'static str,
        now: Timestamp,
    ) -> Result<Self, HostError> {
        format::ensure_replay(dir, &now.to_string(), replay)?;
        let seconds = u64::try_from(now.unix_seconds()).unwrap_or(0);
        let since = Timestamp::from_unix_seconds(seconds).unwrap_or_default();
        let lock = DirLock::acquire(dir, command, &since.to_string())?;
        let state_dir = dir.join(STATE_DIR);
        let (state, is_restarted) = match State::open(&state_dir) {
            Err(StateError::Corrupt { .. }) => {
                std::fs::remove_dir_all(&state_dir)
                    .map_err(HostError::io("removing the damaged state", &state_dir))?;
                (State::open(&state_dir)?, true)
            }
            opened => (opened?, false),
        };
        let meta = meta_of(state.meta())?;
        // Positions elsewhere than in a log do not fit the file.
        let is_local = replay.source.starts_with("local:");
        Ok(Self {
            quarantine: is_local.then(|| Quarantine::open(dir)).transpose()?,
            dir: dir.to_path_buf(),
            stage: Replay::new(&replay.id),
            replay: replay.clone(),
            state,
            meta,
            poisons: Vec::new(),
            is_restarted,
            touched: None,
            _lock: lock,
        })
    }

    /// Where the source is to be read on; `None` at its start.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.meta.replayed_through.as_deref()
    }

    /// What is replayed.
    #[must_use]
    pub fn replay(&self) -> &ReplayOf {
        &self.replay
    }

    /// Whether the target was found damaged and is folded from the start.
    #[must_use]
    pub fn is_restarted(&self) -> bool {
        self.is_restarted
    }

    /// Takes down which transactions are touched, up to [`TOUCHED_MAX`].
    #[must_use]
    pub fn with_touched(self) -> Self {
        Self {
            touched: Some(BTreeSet::new()),
            ..self
        }
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn fold(&mut self, batch: &ReadBatch) -> Result<(), HostError> {
        block_on(self.stage.fold(&mut self.state, batch))?;
        for poison in batch.poisons() {
            if let Some(quarantine) = &mut self.quarantine {
                block_on(quarantine.put(poison))?;
            }
            if self.poisons.len() < POISONS_NAMED_MAX {
                self.poisons.push(poison.clone());
            }
        }
        self.touch(batch);
        self.meta.replayed_through = Some(batch.cursor.clone());
        if self.state.pending_bytes() >= CHECKPOINT_PENDING_BYTES {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn touch(&mut self, batch: &ReadBatch) {
        let Some(touched) = &mut self.touched else {
            return;
        };
        for delivery in batch.deliveries() {
            let (own, original) = match &delivery.event {
                Event::Row(row) => (row.ids(), row.dispute_link()),
                Event::AnomalyFlagged(flagged) => (Some(flagged.ids()), None),
                _ => continue,
            };
            let original = original.map(|link| (link.merchant_id, link.original_transaction_id));
            for (merchant_id, transaction_id) in own.into_iter().chain(original) {
                touched.insert(TransactionKey {
                    transaction_id: transaction_id.into(),
                    merchant_id: merchant_id.into(),
                });
            }
        }
        if touched.len() > TOUCHED_MAX {
            self.touched = None;
        }
    }

    fn checkpoint(&mut self) -> Result<(), HostError> {
        let counted = &self.stage.counted;
        let mut meta = self.meta.clone();
        if counted.events > 0 {
            let through = meta.replayed_through.as_deref();
            let sequence = match &self.quarantine {
                Some(_) => through.and_then(|place| place.parse().ok()),
                None => None,
            };
            meta.as_of = AsOf {
                sequence: sequence.unwrap_or(counted.sequence),
                arrival_millis: counted.arrival_millis.max(meta.as_of.arrival_millis),
            };
        }
        meta.alerted_through = meta.as_of.sequence;
        meta.findings += counted.findings;
        if let Some(rules) = &self.stage.rules {
            meta.rules = Some(ActiveRules {
                activation: rules.activation,
                file: rules.rules.clone(),
            });
        }
        if let Some(shadow) = &self.stage.shadow {
            meta.shadow = Some(ShadowRules::of(shadow));
        }
        let bytes = serde_json::to_vec(&meta).map_err(HostError::Meta)?;
        Ok(self.state.checkpoint(&bytes)?)
    }

    fn ended(mut self, is_cut: bool) -> Replayed {
        let touched = self.touched.take();
        let counted = self.stage.counted;
        let as_of = self.state.meta().and_then(|meta| meta_of(Some(meta)).ok());
        Replayed {
            counted,
            as_of: as_of.unwrap_or_default().as_of,
            poisons: self.poisons.clone(),
            is_cut,
            is_restarted: self.is_restarted,
            touched,
        }
    }
}

/// Reads a source to its end, for now, and folds it into the target. `watch` is told how many events
/// were read after each batch, and says whether to go on.
///
/// # Errors
/// The source or the target failed. What the last checkpoint holds stays, and the same call later goes
/// on from there.
pub async fn run<S: EventSource>(
    source: &mut S,
    target: Target,
    mut watch: impl FnMut(u64) -> bool,
) -> Result<Replayed, HostError> {
    let (to_fold, from_reader) = mpsc::sync_channel::<ReadBatch>(BATCHES);
    let (emptied, from_fold) = mpsc::channel();
    for _ in 0..BATCHES {
        emptied.send(ReadBatch::default()).ok();
    }
    let starting = HostError::io("starting a thread for", target.dir.clone());
    let folding = std::thread::Builder::new()
        .name("fold".to_owned())
        .spawn(move || fold_all(target, &from_reader, &emptied))
        .map_err(starting)?;
    let read = read_all(source, &from_fold, &to_fold, &mut watch).await;
    drop(to_fold);
    let folded = folding.join().map_err(|_| HostError::Panicked("fold"))?;
    let mut target = folded?;
    // What was read before the source failed is kept all the same.
    target.checkpoint()?;
    Ok(target.ended(read?))
}

/// Reads a source to its end, for now: each batch is decoded into an emptied one and handed on.
/// Whether `watch` ended it before.
pub(crate) async fn read_all<S: EventSource>(
    source: &mut S,
    emptied: &Receiver<ReadBatch>,
    to_fold: &SyncSender<ReadBatch>,
    watch: &mut impl FnMut(u64) -> bool,
) -> Result<bool, PortError> {
    let (mut raw, mut read) = (SourceBatch::default(), 0);
    loop {
        let progress = source.next(&mut raw).await?;
        if !raw.is_empty() {
            read += raw.len() as u64;
            // Nobody on the other side: it has failed, and says why itself.
            let Ok(mut batch) = emptied.recv() else {
                return Ok(false);
            };
            batch.read(&raw, source.cursor());
            if to_fold.send(batch).is_err() {
                return Ok(false);
            }
        }
        if !watch(read) {
            return Ok(true);
        }
        if progress != Progress::More {
            return Ok(false);
        }
    }
}

/// Folds batch after batch until nobody sends any more.
fn fold_all(
    mut target: Target,
    batches: &Receiver<ReadBatch>,
    emptied: &Sender<ReadBatch>,
) -> Result<Target, HostError> {
    for batch in batches {
        target.fold(&batch)?;
        // The reader may have come to its end.
        emptied.send(batch).ok();
    }
    Ok(target)
}
