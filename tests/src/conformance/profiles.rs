//! The port of profiles.

use super::NOW;
use txp_domain::card::Fingerprint;
use txp_domain::id::EventId;
use txp_domain::money::{Amount, Currency};
use txp_domain::profile::{Profile, Sale};
use txp_pipeline::port::{ProfileKey, ProfileStore, Written};

/// More than one request of any adapter fetches.
const MANY: u8 = 230;

fn key(family: u8, number: u8) -> ProfileKey {
    let mut bytes = [family; 16];
    bytes[15] = number;
    ProfileKey {
        fingerprint: Fingerprint(bytes),
        currency: Currency::USD,
    }
}

fn sale(record: u64) -> Sale {
    let event = EventId {
        upload_id: super::upload_id(21),
        record,
    };
    Sale::of(event, NOW, Amount(record))
}

fn profile(sales: u64) -> Profile {
    let mut profile = Profile::default();
    (1..=sales).for_each(|record| judge(&mut profile, record));
    profile
}

/// As judging a sale does: one that is recognised changes nothing.
fn judge(profile: &mut Profile, record: u64) {
    if profile.recognise(&sale(record)).is_none() {
        profile.push(sale(record));
    }
}

/// A profile that nobody stored is empty; one that was stored is read back whole.
pub async fn a_profile_is_read_back_as_it_was_stored(store: &mut impl ProfileStore) {
    let key = key(1, 0);
    assert_eq!(store.load(key).await.unwrap(), Profile::default());
    let mut expected = 0;
    for sales in [1, 2, 32, 33, 64, 65, 200] {
        let written = store.store(key, profile(sales), expected).await.unwrap();
        assert_eq!(written, Written::Stored, "{sales}");
        assert_eq!(store.load(key).await.unwrap(), profile(sales), "{sales}");
        expected = sales;
    }
    let other = ProfileKey {
        currency: Currency::from_code(b"EUR").unwrap(),
        ..key
    };
    assert_eq!(store.load(other).await.unwrap(), Profile::default());
}

/// A write on another revision than the stored one changes nothing.
pub async fn store_is_conditional_on_the_revision(store: &mut impl ProfileStore) {
    let key = key(2, 0);
    for (sales, expected, written) in [
        (2, 1, Written::Conflict),
        (2, 0, Written::Stored),
        (3, 0, Written::Conflict),
        (3, 1, Written::Conflict),
        (3, 2, Written::Stored),
        (3, 2, Written::Conflict),
    ] {
        let answer = store.store(key, profile(sales), expected).await.unwrap();
        assert_eq!(answer, written, "{sales} sales on revision {expected}");
    }
    assert_eq!(store.load(key).await.unwrap(), profile(3));
}

/// An update that comes again changes nothing.
pub async fn an_update_is_made_once(store: &mut impl ProfileStore) {
    let key = key(3, 0);
    for record in [1, 2, 2, 1, 3] {
        store
            .update(key, |profile| judge(profile, record))
            .await
            .unwrap();
    }
    assert_eq!(store.load(key).await.unwrap(), profile(3));
}

/// Profiles that are fetched together are those that are stored, asked for twice or not there.
pub async fn prepared_profiles_are_those_stored(store: &mut impl ProfileStore) {
    for number in (0..MANY).step_by(2) {
        let sales = u64::from(number % 5) + 1;
        let written = store
            .store(key(4, number), profile(sales), 0)
            .await
            .unwrap();
        assert_eq!(written, Written::Stored);
    }
    let keys: Vec<_> = (0..MANY).chain(0..3).map(|number| key(4, number)).collect();
    store.prepare(&keys).await.unwrap();
    for number in 0..MANY {
        let sales = if number % 2 == 0 {
            u64::from(number % 5) + 1
        } else {
            0
        };
        let loaded = store.load(key(4, number)).await.unwrap();
        assert_eq!(loaded, profile(sales), "{number}");
    }
    store.prepare(&[]).await.unwrap();
}

/// Several are changed at once, and one that another changed meanwhile is changed again as it is now.
pub async fn several_are_updated_as_each_alone(
    one: &mut impl ProfileStore,
    other: &mut impl ProfileStore,
) {
    let keys: Vec<_> = (0..MANY).map(|number| key(6, number)).collect();
    one.prepare(&keys).await.unwrap();
    let changed_meanwhile = 7;
    for record in [1, 2] {
        other
            .update(keys[changed_meanwhile], |profile| judge(profile, record))
            .await
            .unwrap();
    }
    let mut calls = vec![0; keys.len()];
    let change = |at: usize, profile: &mut Profile| {
        calls[at] += 1;
        judge(profile, 3);
    };
    let damaged = one.update_all(&keys, change).await.unwrap();
    assert!(damaged.is_empty(), "{damaged:?}");
    assert!(calls.iter().all(|calls| *calls >= 1));
    // A store may answer with what it wrote itself until it prepares anew.
    other.prepare(&keys).await.unwrap();
    for (number, key) in keys.iter().enumerate() {
        let sales = if number == changed_meanwhile { 3 } else { 1 };
        let loaded = other.load(*key).await.unwrap();
        assert_eq!(loaded.revision(), sales, "{number}");
    }
}

/// Of two writers that prepared the same profile, the second meets a conflict and takes both in.
pub async fn a_stale_profile_is_never_written_over(
    one: &mut impl ProfileStore,
    other: &mut impl ProfileStore,
) {
    let key = key(5, 0);
    one.prepare(&[key]).await.unwrap();
    other.prepare(&[key]).await.unwrap();
    one.update(key, |profile| judge(profile, 1)).await.unwrap();
    other
        .update(key, |profile| judge(profile, 2))
        .await
        .unwrap();
    assert_eq!(other.load(key).await.unwrap(), profile(2));
}
