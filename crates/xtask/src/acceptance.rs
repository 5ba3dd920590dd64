//! `cargo xtask acceptance DIR`: the product held to data that no one here wrote.
//!
//! `txp` is driven as a user drives it, by its command line and its JSON; each check has its own
//! directory. After each, everything that was printed or written is searched for the card numbers
//! that went in.

mod fraud;
mod host;
mod leak;
mod metrics;
mod plain;
mod table;
mod torture;
mod vectors;

use crate::output::{complain, say};
use crate::process::{FEATURES, checks_build, succeeds, target, txp};
use crate::tally::Tally;
use anyhow::{Result, bail};
use host::Host;
use std::path::Path;
use std::time::Instant;

/// A check: it adds to the list what is wrong; an error is a failure too.
type Check = fn(&Path, &mut Host, &mut Problems) -> Result<()>;

const CHECKS: &[(&str, Check)] = &[
    ("plain: five columns, sent twice", plain::five_columns),
    (
        "plain: no timestamp column, sent twice",
        plain::four_columns,
    ),
    ("vectors: card numbers", vectors::cards),
    ("vectors: currencies", vectors::currencies),
    ("csv-torture: header faults", torture::header_faults),
    (
        "csv-torture: records as an independent reader counts them",
        torture::records,
    ),
    (
        "fraud: sample, sample again, chargebacks after",
        fraud::chargebacks_after,
    ),
    (
        "fraud: metrics of a backtest beside metrics.py",
        metrics::beside_the_script,
    ),
    (
        "fraud: chargebacks before the sample",
        fraud::chargebacks_before,
    ),
];

/// How many problems of a check are printed.
const PROBLEMS_SHOWN: usize = 10;

/// What is wrong, in words.
#[derive(Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: String) {
        self.0.push(problem);
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            self.add(format!("{what}: {found:?}, expected {expected:?}"));
        }
    }
}

pub(crate) fn run(data: &Path, only: &str) -> Result<Tally> {
    let data = std::path::absolute(data)?;
    if !data.join("csv-torture/manifest.csv").is_file() {
        bail!(
            "{} holds no csv-torture/manifest.csv: give the folder of the shared data sets",
            data.display()
        );
    }
    // As `cargo xtask ci` builds it, so that after it nothing is compiled.
    if !succeeds(checks_build(FEATURES)?.args(["--bin", "txp"]))? {
        bail!("txp does not build");
    }
    let (txp, work) = (txp()?, target()?.join("acceptance"));
    let mut total = Tally::default();
    for (index, (name, check)) in CHECKS
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| name.contains(only))
    {
        let start = Instant::now();
        let mut problems = Problems::default();
        let mut host = Host::new(&txp, work.join(index.to_string()))?;
        if let Err(error) = check(&data, &mut host, &mut problems) {
            problems.add(format!("{error:#}"));
        }
        host.leaks()?
            .into_iter()
            .for_each(|leak| problems.add(leak));
        total += Tally::of(problems.0.is_empty());
        let verdict = if problems.0.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        say(&format!(
            "{verdict:<7} {name} ({} s)",
            start.elapsed().as_secs()
        ));
        problems
            .0
            .iter()
            .take(PROBLEMS_SHOWN)
            .for_each(|problem| complain(&format!("        {problem}")));
        if let Some(more @ 1..) = problems.0.len().checked_sub(PROBLEMS_SHOWN) {
            complain(&format!("        and {more} more"));
        }
        if problems.0.is_empty() {
            host.remove()?;
        }
    }
    say(&total.to_string());
    Ok(total)
}
