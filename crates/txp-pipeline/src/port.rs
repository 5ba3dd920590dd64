//! What the stages need of the world. One adapter per port and binary.
//!
//! Every port is idempotent or conditional, because delivery is at least once everywhere. Futures
//! need not be `Send`: a stage runs on the thread that calls it.

mod source;

pub use source::{EventSource, HowFar, Progress, SourceBatch, Window};

use crate::batch::EventBatch;
use std::fmt;
use txp_domain::alert::{Decision, Message};
use txp_domain::card::Fingerprint;
use txp_domain::event::{AnomalyFlagged, UploadEvent};
use txp_domain::id::UploadId;
use txp_domain::money::Currency;
use txp_domain::position::{Bucket, Position};
use txp_domain::profile::Profile;
use txp_domain::time::Timestamp;
use txp_domain::transaction::{FreshTransaction, Transaction};
use txp_domain::upload::ClassCounts;

/// How often a conditional write is tried against others before the batch is given back.
pub const CONFLICT_ATTEMPTS_MAX: u32 = 16;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Too much at once: slow down and try again.
    Throttled,
    /// May go away by itself: try again.
    Transient,
    /// What is stored is damaged.
    Corrupt,
    /// No room is left.
    Full,
    /// Not allowed.
    Denied,
    /// What was asked for is not there.
    Missing,
    /// Will not go away by trying again.
    Permanent,
}

/// An error of a port: kind, what was being done, and the cause.
#[derive(Debug)]
pub struct PortError {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// What was being done, where, and what to do.
    pub context: String,
    /// The cause.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl PortError {
    /// An error without a deeper cause.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            source: None,
        }
    }

    /// An error with its cause.
    pub fn caused(
        kind: ErrorKind,
        context: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind,
            context: context.into(),
            source: Some(Box::new(source)),
        }
    }

    /// The error and its causes in one line, for who cannot look at the causes.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut text = self.context.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Throttled | ErrorKind::Transient)
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for PortError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// A conditional write's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It is stored.
    Stored,
    /// Something else is there than was expected: read again.
    Conflict,
}

/// The bytes of an object, as they come: [`Read::read`](std::io::Read::read) never waits. Where the
/// next bytes are not here yet it says [`WouldBlock`](std::io::ErrorKind::WouldBlock), and
/// [`more`](Self::more) is to be awaited.
///
/// A source that blocks, as a file, is one that never says so.
pub trait ObjectSource: std::io::Read {
    /// Waits for the next bytes. Fails only for good: whatever may pass was tried again.
    fn more(&mut self) -> impl Future<Output = Result<(), PortError>> {
        async {
            let context = "a source that blocks was asked to wait for more";
            Err(PortError::new(ErrorKind::Permanent, context))
        }
    }
}

impl ObjectSource for std::fs::File {}
impl ObjectSource for &std::fs::File {}
impl ObjectSource for &[u8] {}

/// Objects that can be read from anywhere: what is read in steps begins in the middle.
pub trait ObjectStore {
    /// What an object is read through.
    type Source: ObjectSource;

    /// The object, from an offset on.
    fn open(&mut self, offset: u64) -> impl Future<Output = Result<Self::Source, PortError>>;
}

/// Where the report of rejected rows goes. Until it is published there is none, or the whole one that
/// was published before.
pub trait ReportSink {
    /// Takes all of the bytes, in bounded memory.
    fn take(&mut self, bytes: &mut Vec<u8>) -> impl Future<Output = Result<(), PortError>>;

    /// Publishes the report, durably. What failed to be published may be published again.
    fn publish(&mut self) -> impl Future<Output = Result<(), PortError>>;

    /// Lets go of it: no row was rejected.
    fn discard(&mut self) -> impl Future<Output = Result<(), PortError>>;
}

/// One that is written by one reader after another, in parts, as the rows come.
pub trait ReportStore: ReportSink {
    /// Makes durable what was taken, and gives what is needed to go on from there: some 100 KB of
    /// text at most.
    fn save(&mut self) -> impl Future<Output = Result<String, PortError>>;

    /// Goes on from what [`save`](Self::save) gave; nothing of an earlier try is left without.
    /// [`ErrorKind::Corrupt`] if that cannot be: the file is to be read from its start.
    fn resume(&mut self, saved: Option<&str>) -> impl Future<Output = Result<(), PortError>>;
}

/// How far an object is read, durably, and who reads it.
pub trait CheckpointStore {
    /// Takes down where to go on. A conflict if another reads it by now: the caller must stop.
    fn keep(&mut self, kept: &Kept) -> impl Future<Output = Result<Written, PortError>>;

    /// Whether it is time to stop and leave the rest to the next.
    fn is_time_up(&self) -> bool;
}

