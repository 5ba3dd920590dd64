//! The simulation over many seeds, and the simulation of the simulation: planted bugs.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

use txp_tests::sim::{LocalBug, LocalSummary, PlantedBug, simulate, simulate_local};

/// Seeds of one run of the tests.
const SEEDS: u64 = 200;
/// By so many seeds each planted bug is found.
const SEEDS_PER_BUG: u64 = 200;

/// Seeds of the embedded host in one run of the tests.
const LOCAL_SEEDS: u64 = 200;
/// By so many seeds each bug planted there is found.
const LOCAL_SEEDS_PER_BUG: u64 = 100;

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number"))
    })
}

#[test]
fn simulation_200_seeds() {
    let first = setting("TXP_SIM_FIRST_SEED", 0);
    let seeds = setting("TXP_SIM_SEEDS", SEEDS);
    let mut ordered = 0;
    let mut undisturbed = 0;
    let mut findings = 0;
    for seed in first..first + seeds {
        match simulate(seed, None) {
            Ok(summary) => {
                ordered += u64::from(summary.is_ordered);
                undisturbed += u64::from(summary.is_undisturbed);
                findings += summary.findings;
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    // Else the strict checks would never have been made.
    if seeds >= SEEDS {
        assert!(ordered > seeds / 4, "{ordered} ordered runs");
        assert!(undisturbed > seeds / 10, "{undisturbed} undisturbed runs");
        assert!(findings > 1000, "{findings} findings");
    }
}

#[test]
fn simulation_is_the_same_for_the_same_seed() {
    for seed in 0..10 {
        let first = simulate(seed, None).map_err(|f| f.to_string());
        assert_eq!(first, simulate(seed, None).map_err(|f| f.to_string()));
    }
}

#[test]
fn simulation_finds_every_planted_bug() {
    let mut unfound = Vec::new();
    let mut found_by = Vec::new();
    let mut seeds_used = 0;
    for bug in PlantedBug::ALL {
        match (0..SEEDS_PER_BUG).find(|seed| simulate(*seed, Some(bug)).is_err()) {
            Some(seed) => {
                seeds_used = seeds_used.max(seed + 1);
                found_by.push((bug, seed));
            }
            None => unfound.push(bug),
        }
    }
    assert_eq!(
        unfound,
        [],
        "not found in {SEEDS_PER_BUG} seeds; found: {found_by:?}"
    );
    for seed in 0..seeds_used {
        if let Err(failure) = simulate(seed, None) {
            panic!("without a planted bug: {failure}");
        }
    }
}

#[test]
fn simulation_of_the_embedded_host() {
    let first = setting("TXP_SIM_FIRST_SEED", 0);
    let seeds = setting("TXP_SIM_SEEDS", LOCAL_SEEDS);
    let mut undisturbed = 0;
    let mut all = LocalSummary::default();
    for seed in first..first + seeds {
        let summary = match simulate_local(seed, None) {
            Ok(summary) => summary,
            Err(failure) => panic!("{failure}"),
        };
        undisturbed += u64::from(summary.is_undisturbed);
        all.findings += summary.findings;
        all.shadowed += summary.shadowed;
        all.digests += summary.digests;
        all.quarantined += summary.quarantined;
        all.crashes += summary.crashes;
        all.torn_tails += summary.torn_tails;
        all.damaged_states += summary.damaged_states;
        all.checkpoints += summary.checkpoints;
    }
    // Else the faults would never have been met.
    if seeds >= LOCAL_SEEDS {
        assert!(undisturbed > seeds / 10, "{undisturbed} undisturbed runs");
        let all_met = all.findings > 1000
            && all.shadowed > 500
            && all.digests > 100
            && all.quarantined > 100
            && all.crashes > 500
            && all.torn_tails > 50
            && all.damaged_states > 10
            && all.checkpoints > 1000;
        assert!(all_met, "{all:?}");
    }
}

#[test]
fn simulation_of_the_embedded_host_is_the_same_for_the_same_seed() {
    for seed in 0..5 {
        let first = simulate_local(seed, None).map_err(|f| f.to_string());
        assert_eq!(first, simulate_local(seed, None).map_err(|f| f.to_string()));
    }
}

#[test]
fn simulation_of_the_embedded_host_finds_every_planted_bug() {
    let mut unfound = Vec::new();
    let mut found_by = Vec::new();
    for bug in LocalBug::ALL {
        match (0..LOCAL_SEEDS_PER_BUG).find(|seed| simulate_local(*seed, Some(bug)).is_err()) {
            Some(seed) => found_by.push((bug, seed)),
            None => unfound.push(bug),
        }
    }
    assert_eq!(
        unfound,
        [],
        "not found in {LOCAL_SEEDS_PER_BUG} seeds; found: {found_by:?}"
    );
    // What finds them is the bug, not the seed.
    for (_, seed) in found_by {
        if let Err(failure) = simulate_local(seed, None) {
            panic!("without a planted bug: {failure}");
        }
    }
}
