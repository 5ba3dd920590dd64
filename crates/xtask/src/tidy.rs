//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy knows.
//!
//! Every check is a pure function of the tree as git has it (and of `cargo metadata`), so each is
//! tested on a small tree made in the test.

mod alarms;
mod dashboards;
mod documents;
mod layers;
mod source;
mod strings;
mod tree;

use crate::output::say;
use crate::process::{capture, cargo};
use crate::tally::Tally;
use anyhow::{Context, Result};
use tree::Tree;

type Check = (&'static str, fn(&Tree) -> Vec<String>);

const CHECKS: &[Check] = &[
    ("only known top-level folders", source::top_level),
    ("files are short", source::length),
    ("modules have a header", source::headers),
    ("lib.rs is a table of contents", source::lib_files),
    ("no unfinished code", source::unfinished),
    ("members inherit the lints", source::lints),
    ("the domain is pure", source::pure_domain),
    ("nothing of one machine is in the tree", strings::forbidden),
    (
        "ARCHITECTURE.md is short and names what exists",
        documents::architecture,
    ),
    ("every invariant names a test", documents::invariants),
    ("dashboards show what is measured", dashboards::panels),
    ("alarms look at what is measured", alarms::alarms),
    (
        "every alarm has its section in the runbook",
        alarms::runbook,
    ),
    (
        "saved queries ask functions that there are",
        alarms::queries,
    ),
];

pub(crate) fn run() -> Result<Tally> {
    let tree = Tree::of_git()?;
    let metadata = capture(&mut cargo(&[
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ])?)?;
    let metadata = serde_json::from_str(&metadata).context("cargo metadata printed no JSON")?;

    let mut total = Tally::default();
    let layers = ("crates keep to their layers", layers::check(&metadata));
    let checks = CHECKS.iter().map(|(name, check)| (*name, check(&tree)));
    for (name, problems) in checks.chain([layers]) {
        total += Tally::of(problems.is_empty());
        if !problems.is_empty() {
            say(&format!("tidy: {name}:"));
        }
        for problem in problems {
            say(&format!("  {problem}"));
        }
    }
    say(&total.to_string());
    Ok(total)
}