/// Where a reading stands: no row up to here is unacknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The offset behind the last row that was acknowledged.
    pub byte_offset: u64,
    /// That row's record.
    pub record: u64,
    /// All that is needed to go on, the two above included.
    pub state: Vec<u8>,
}

/// The ordered history, for appending.
pub trait EventSink {
    /// Hands a batch over, to be appended in order, and leaves an empty one in its place. It may
    /// return before the batch is durable; after an error nobody knows which of the batches since
    /// the last [`flush`](Self::flush) are, and the caller begins again from its watermarks.
    fn append(&mut self, batch: &mut EventBatch) -> impl Future<Output = Result<(), PortError>>;

    /// Returns once all that was handed over is durable.
    fn flush(&mut self) -> impl Future<Output = Result<(), PortError>>;
}

/// The transactions' state.
pub trait TransactionStore {
    /// Stores items that nothing is known of, without a read; `inserted` gets one answer per item:
    /// `false` where something is there already.
    fn insert_new(
        &mut self,
        items: &[FreshTransaction<'_>],
        inserted: &mut Vec<bool>,
    ) -> impl Future<Output = Result<(), PortError>>;

    /// Says which items are loaded next, by merchant and transaction id, so that a store may fetch
    /// them together. It lets go of those that were fetched before.
    fn prepare(&mut self, keys: &[(&str, &str)]) -> impl Future<Output = Result<(), PortError>> {
        let _ = keys;
        async { Ok(()) }
    }

    /// Reads an item.
    fn load(
        &mut self,
        merchant_id: &str,
        transaction_id: &str,
    ) -> impl Future<Output = Result<Option<Transaction>, PortError>>;

    /// Stores an item if the stored one is of `expected_revision`; 0: there is none.
    fn store(
        &mut self,
        item: &Transaction,
        expected_revision: u64,
    ) -> impl Future<Output = Result<Written, PortError>>;
}

/// A step of one upload's watermark in one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The upload.
    pub upload_id: UploadId,
    /// The bucket.
    pub bucket: Bucket,
    /// The watermark that must stand.
    pub from: u64,
    /// The watermark to set.
    pub to: u64,
    /// The rows in between, by class.
    pub counts: ClassCounts,
}

/// The uploads' state.
pub trait UploadStore {
    /// The last record folded of an upload from a bucket; `u64::MAX` once all of them are.
    fn watermark(
        &mut self,
        upload_id: UploadId,
        bucket: Bucket,
    ) -> impl Future<Output = Result<u64, PortError>>;

    /// Advances a watermark and counts the rows, if it stands where it is expected.
    fn advance(
        &mut self,
        step: &Advance,
        arrival_millis: i64,
    ) -> impl Future<Output = Result<Written, PortError>>;

    /// Advances the watermarks of one upload in several buckets, so that a store may write them
    /// together. On a conflict some of them may be advanced: the caller reads all of them again.
    fn advance_all(
        &mut self,
        steps: &[Advance],
        arrival_millis: i64,
    ) -> impl Future<Output = Result<Written, PortError>> {
        async move {
            for step in steps {
                if self.advance(step, arrival_millis).await? == Written::Conflict {
                    return Ok(Written::Conflict);
                }
            }
            Ok(Written::Stored)
        }
    }

    /// Applies one of the upload's own events.
    fn apply(
        &mut self,
        event: &UploadEvent,
        arrival_millis: i64,
    ) -> impl Future<Output = Result<(), PortError>>;
}

/// What a profile is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileKey {
    /// The card.
    pub fingerprint: Fingerprint,
    /// The currency.
    pub currency: Currency,
}

/// What detection remembers of cards.
pub trait ProfileStore {
    /// Says which profiles are asked for next, so that a store may fetch them together.
    fn prepare(&mut self, keys: &[ProfileKey]) -> impl Future<Output = Result<(), PortError>> {
        let _ = keys;
        async { Ok(()) }
    }

    /// Reads a profile; an empty one where there is none.
    fn load(&mut self, key: ProfileKey) -> impl Future<Output = Result<Profile, PortError>>;

    /// Stores a profile if the stored one is of `expected_revision`; 0: there is none.
    fn store(
        &mut self,
        key: ProfileKey,
        profile: Profile,
        expected_revision: u64,
    ) -> impl Future<Output = Result<Written, PortError>>;

    /// Reads a profile, has it changed and stores it, again if others changed it meanwhile: so
    /// `change` may be called more than once, each time on a profile as stored. One write, however
    /// much changes.
    fn update(
        &mut self,
        key: ProfileKey,
        mut change: impl FnMut(&mut Profile),
    ) -> impl Future<Output = Result<(), PortError>> {
        async move {
            for _ in 0..CONFLICT_ATTEMPTS_MAX {
                let mut profile = self.load(key).await?;
                let expected = profile.revision();
                change(&mut profile);
                if self.store(key, profile, expected).await? == Written::Stored {
                    return Ok(());
                }
            }
            let context = "a card's profile was changed by others each time that it was to be written; try again";
            Err(PortError::new(ErrorKind::Transient, context))
        }
    }

