//! A stream as a source: all shards, a child after its parents, each from where it was left.
//!
//! One call at a time, to the shard that has waited longest; a shard is asked no more often than
//! Kinesis allows, and one with nothing new less often. Throttles and failures that may pass are
//! waited out; an iterator that is too old is made again behind the last record. A shard that has
//! ended makes room for its children, which the stream is then asked for.
//!
//! The place of a reader is the last sequence number of each shard, so it holds across resharding:
//! a child that is not named yet is read from its beginning once its parents have ended.
//!
//! Deliberately absent: enhanced fan-out (a laptop's connection is the narrower way), leases (one
//! process reads all shards), and what the bytes mean.

mod place;
mod shards;

use super::deaggregate::deaggregate;
use super::read::{Page, Place, ReadRecord, ReadShards};
use super::source::{position_of, sequence_of};
use shards::{Shard, Shards};
use txp_pipeline::history::arrival;
use txp_pipeline::port::{Clock, ErrorKind, EventSource, PortError, Progress, SourceBatch, Window};
use txp_pipeline::retry::RetryPolicy;

/// Between two calls to one shard: it takes 5 a second (Kinesis' documented limit).
const READ_EVERY_MILLIS: i64 = 200;
/// Between two calls to a shard that had nothing new.
const IDLE_MILLIS: i64 = 1_000;
/// A time to begin at must not be in the future; clocks differ by less than this.
const SKEW_MILLIS: i64 = 60_000;
/// Arrivals of one shard may go back by less than this: it is read on so far beyond its window.
const DISORDER_MILLIS: i64 = 60_000;
/// Iterators made in a row that were too old when they were used.
const RENEWALS_MAX: u32 = 3;

/// The source.
pub struct StreamSource<R, C> {
    calls: R,
    clock: C,
    window: Window,
    shards: Shards,
    retry: RetryPolicy,
    /// The shard that was read last.
    last_read: Option<String>,
}

impl<R: ReadShards, C: Clock> StreamSource<R, C> {
    /// Opens a stream at the beginning of a window.
    ///
    /// # Errors
    /// The shards cannot be listed, or the window's place is not one of this stream, or is one behind
    /// which the stream has forgotten what came.
    pub async fn open(calls: R, clock: C, window: Window) -> Result<Self, PortError> {
        let shards = match &window.after {
            Some(place) => place::read(place, calls.stream())?,
            None => Shards::default(),
        };
        let mut source = Self {
            calls,
            clock,
            window,
            shards,
            retry: RetryPolicy::PATIENT,
            last_read: None,
        };
        let resumed: Vec<Shard> = source.shards.begun().cloned().collect();
        source.list().await?;
        source.check_remembered(&resumed).await?;
        Ok(source)
    }

    /// A stream forgets what is older than its retention, and says nothing of it: whoever goes on
    /// behind a record that is gone is given the oldest that there is, and what lay between is missed.
    async fn check_remembered(&self, resumed: &[Shard]) -> Result<(), PortError> {
        if resumed.is_empty() {
            return Ok(());
        }
        let calls = &self.calls;
        let retained = self
            .retry
            .run(&self.clock, async |_| calls.retained().await);
        let oldest_millis = self.now_millis() - retained.await?.for_millis;
        let mut forgotten = Vec::new();
        for shard in resumed {
            let is_listed = self.shards.has(&shard.id);
            match shard.read_to_millis {
                // Whatever came behind is kept until its own time is over.
                Some(read_to) if is_listed && read_to >= oldest_millis => {}
                Some(read_to) => forgotten.push(format!(
                    "of shard {} what arrived from {} on",
                    shard.id,
                    arrival(read_to)
                )),
                None if is_listed => {}
                None => forgotten.push(format!("the rest of shard {}", shard.id)),
            }
        }
        if forgotten.is_empty() {
            return Ok(());
        }
        let context = format!(
            "the stream {} has forgotten what comes behind the place to go on from, and some of it may be missed: {}, to {}; read it behind its archive (s3://BUCKET/PREFIX+kinesis:{0}), or begin again without the place",
            self.calls.stream(),
            forgotten.join(", "),
            arrival(oldest_millis)
        );
        Err(PortError::new(ErrorKind::Permanent, context))
    }

    /// Asks for the shards that there are, and starts those whose parents have ended.
    async fn list(&mut self) -> Result<(), PortError> {
        let calls = &self.calls;
        let listed = self.retry.run(&self.clock, async |_| calls.shards().await);
        self.shards.update(listed.await?);
        Ok(())
    }

    /// The shard that the last batch came from.
    #[must_use]
    pub fn last_read(&self) -> Option<&str> {
        self.last_read.as_deref()
    }

    /// Whether a parent of a shard can still be read, and so the shard's own beginning.
    #[must_use]
    pub fn has_parent(&self, shard: &str) -> bool {
        self.shards.has_parent(shard)
    }

