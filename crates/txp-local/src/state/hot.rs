//! Cards' profiles in use, decoded.
//!
//! A fixed number of places and a clock's hand: a profile that was asked for since the hand last came
//! by stays, another is written where needed and makes room. So what is in use stays, memory is
//! bounded, and nothing is moved or kept in order.

use super::port_error;
use crate::runs::StateError;
use hashbrown::HashTable;
use txp_domain::profile::Profile;
use txp_pipeline::port::{ErrorKind, PortError, ProfileKey};

/// Profiles that are waited for together.
const WARMED_TOGETHER: usize = 64;

/// Places that are written in one go, while whoever asks for the state waits: about a millisecond.
const WRITTEN_TOGETHER: usize = 2_048;

/// Profiles in memory; one takes from 200 bytes to 1.2 KiB.
const PLACES_MAX: usize = 60_000;

/// A profile, and whether it has changed since it was last written.
#[derive(Debug)]
pub(super) struct HotProfile {
    key: ProfileKey,
    pub(super) profile: Profile,
    pub(super) is_dirty: bool,
    was_asked_for: bool,
}

/// The profiles in use.
#[derive(Debug, Default)]
pub(super) struct HotProfiles {
    /// Indexes of `places`, by the hash of their keys.
    index: HashTable<u32>,
    places: Vec<HotProfile>,
    hand: usize,
}

/// Where the profiles are kept for good.
pub(super) trait Home {
    /// The profile of a card; an empty one if it has none yet.
    fn read(&mut self, key: ProfileKey) -> Result<Profile, PortError>;
    fn write(&mut self, key: ProfileKey, profile: &Profile) -> Result<(), StateError>;
}

impl HotProfiles {
    /// A profile, wherever it is.
    pub(super) fn get<H: Home>(
        &mut self,
        key: ProfileKey,
        home: &mut H,
    ) -> Result<&mut HotProfile, PortError> {
        let at = match self.find(key) {
            Some(at) => at,
            None => self.take_in(key, home)?,
        };
        let hot = self.places.get_mut(at).ok_or_else(no_place)?;
        hot.was_asked_for = true;
        Ok(hot)
    }

    /// Brings profiles that are asked for next close to the processor. One after the other they would
    /// each be waited for; asked for side by side they come together.
    pub(super) fn warm(&self, keys: &[ProfileKey]) {
        let mut seen = 0;
        let mut places = [u32::MAX; WARMED_TOGETHER];
        for keys in keys.chunks(WARMED_TOGETHER) {
            for (place, key) in places.iter_mut().zip(keys) {
                let hash = hash_of(*key);
                *place = self.index.find(hash, |_| true).copied().unwrap_or(u32::MAX);
            }
            let hot = || {
                places
                    .iter()
                    .zip(keys)
                    .filter_map(|(at, _)| self.places.get(*at as usize))
            };
            // Of no meaning: it keeps the reads from being left out.
            seen ^= look_through(hot);
        }
        std::hint::black_box(seen);
    }

    fn find(&self, key: ProfileKey) -> Option<usize> {
        let is_it = |at: &u32| {
            self.places
                .get(*at as usize)
                .is_some_and(|hot| hot.key == key)
        };
        self.index.find(hash_of(key), is_it).map(|at| *at as usize)
    }

    /// Writes the profiles that have changed of so many places from one on; the place behind them, if
    /// there are more.
    pub(super) fn write_from<H: Home>(
        &mut self,
        from: usize,
        home: &mut H,
    ) -> Result<Option<usize>, StateError> {
        let end = (from + WRITTEN_TOGETHER).min(self.places.len());
        let places = self.places.get_mut(from..end).unwrap_or_default();
        for places in places.chunks_mut(WARMED_TOGETHER) {
            let seen = look_through(|| places.iter().filter(|hot| hot.is_dirty));
            std::hint::black_box(seen);
            for hot in places.iter_mut().filter(|hot| hot.is_dirty) {
                home.write(hot.key, &hot.profile)?;
                hot.is_dirty = false;
            }
        }
        Ok(Some(end).filter(|end| *end < self.places.len()))
    }

