//! The port of the quarantine. What is in it is read by the caller's `read`.
//!
//! Each event is of a record of its own: how those of one record are told together is up to the
//! adapter.

use super::position;
use std::collections::BTreeSet;
use txp_domain::position::{Position, Sequence};
use txp_pipeline::port::{Poison, Quarantine};

/// The stage whose quarantine it is.
pub const STAGE: &str = "fold";

/// More than any adapter writes at once.
const MANY: u64 = 60;

/// An event in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// Its bucket.
    pub bucket: u8,
    /// Its sequence number.
    pub sequence: u64,
    /// The stage that could not process it.
    pub stage: String,
    /// Why.
    pub reason: String,
}

impl Kept {
    fn of(poison: &Poison) -> Self {
        Self {
            bucket: poison.position.bucket.0,
            sequence: poison.position.sequence.as_u64().unwrap(),
            stage: poison.stage.to_owned(),
            reason: poison.reason.clone(),
        }
    }
}

fn poison(number: u64, reason: &str) -> Poison {
    Poison {
        // The embedded quarantine goes by the one counter of its directory.
        position: Position {
            sequence: Sequence::from(number),
            subsequence: 0,
            ..position((number % 5) as u8, number)
        },
        stage: STAGE,
        reason: reason.to_owned(),
    }
}

fn all_of<'p>(poisons: impl IntoIterator<Item = &'p Poison>) -> BTreeSet<Kept> {
    poisons.into_iter().map(Kept::of).collect()
}

/// What is there of events that a function brought, each once.
async fn among(read: impl AsyncFn() -> Vec<Kept>, poisons: &[Poison]) -> BTreeSet<Kept> {
    let mut found = read().await;
    found.retain(|kept| {
        let mut brought = poisons.iter().map(Kept::of);
        brought.any(|poison| poison.sequence == kept.sequence)
    });
    let sequences: BTreeSet<_> = found.iter().map(|kept| kept.sequence).collect();
    assert_eq!(sequences.len(), found.len(), "an event is kept once");
    found.into_iter().collect()
}

/// An event is kept with its place, stage and reason; again, it is the same event, also for a writer
/// that did not put it there.
pub async fn an_event_is_kept_once<Q: Quarantine>(
    open: impl AsyncFn() -> Q,
    read: impl AsyncFn() -> Vec<Kept>,
) {
    let poisons = [poison(1, "it is no JSON"), poison(2, "its type is unknown")];
    let mut quarantine = open().await;
    for poison in [&poisons[0], &poisons[1], &poisons[0]] {
        quarantine.put(poison).await.unwrap();
    }
    assert_eq!(among(&read, &poisons).await, all_of(&poisons));
    let mut another = open().await;
    another.put_all(&poisons).await.unwrap();
    assert_eq!(among(&read, &poisons).await, all_of(&poisons));
    let elsewhere = poison(1, "an older program says it in other words");
    another.put(&elsewhere).await.unwrap();
    let found = among(&read, &poisons).await;
    let reasons = [&*poisons[0].reason, &*elsewhere.reason];
    let first = found.iter().find(|kept| kept.sequence == 1).unwrap();
    assert!(reasons.contains(&&*first.reason), "{first:?}");
}

/// Many at once are all kept, some of them known before, in any order.
pub async fn many_are_kept_at_once(
    quarantine: &mut impl Quarantine,
    read: impl AsyncFn() -> Vec<Kept>,
) {
    let mut poisons: Vec<_> = (100..100 + MANY)
        .map(|number| poison(number, "it ends too early"))
        .collect();
    quarantine.put(&poisons[7]).await.unwrap();
    quarantine.put_all(&poisons[..10]).await.unwrap();
    poisons.reverse();
    quarantine.put_all(&poisons).await.unwrap();
    quarantine.put_all(&[]).await.unwrap();
    assert_eq!(among(read, &poisons).await, all_of(&poisons));
}

/// A reason that repeats what it met does not hold a card number.
pub async fn a_reason_is_masked(
    quarantine: &mut impl Quarantine,
    read: impl AsyncFn() -> Vec<Kept>,
) {
    let poisons = [poison(20, "unknown variant `4111 1111 1111 1111`")];
    quarantine.put(&poisons[0]).await.unwrap();
    let found = among(read, &poisons).await;
    let masked = "unknown variant `[redacted 16 digits]`".to_owned();
    let expected = Kept {
        reason: masked,
        ..Kept::of(&poisons[0])
    };
    assert_eq!(found, BTreeSet::from([expected]));
}

/// What could not be kept is not taken for kept: it is an error until the place is there, and is kept
/// when it is put again.
pub async fn what_failed_is_kept_when_it_is_put_again(
    quarantine: &mut impl Quarantine,
    make_place: impl AsyncFnOnce(),
    read: impl AsyncFn() -> Vec<Kept>,
) {
    let poisons = [poison(30, "it is no JSON"), poison(31, "it is no JSON")];
    for _ in 0..2 {
        let error = quarantine.put(&poisons[0]).await.unwrap_err();
        assert!(!error.is_retryable(), "{error:?}");
        let error = quarantine.put_all(&poisons).await.unwrap_err();
        assert!(!error.is_retryable(), "{error:?}");
    }
    make_place().await;
    quarantine.put_all(&poisons).await.unwrap();
    assert_eq!(among(read, &poisons).await, all_of(&poisons));
}
