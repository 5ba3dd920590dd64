//! The invariants of the design, each by its number. Those not named here are tested where the code
//! stands that they are about: clients by the server, replay by its own tests, memory by the soak.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

use proptest::prelude::*;
use txp_tests::sim::{
    Batching, LocalBug, LocalSummary, PlantedBug, Summary, fold_of, simulate, simulate_local,
};

/// Seeds that each invariant is looked at with; the simulation's own test takes many more.
const SEEDS: std::ops::Range<u64> = 10_000..10_040;

/// The same, for those over a real directory.
const LOCAL_SEEDS: std::ops::Range<u64> = 10_000..10_020;

/// The summaries of the seeds, none of which broke any invariant.
fn summaries() -> Vec<Summary> {
    let run = |seed| simulate(seed, None).unwrap_or_else(|failure| panic!("{failure}"));
    SEEDS.map(run).collect()
}

/// The same over a real directory.
fn local_summaries() -> Vec<LocalSummary> {
    let run = |seed| simulate_local(seed, None).unwrap_or_else(|failure| panic!("{failure}"));
    LOCAL_SEEDS.map(run).collect()
}

/// Whether a bug against an invariant is seen, so that the invariant is not kept by blindness.
fn is_seen(bug: PlantedBug) -> bool {
    (0..200).any(|seed| simulate(seed, Some(bug)).is_err())
}

/// The same over a real directory.
fn is_seen_locally(bug: LocalBug) -> bool {
    (0..100).any(|seed| simulate_local(seed, Some(bug)).is_err())
}

#[test]
fn invariant_1_rows_add_up() {
    for summary in summaries() {
        assert_eq!(summary.counted, summary.rows as u64);
    }
    assert!(is_seen(PlantedBug::DoubleCount));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// However the history is cut into batches, delivered again and mixed between buckets, the
    /// state is that of one event after the other.
    #[test]
    fn invariant_2_state_is_fold_of_history(
        seed in any::<u64>(),
        batch_max in 1_usize..64,
        repeats_permille in 0_u32..400,
        is_mixed in any::<bool>(),
    ) {
        let plain = Batching { batch_max: 1, repeats_permille: 0, is_mixed: false };
        let other = Batching { batch_max, repeats_permille, is_mixed };
        prop_assert_eq!(fold_of(seed, &plain), fold_of(seed, &other));
    }
}

#[test]
fn invariant_3_no_card_number_goes_out() {
    // Every run looks for each number that came in, in all that was written or told.
    assert!(summaries().iter().all(|summary| summary.events > 0));
    assert!(is_seen(PlantedBug::CardNumberLeaks));
}

#[test]
fn invariant_4_nothing_acknowledged_is_lost() {
    assert!(summaries().iter().any(|summary| !summary.is_undisturbed));
    assert!(is_seen(PlantedBug::AcknowledgeBeforeSync));
    assert!(is_seen(PlantedBug::ReappendSkips));
    assert!(
        local_summaries()
            .iter()
            .any(|summary| summary.torn_tails > 0)
    );
    assert!(is_seen_locally(LocalBug::LogBeforeSync));
    assert!(is_seen_locally(LocalBug::TornTailStays));
}

#[test]
fn invariant_5_every_finding_is_alerted() {
    let findings: usize = summaries().iter().map(|summary| summary.findings).sum();
    assert!(findings > 100);
    assert!(is_seen(PlantedBug::MarkedBeforeHanded));
    let local = local_summaries();
    assert!(local.iter().any(|summary| summary.digests > 0));
    assert!(local.iter().any(|summary| summary.is_undisturbed));
    assert!(is_seen_locally(LocalBug::AlertedTooFar));
    assert!(is_seen_locally(LocalBug::MarksForgotten));
}