    /// [`Self::update`] for each of several profiles, none named twice, so that a store may write them
    /// at the same time. `change` is told which of them it is given. Gives the damaged ones, with why
    /// they cannot be read; after another error any of them may be stored.
    fn update_all(
        &mut self,
        keys: &[ProfileKey],
        mut change: impl FnMut(usize, &mut Profile),
    ) -> impl Future<Output = Result<Vec<(usize, PortError)>, PortError>> {
        async move {
            let mut damaged = Vec::new();
            for (at, key) in keys.iter().enumerate() {
                match self.update(*key, |profile| change(at, profile)).await {
                    Ok(()) => {}
                    Err(error) if error.kind == ErrorKind::Corrupt => damaged.push((at, error)),
                    Err(error) => return Err(error),
                }
            }
            Ok(damaged)
        }
    }
}

/// An event that cannot be processed, by where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// Where it stands.
    pub position: Position,
    /// Which stage could not process it.
    pub stage: &'static str,
    /// Why; never the event's content.
    pub reason: String,
}

/// Where events go that cannot be processed, so that the rest goes on.
pub trait Quarantine {
    /// Keeps a poison event's position and reason, durably and masked. The same position again is the
    /// same event, under one of the reasons given.
    fn put(&mut self, poison: &Poison) -> impl Future<Output = Result<(), PortError>>;

    /// Keeps several, so that a store may write them at the same time. After an error any of them
    /// may be kept.
    fn put_all(&mut self, poisons: &[Poison]) -> impl Future<Output = Result<(), PortError>> {
        async move {
            for poison in poisons {
                self.put(poison).await?;
            }
            Ok(())
        }
    }
}

/// Where the archive's objects go.
pub trait ArchiveSink {
    /// Stores an object as a whole. The same name comes with the same bytes again.
    fn put(&mut self, name: &str, bytes: Vec<u8>) -> impl Future<Output = Result<(), PortError>>;
}

/// The time, and waiting. Stages have no clock of their own.
pub trait Clock {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, millis: u64) -> impl Future<Output = ()>;

    /// A random number, for jitter.
    fn jitter(&self) -> u64;
}

/// An alert as it is recorded before it is handed to anyone.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRecord {
    /// What was found.
    pub flagged: AnomalyFlagged,
    /// What is to become of it.
    pub decision: Decision,
    /// When that was decided.
    pub decided_at: Timestamp,
    /// Where the finding's event stands in the history.
    pub position: Position,
}

/// What was handed to the sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handed {
    /// One alert by itself.
    Alert {
        /// The alert's id.
        id: String,
    },
    /// All alerts of a merchant and rule that were gathered until now.
    Digest {
        /// The digest's id.
        id: String,
        /// The merchant.
        merchant_id: String,
        /// The rule.
        rule: String,
        /// How many findings it stands for.
        count: u64,
        /// The alerts that it stands for, by id; empty where the ledger knows by itself, being the
        /// only one that gathers.
        alerts: Vec<String>,
    },
}

/// What a ledger knows of an alert.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// Nothing.
    No,
    /// It is recorded, not marked, and nobody else takes it up: who met it again hands it on.
    Waiting(Box<AlertRecord>),
    /// It is recorded and taken care of.
    Yes,
}

/// The alert table: who was to be told what, and whether it was handed on.
pub trait AlertLedger {
    /// What is known of an alert, by its id and the position of its finding's event.
    fn look_up(
        &mut self,
        id: &str,
        position: &Position,
    ) -> impl Future<Output = Result<Recorded, PortError>>;

    /// Records alerts durably, before any of them is handed on: those that nothing is known of.
    fn record(&mut self, alerts: &[AlertRecord]) -> impl Future<Output = Result<(), PortError>>;

    /// Marks what was handed on.
    fn mark(
        &mut self,
        handed: &[Handed],
        at: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>>;
}

/// Whoever is to be told.
pub trait AlertSink {
    /// How many messages are best handed over together. Alerts are marked as often, so that a crash
    /// hands no more than these over again.
    const AT_ONCE: usize = 1;

    /// Hands a message over. May come again after a crash; the message's id tells.
    fn send(&mut self, message: &Message) -> impl Future<Output = Result<(), PortError>>;

    /// Hands several messages over. After an error some of them may have been.
    fn send_all(&mut self, messages: &[Message]) -> impl Future<Output = Result<(), PortError>> {
        async move {
            for message in messages {
                self.send(message).await?;
            }
            Ok(())
        }
    }
}
