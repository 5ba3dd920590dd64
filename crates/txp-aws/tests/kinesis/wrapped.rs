//! Calls that go wrong in a way that the emulator cannot be asked for.

use std::cell::Cell;
use std::time::Duration;
use txp_aws::clock::SystemClock;
use txp_aws::kinesis::put::{EntryFailure, PutEntry, PutRecords};
use txp_aws::kinesis::read::{ListedShard, Page, Place, ReadShards, Retained};
use txp_domain::time::Timestamp;
use txp_pipeline::port::{Clock, ErrorKind, PortError};

/// One call of so many goes wrong.
const EVERY: u32 = 3;

/// Waits no longer than it takes to let others go on: the emulator may be asked at any time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hasty(SystemClock);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, _millis: u64) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    fn jitter(&self) -> u64 {
        self.0.jitter()
    }
}

/// How far a clock is ahead, in nanoseconds: some minutes.
const AHEAD_NANOS: i64 = 5 * 60 * 1_000_000_000;

/// A clock that is minutes ahead.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ahead(Hasty);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.now().0 + AHEAD_NANOS)
    }

    async fn sleep(&self, millis: u64) {
        self.0.sleep(millis).await;
    }

    fn jitter(&self) -> u64 {
        self.0.jitter()
    }
}

/// Every third time an iterator is used, it is too old.
pub(crate) struct Expiring<R> {
    calls: R,
    used: Cell<u32>,
}

impl<R> Expiring<R> {
    pub(crate) fn new(calls: R) -> Self {
        let used = Cell::new(0);
        Self { calls, used }
    }
}

impl<R: ReadShards> ReadShards for Expiring<R> {
    fn stream(&self) -> &str {
        self.calls.stream()
    }

    async fn retained(&self) -> Result<Retained, PortError> {
        self.calls.retained().await
    }

    async fn shards(&self) -> Result<Vec<ListedShard>, PortError> {
        self.calls.shards().await
    }

    async fn iterator(&self, shard: &str, place: Place<'_>) -> Result<String, PortError> {
        self.calls.iterator(shard, place).await
    }

    async fn records(&self, iterator: &str) -> Result<Option<Page>, PortError> {
        self.used.set(self.used.get() + 1);
        if self.used.get().is_multiple_of(EVERY) {
            return Ok(None);
        }
        self.calls.records(iterator).await
    }
}

/// Every third time records are written, nobody hears of it.
pub(crate) struct LosingAnswers<P> {
    calls: P,
    made: Cell<u32>,
}

impl<P> LosingAnswers<P> {
    pub(crate) fn new(calls: P) -> Self {
        let made = Cell::new(0);
        Self { calls, made }
    }
}

impl<P: PutRecords> PutRecords for LosingAnswers<P> {
    async fn put_records(
        &self,
        entries: &[PutEntry],
    ) -> Result<Vec<Result<(), EntryFailure>>, PortError> {
        let answers = self.calls.put_records(entries).await?;
        self.made.set(self.made.get() + 1);
        if self.made.get().is_multiple_of(EVERY) {
            return Err(PortError::new(ErrorKind::Transient, "no answer came"));
        }
        Ok(answers)
    }
}

/// Every third call is one too many.
pub(crate) struct Throttled<R> {
    calls: R,
    made: Cell<u32>,
}

impl<R> Throttled<R> {
    pub(crate) fn new(calls: R) -> Self {
        let made = Cell::new(0);
        Self { calls, made }
    }

    fn call(&self) -> Result<(), PortError> {
        self.made.set(self.made.get() + 1);
        if self.made.get().is_multiple_of(EVERY) {
            return Err(PortError::new(ErrorKind::Throttled, "too much at once"));
        }
        Ok(())
    }
}

impl<R: ReadShards> ReadShards for Throttled<R> {
    fn stream(&self) -> &str {
        self.calls.stream()
    }

    async fn retained(&self) -> Result<Retained, PortError> {
        self.call()?;
        self.calls.retained().await
    }

    async fn shards(&self) -> Result<Vec<ListedShard>, PortError> {
        self.call()?;
        self.calls.shards().await
    }

    async fn iterator(&self, shard: &str, place: Place<'_>) -> Result<String, PortError> {
        self.call()?;
        self.calls.iterator(shard, place).await
    }

    async fn records(&self, iterator: &str) -> Result<Option<Page>, PortError> {
        self.call()?;
        self.calls.records(iterator).await
    }
}

/// A stream that is old and has forgotten what arrived before a time.
pub(crate) struct Forgetful<R> {
    pub(crate) calls: R,
    pub(crate) before_millis: i64,
}

impl<R: ReadShards> ReadShards for Forgetful<R> {
    fn stream(&self) -> &str {
        self.calls.stream()
    }

    async fn retained(&self) -> Result<Retained, PortError> {
        Ok(Retained {
            since_millis: 0,
            ..self.calls.retained().await?
        })
    }

    async fn shards(&self) -> Result<Vec<ListedShard>, PortError> {
        self.calls.shards().await
    }

    async fn iterator(&self, shard: &str, place: Place<'_>) -> Result<String, PortError> {
        self.calls.iterator(shard, place).await
    }

    async fn records(&self, iterator: &str) -> Result<Option<Page>, PortError> {
        let mut page = self.calls.records(iterator).await?;
        if let Some(page) = &mut page {
            let is_there = |arrival_millis| arrival_millis >= self.before_millis;
            page.records
                .retain(|record| is_there(record.arrival_millis));
        }
        Ok(page)
    }
}
