//! `cargo xtask soak`: both simulations and the kill loop of the test suite, for long.
//!
//! The tests read how long from the environment; the test command uses their defaults.

use crate::output::say;
use crate::process::{FEATURES, PROFILE, checks_build, linting_cargo, succeeds};
use crate::tally::Tally;
use anyhow::Result;

/// How many seeds each simulation runs: over stores in memory, and over a real directory.
const SEEDS: &str = "TXP_SIM_SEEDS";
/// Their first seed.
const FIRST_SEED: &str = "TXP_SIM_FIRST_SEED";
/// How often the kill loop kills.
const KILLS: &str = "TXP_KILLS";

pub(crate) fn run(seeds: u64, first_seed: u64, kills: u64) -> Result<Tally> {
    let mut build = checks_build(FEATURES)?;
    build.args(["--lib", "--bins", "--tests", "--examples"]);
    let mut total = Tally::of(succeeds(&mut build)?);
    for filter in ["simulation", "kill"] {
        say(&format!(
            "== {filter}: {SEEDS}={seeds} {FIRST_SEED}={first_seed} {KILLS}={kills}"
        ));
        let mut command = linting_cargo(&[
            "test",
            "--workspace",
            "--features",
            FEATURES,
            "--profile",
            PROFILE,
            "--test",
            "simulation",
            "--test",
            "kill_loop",
            filter,
        ])?;
        command
            .env(SEEDS, seeds.to_string())
            .env(FIRST_SEED, first_seed.to_string())
            .env(KILLS, kills.to_string());
        total += Tally::of(succeeds(&mut command)?);
    }
    say(&total.to_string());
    Ok(total)
}
