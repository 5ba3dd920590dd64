//! What detection remembers of one card in one currency.
//!
//! A profile counts and sums the sales judged on the card, and keeps a ring of the latest ones. A
//! sale that is delivered again is recognised by the ring and judged against exactly what stood
//! before it the first time, so that redelivery changes neither the profile nor a finding.
//!
//! Bounds:
//! - the last [`RECOGNISED_MAX`] judged sales are recognised; one delivered again after more than
//!   that many others on its card and currency would be judged as a new one;
//! - a window looks at the last [`PREDECESSORS_MAX`] sales judged before the sale, so a count in a
//!   window stops there, and so does a rule's threshold (`rules check` refuses a higher one). Where
//!   sales come in the order of their event times this decides every permitted threshold exactly;
//!   where they do not, a sale judged more than that many sales ago is out of sight, whatever its
//!   event time is;
//! - for both to hold at once, the rings keep the sales that are recognised in full and, of the
//!   sales before those, their event times.
//!
//! Deliberately not here: refunds and chargebacks (only sales are judged against a card's past),
//! thresholds (rules own them), and any clock.

mod codec;

pub use codec::DecodeFault;

use crate::id::EventId;
use crate::money::Amount;
use crate::time::Timestamp;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many of the latest judged sales are recognised when they are delivered again.
pub const RECOGNISED_MAX: usize = 32;

/// How many sales before a sale a window can look at.
pub const PREDECESSORS_MAX: usize = 32;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// What a profile keeps of a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Digest of the id of the event that brought the sale.
    pub digest: u64,
    /// Event time.
    pub at: Timestamp,
    /// Amount in minor units of the profile's currency.
    pub amount: Amount,
}

impl Sale {
    /// The sale of an event.
    #[must_use]
    pub fn of(event_id: EventId, at: Timestamp, amount: Amount) -> Self {
        Self {
            digest: xxh3_64_with_seed(event_id.upload_id.as_bytes(), event_id.record),
            at,
            amount,
        }
    }
}

/// How many event times are kept: those of the recognised sales and of the sales before them.
const TIMES_MAX: usize = RECOGNISED_MAX + PREDECESSORS_MAX;

/// The sales judged on one card in one currency: how many, how much, and the latest of them.
///
/// Sales are numbered from 0 as they are judged. What is kept of sale `n` stands at `n` modulo the
/// length of a full ring, each kind of value in a ring of its own: looking for a sale reads digests
/// only, a window event times only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    count: u64,
    sum: u128,
    /// Of the latest sales, at most [`RECOGNISED_MAX`].
    digests: Vec<u64>,
    /// Of the same sales.
    amounts: Vec<Amount>,
    /// Of the latest sales, at most [`TIMES_MAX`].
    times: Vec<Timestamp>,
}

/// The number of a recognised sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u64);

/// A card's past as it stood before one sale was judged.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    count: u64,
    sum: u128,
    /// The event times in sight, in two parts: a stretch of the ring may go over its end.
    times: (&'a [Timestamp], &'a [Timestamp]),
    at: Timestamp,
}