    /// The stream's calls.
    #[must_use]
    pub fn calls(&self) -> &R {
        &self.calls
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &C {
        &self.clock
    }

    fn now_millis(&self) -> i64 {
        self.clock.now().unix_millis()
    }

    /// Reads one page of a shard, with an iterator made as often as needed.
    async fn read(&mut self, shard: &str) -> Result<Page, PortError> {
        for _ in 0..RENEWALS_MAX {
            let iterator = self.iterator(shard).await?;
            let calls = &self.calls;
            let read = self
                .retry
                .run(&self.clock, async |_| calls.records(&iterator).await);
            match read.await? {
                Some(page) => return Ok(page),
                None => {
                    if let Some(shard) = self.shards.get_mut(shard) {
                        shard.iterator = None;
                    }
                }
            }
        }
        let stream = self.calls.stream();
        let context = format!(
            "reading the stream {stream} failed: iterators were too old {RENEWALS_MAX} times in a row; try again"
        );
        Err(PortError::new(ErrorKind::Transient, context))
    }

    async fn iterator(&mut self, id: &str) -> Result<String, PortError> {
        let (iterator, last) = match self.shards.get_mut(id) {
            Some(shard) => (shard.iterator.clone(), shard.last.clone()),
            None => (None, None),
        };
        if let Some(iterator) = iterator {
            return Ok(iterator);
        }
        let place = match (&last, self.window.from_millis) {
            (Some(last), _) => Place::After(last),
            (None, Some(from)) => Place::At(from.min(self.now_millis() - SKEW_MILLIS)),
            (None, None) => Place::Beginning,
        };
        let calls = &self.calls;
        let made = self
            .retry
            .run(&self.clock, async |_| calls.iterator(id, place).await);
        let made = made.await?;
        if let Some(shard) = self.shards.get_mut(id) {
            shard.iterator = Some(made.clone());
        }
        Ok(made)
    }

    /// Takes a page into the batch, then moves the shard on.
    fn take(&mut self, id: &str, page: Page, batch: &mut SourceBatch) -> Result<(), PortError> {
        for record in &page.records {
            if let Err(error) = push(record, &self.window, batch) {
                batch.clear();
                return Err(error);
            }
        }
        let now = self.now_millis();
        let to = self.window.to_millis;
        let Some(shard) = self.shards.get_mut(id) else {
            return Ok(());
        };
        let is_past = |to: i64| {
            let mut arrivals = page.records.iter().map(|record| record.arrival_millis);
            !page.records.is_empty() && arrivals.all(|at| at >= to.saturating_add(DISORDER_MILLIS))
        };
        let has_ended = page.next.is_none();
        let is_past = to.is_some_and(is_past);
        let read_to = match page.behind_millis {
            // Whatever had arrived by now is read.
            0 => Some(now),
            _ => page
                .records
                .iter()
                .map(|record| record.arrival_millis)
                .max(),
        };
        shard.read_to_millis = read_to.max(shard.read_to_millis);
        shard.is_idle = page.records.is_empty() && page.behind_millis == 0;
        shard.due_millis = now
            + if shard.is_idle {
                IDLE_MILLIS
            } else {
                READ_EVERY_MILLIS
            };
        if let Some(last) = page.records.last() {
            shard.last = Some(last.sequence_number.clone());
        }
        shard.iterator = page.next;
        if has_ended || is_past {
            self.shards.end(id, has_ended);
        }
        Ok(())
    }
}

fn push(record: &ReadRecord, window: &Window, batch: &mut SourceBatch) -> Result<(), PortError> {
    if !window.has(record.arrival_millis) {
        return Ok(());
    }
    let sequence = sequence_of(&record.sequence_number)?;
    let mut user_records = Vec::new();
    deaggregate(&record.data, &record.partition_key, &mut user_records);
    for user_record in &user_records {
        let position = position_of(user_record, &sequence);
        batch.push(position, record.arrival_millis, &[user_record.data]);
    }
    Ok(())
}

impl<R: ReadShards, C: Clock> EventSource for StreamSource<R, C> {
    async fn next(&mut self, batch: &mut SourceBatch) -> Result<Progress, PortError> {
        batch.clear();
        if self.shards.is_to_be_listed() {
            self.list().await?;
        }
        let Some(Shard { id, due_millis, .. }) = self.shards.longest_waiting() else {
            return Ok(Progress::Ended);
        };
        let (id, due_millis) = (id.clone(), *due_millis);
        let early = due_millis.saturating_sub(self.now_millis());
        if let Some(millis) = u64::try_from(early).ok().filter(|millis| *millis > 0) {
            self.clock.sleep(millis).await;
        }
        let page = self.read(&id).await?;
        self.last_read = Some(id.clone());
        self.take(&id, page, batch)?;
        if self.shards.are_idle() {
            // A shard that was closed a moment ago still looks open: its children tell.
            self.list().await?;
        }
        Ok(if self.shards.are_idle() && !self.shards.have_waiting() {
            Progress::CaughtUp
        } else if self.shards.have_ended() {
            Progress::Ended
        } else {
            Progress::More
        })
    }

    fn cursor(&self) -> String {
        place::write(self.calls.stream(), &self.shards)
    }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
