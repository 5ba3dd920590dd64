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
//! - for both to hold at once, the ring keeps the sales that are recognised in full and, of the
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

/// The sales judged on one card in one currency: how many, how much, and the latest of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    count: u64,
    sum: u128,
    /// The latest sales in the order of judgement, at most [`RECOGNISED_MAX`].
    recent: Vec<Sale>,
    /// Event times of the sales judged before `recent`, at most [`PREDECESSORS_MAX`]; empty until
    /// `recent` is full.
    older: Vec<Timestamp>,
}

/// Where a recognised sale stands among the latest ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(usize);

/// A card's past as it stood before one sale was judged.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    count: u64,
    sum: u128,
    older: &'a [Timestamp],
    recent: &'a [Sale],
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
        self.recent
            .iter()
            .rposition(|known| known == sale)
            .map(Place)
    }

    /// The past before a sale: before its first judgement if it is recognised, else all of it.
    #[must_use]
    pub fn before(&self, sale: &Sale, place: Option<Place>) -> Before<'_> {
        let known = place.map_or(self.recent.len(), |Place(index)| index);
        let (recent, since) = self
            .recent
            .split_at_checked(known)
            .unwrap_or((&self.recent, &[]));
        let since_sum: u128 = since.iter().map(|sale| u128::from(sale.amount.0)).sum();
        let out_of_sight = self
            .older
            .len()
            .saturating_sub(PREDECESSORS_MAX.saturating_sub(known));
        Before {
            count: self.count.saturating_sub(since.len() as u64),
            sum: self.sum.saturating_sub(since_sum),
            older: self.older.get(out_of_sight..).unwrap_or(&[]),
            recent,
            at: sale.at,
        }
    }

    /// Takes up a sale that was judged and not recognised.
    pub fn push(&mut self, sale: Sale) {
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(u128::from(sale.amount.0));
        if self.recent.len() < RECOGNISED_MAX {
            self.recent.push(sale);
            return;
        }
        self.recent.rotate_left(1);
        let Some(slot) = self.recent.last_mut() else {
            return;
        };
        let leaving = std::mem::replace(slot, sale);
        if self.older.len() < PREDECESSORS_MAX {
            self.older.push(leaving.at);
            return;
        }
        self.older.rotate_left(1);
        if let Some(slot) = self.older.last_mut() {
            *slot = leaving.at;
        }
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
        let recent: u32 = self.recent.iter().map(|sale| inside(&sale.at)).sum();
        recent + self.older.iter().map(inside).sum::<u32>()
    }
}

#[cfg(test)]
mod tests;