    fn take_in<H: Home>(&mut self, key: ProfileKey, home: &mut H) -> Result<usize, PortError> {
        let hot = HotProfile {
            key,
            profile: home.read(key)?,
            is_dirty: false,
            was_asked_for: true,
        };
        let at = if self.places.len() < PLACES_MAX {
            self.places.push(hot);
            self.places.len() - 1
        } else {
            let at = self.make_room(home)?;
            *self.places.get_mut(at).ok_or_else(no_place)? = hot;
            at
        };
        let places = &self.places;
        let hash_at = |at: &u32| places.get(*at as usize).map_or(0, |hot| hash_of(hot.key));
        let at_u32 = u32::try_from(at).unwrap_or(u32::MAX);
        self.index.insert_unique(hash_of(key), at_u32, hash_at);
        Ok(at)
    }

    /// Moves the hand on to a profile that nobody has asked for since it last came by. What was
    /// there is forgotten.
    fn make_room<H: Home>(&mut self, home: &mut H) -> Result<usize, PortError> {
        loop {
            self.hand = (self.hand + 1) % self.places.len().max(1);
            let hot = self.places.get_mut(self.hand).ok_or_else(no_place)?;
            if std::mem::take(&mut hot.was_asked_for) {
                continue;
            }
            if hot.is_dirty {
                home.write(hot.key, &hot.profile).map_err(port_error)?;
                hot.is_dirty = false;
            }
            let (hash, hand) = (hash_of(hot.key), self.hand);
            if let Ok(entry) = self.index.find_entry(hash, |at| *at as usize == hand) {
                entry.remove();
            }
            return Ok(self.hand);
        }
    }
}

/// Reads something of all that is looked at of profiles: of all their heads first, then what those
/// point to.
fn look_through<'a, I: Iterator<Item = &'a HotProfile>>(profiles: impl Fn() -> I) -> u64 {
    let heads = profiles().map(|hot| hash_of(hot.key) ^ hot.profile.revision());
    heads
        .chain(profiles().map(|hot| hot.profile.look_through()))
        .fold(0, u64::wrapping_add)
}

fn no_place() -> PortError {
    PortError::new(ErrorKind::Permanent, "a profile in memory has no place")
}

/// A fingerprint is a keyed hash already: its bits serve as they are. A card's currencies are few.
fn hash_of(key: ProfileKey) -> u64 {
    let bits = key.fingerprint.0.first_chunk::<8>();
    bits.map_or(0, |bits| u64::from_le_bytes(*bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use txp_domain::card::Fingerprint;
    use txp_domain::id::{EventId, UploadId};
    use txp_domain::money::{Amount, Currency};
    use txp_domain::profile::Sale;
    use txp_domain::time::Timestamp;

    #[derive(Default)]
    struct Written(HashMap<ProfileKey, Profile>);

    impl Home for Written {
        fn read(&mut self, key: ProfileKey) -> Result<Profile, PortError> {
            Ok(self.0.get(&key).cloned().unwrap_or_default())
        }

        fn write(&mut self, key: ProfileKey, profile: &Profile) -> Result<(), StateError> {
            self.0.insert(key, profile.clone());
            Ok(())
        }
    }

    fn card(number: u64) -> ProfileKey {
        let mut fingerprint = [0; 16];
        fingerprint[..8].copy_from_slice(&number.to_le_bytes());
        ProfileKey {
            fingerprint: Fingerprint(fingerprint),
            currency: Currency::from_code(b"USD").expect("a currency"),
        }
    }

    /// Four times as many cards as there are places, the first thousand of them again and again.
    #[test]
    fn no_sale_is_lost_on_the_way_and_memory_is_bounded() {
        let (mut hot, mut home) = (HotProfiles::default(), Written::default());
        let cards = PLACES_MAX as u64 * 4;
        for number in 0..cards {
            for number in [number, number % 1_000] {
                let hot = hot.get(card(number), &mut home).expect("it is there");
                let id = EventId {
                    upload_id: UploadId::default(),
                    record: hot.profile.revision(),
                };
                hot.profile.push(Sale::of(id, Timestamp(0), Amount(1)));
                hot.is_dirty = true;
            }
            assert!(hot.places.len() <= PLACES_MAX && hot.index.len() == hot.places.len());
        }
        let mut from = Some(0);
        while let Some(place) = from {
            from = hot.write_from(place, &mut home).expect("it is there");
        }
        let sales: u64 = home.0.values().map(Profile::revision).sum();
        assert_eq!(sales, 2 * cards);
        assert_eq!(home.0.len() as u64, cards);
    }
}