impl Profile {
    /// How many sales were judged. It is the profile's revision, too: each one changes it once.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.count
    }

    /// The amounts of all judged sales in minor units.
    #[must_use]
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// Where the sale stands, if it is one of the latest judged ones.
    ///
    /// Id digest, event time and amount must all agree, so that a collision of digests alone cannot
    /// make a new sale pass for an old one.
    #[must_use]
    pub fn recognise(&self, sale: &Sale) -> Option<Place> {
        // The plain question first: it is asked of every sale, and nearly always denied.
        if !self.digests.contains(&sale.digest) {
            return None;
        }
        let mut latest = self.recognised();
        latest
            .rfind(|n| self.sale(*n).as_ref() == Some(sale))
            .map(Place)
    }

    /// The past before a sale: before its first judgement if it is recognised, else all of it.
    #[must_use]
    pub fn before(&self, sale: &Sale, place: Option<Place>) -> Before<'_> {
        let count = place.map_or(self.count, |Place(number)| number);
        let since = (count..self.count).filter_map(|n| self.sale(n));
        let since_sum: u128 = since.map(|sale| u128::from(sale.amount.0)).sum();
        let in_sight = count.min(PREDECESSORS_MAX as u64);
        Before {
            count,
            sum: self.sum.saturating_sub(since_sum),
            times: self.times_between(count - in_sight, count),
            at: sale.at,
        }
    }

    /// Takes up a sale that was judged and not recognised.
    pub fn push(&mut self, sale: Sale) {
        let number = self.count;
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(u128::from(sale.amount.0));
        put_in_ring(&mut self.digests, RECOGNISED_MAX, number, sale.digest);
        put_in_ring(&mut self.amounts, RECOGNISED_MAX, number, sale.amount);
        put_in_ring(&mut self.times, TIMES_MAX, number, sale.at);
    }

    /// Reads something of all that a judgement looks at. The answer means nothing; a profile that lies
    /// far away in memory is near afterwards.
    #[must_use]
    pub fn look_through(&self) -> u64 {
        const LINE: usize = 64 / size_of::<u64>();
        let digests = self.digests.iter().step_by(LINE).copied();
        let times = self
            .times
            .iter()
            .step_by(LINE)
            .map(|at| at.0.cast_unsigned());
        digests.chain(times).fold(0, u64::wrapping_add)
    }

    /// The numbers of the sales that are recognised.
    fn recognised(&self) -> std::ops::Range<u64> {
        self.count.saturating_sub(self.digests.len() as u64)..self.count
    }

    /// The numbers of the sales of which the event time is kept.
    fn timed(&self) -> std::ops::Range<u64> {
        self.count.saturating_sub(self.times.len() as u64)..self.count
    }

    /// A recognised sale.
    fn sale(&self, number: u64) -> Option<Sale> {
        let place = place_in_ring(RECOGNISED_MAX, number);
        Some(Sale {
            digest: *self.digests.get(place)?,
            at: self.time(number)?,
            amount: *self.amounts.get(place)?,
        })
    }

    fn time(&self, number: u64) -> Option<Timestamp> {
        self.times.get(place_in_ring(TIMES_MAX, number)).copied()
    }

    /// The event times of the sales of `from..to`, which are kept.
    fn times_between(&self, from: u64, to: u64) -> (&[Timestamp], &[Timestamp]) {
        let (start, end) = (place_in_ring(TIMES_MAX, from), place_in_ring(TIMES_MAX, to));
        if from == to || start < end {
            (self.times.get(start..end).unwrap_or(&[]), &[])
        } else {
            let (head, tail) = (self.times.get(start..), self.times.get(..end));
            (head.unwrap_or(&[]), tail.unwrap_or(&[]))
        }
    }
}

fn place_in_ring(len: usize, number: u64) -> usize {
    // Both lengths are far below 2^32.
    (number % len as u64) as usize
}

fn put_in_ring<T>(ring: &mut Vec<T>, len: usize, number: u64, value: T) {
    match ring.get_mut(place_in_ring(len, number)) {
        Some(place) => *place = value,
        None => ring.push(value),
    }
}

impl Before<'_> {
    /// How many sales were judged before; the revision of the profile that the sale saw.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The amounts of the sales judged before, in minor units.
    #[must_use]
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// How many of the last [`PREDECESSORS_MAX`] sales judged before have an event time in the
    /// window that ends with the sale. The window holds its start. Of sales at the sale's own time,
    /// those judged earlier count, and all of these were.
    #[must_use]
    pub fn within(&self, window_seconds: u32) -> u32 {
        let start = Timestamp(
            self.at
                .0
                .saturating_sub(i64::from(window_seconds).saturating_mul(NANOSECONDS_PER_SECOND)),
        );
        let inside = |at: &Timestamp| u32::from(start <= *at && *at <= self.at);
        let (head, tail) = self.times;
        head.iter().map(inside).sum::<u32>() + tail.iter().map(inside).sum::<u32>()
    }
}

#[cfg(test)]
mod tests;
