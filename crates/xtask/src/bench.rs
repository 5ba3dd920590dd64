//! `cargo xtask bench`: how fast a generated file is read, and the whole process on it as a user runs
//! it, in one table; then the criterion benches.
//!
//! The release profile is measured, not the one of the tests. Every figure stands beside the csv
//! crate's bare loop over the same file in the same run, because machines and their neighbours
//! differ. Reading is measured by the bench `reading` of txp-pipeline; processor time of the whole
//! process is read from the kernel; the peak of memory is what `txp` reports about itself.

mod others;

use crate::output::say;
use crate::process::{capture, cargo, program, succeeds, target};
use crate::tally::Tally;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const SEED: u64 = 42;

const BUILD: [&str; 6] = [
    "build",
    "--release",
    "--package",
    "txp-cli",
    "--features",
    "txp-cli/parquet",
];

/// Linux counts processor time of processes in hundredths of a second (USER_HZ) on every machine.
const TICKS_PER_SECOND: u128 = 100;

struct Run {
    milliseconds: u128,
    cpu_milliseconds: u128,
    peak_rss_bytes: u64,
    /// Sales judged, of a backtest.
    transactions: u64,
    /// Events of the history, of a replay or verification.
    events: u64,
}

/// What the bench `reading` calls the loop that all else is compared with.
const BARE: &str = "csv crate, bare ByteRecord loop";

pub(crate) fn run(rows: u64, runs: u32, whole_only: bool) -> Result<Tally> {
    let built = succeeds(&mut cargo(&BUILD)?)?;
    if !built {
        bail!("txp does not build");
    }
    let txp = target()?.join("release/txp");
    let folder = target()?.join("bench");
    let file = generated(&txp, &folder, rows)?;
    let reading = reading(&file)?;
    let bare = reading.iter().find(|figures| figures.name == BARE);
    let bare = bare
        .context("the bench of reading tells of no bare loop")?
        .per_cpu_second;
    say(&format!(
        "{:<38} {:>12} {:>16} {:>12} {:>9}",
        "", "rows/s", "rows/CPU-second", "of csv bare", "peak MiB"
    ));
    for figures in &reading {
        figures.show(bare, "");
    }
    let data = folder.join("data");
    for number in 1..=runs {
        let run = measure(&txp, &data, &file)?;
        let figures = Figures {
            name: format!("txp process, run {number}"),
            per_second: per_second(rows, run.milliseconds),
            per_cpu_second: per_second(rows, run.cpu_milliseconds),
        };
        figures.show(bare, &(run.peak_rss_bytes / (1024 * 1024)).to_string());
    }
    if runs > 0 {
        let run = measure_backtest(&txp, &data)?;
        let figures = Figures {
            name: format!("txp backtest, {} sales", run.transactions),
            per_second: per_second(run.transactions, run.milliseconds),
            per_cpu_second: per_second(run.transactions, run.cpu_milliseconds),
        };
        figures.show(bare, "-");
        for (name, run) in measure_history(&txp, &data)? {
            let figures = Figures {
                name: format!("txp {name}, {} events", run.events),
                per_second: per_second(run.events, run.milliseconds),
                per_cpu_second: per_second(run.events, run.cpu_milliseconds),
            };
            figures.show(bare, &(run.peak_rss_bytes / (1024 * 1024)).to_string());
        }
        fs::remove_dir_all(&data)?;
    }
    let mut total = others::exporting(&txp, &folder)?;
    total += others::serving(&txp, &folder)?;
    if !whole_only {
        total += Tally::of(succeeds(&mut cargo(&[
            "bench",
            "--workspace",
            "--benches",
        ])?)?);
    }
    Ok(total)
}

/// One line of the table.
struct Figures {
    name: String,
    per_second: u128,
    per_cpu_second: u128,
}

impl Figures {
    fn show(&self, bare: u128, peak: &str) {
        let percent = self.per_cpu_second * 100 / bare.max(1);
        let ratio = format!("{}.{:02}", percent / 100, percent % 100);
        say(&format!(
            "{:<38} {:>12} {:>16} {ratio:>12} {peak:>9}",
            self.name, self.per_second, self.per_cpu_second
        ));
    }
}

/// The figures of the bench `reading`, one JSON document a line.
fn reading(file: &Path) -> Result<Vec<Figures>> {
    let mut command = cargo(&["bench", "--quiet", "--package", "txp-pipeline"])?;
    command.args(["--bench", "reading", "--"]);
    let output = capture(command.arg(file).arg("--json"))?;
    output.lines().map(figures_in).collect()
}

fn figures_in(line: &str) -> Result<Figures> {
    let told: Value = serde_json::from_str(line).context("the bench of reading told no JSON")?;
    let rate = |key| told.get(key).and_then(Value::as_u64).map(u128::from);
    let figures = told
        .get("name")
        .and_then(Value::as_str)
        .zip(rate("rows_per_second").zip(rate("rows_per_cpu_second")));
    let (name, (per_second, per_cpu_second)) =
        figures.context("the bench of reading told other things than figures")?;
    Ok(Figures {
        name: name.to_owned(),
        per_second,
        per_cpu_second,
    })
}

/// The file of so many rows, made once.
fn generated(txp: &Path, folder: &Path, rows: u64) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let file = folder.join(format!("rows-{rows}-seed-{SEED}.csv"));
    if !file.is_file() {
        // Under another name until it is whole.
        let part = file.with_extension("part");
        let mut command = program(txp)?;
        command
            .args([
                "generate",
                "--rows",
                &rows.to_string(),
                "--seed",
                &SEED.to_string(),
                "--out",
            ])
            .arg(&part);
        capture(&mut command)?;
        fs::rename(&part, &file)?;
    }
    Ok(file)
}

/// Processes the file into a fresh data directory, which is left there.
fn measure(txp: &Path, data: &Path, file: &Path) -> Result<Run> {
    if data.exists() {
        fs::remove_dir_all(data)?;
    }
    let mut command = program(txp)?;
    command.arg("process").arg(file);
    timed(&mut command, data)
}

/// Tries the rules that are active on all of a data directory.
fn measure_backtest(txp: &Path, data: &Path) -> Result<Run> {
    let mut command = program(txp)?;
    let rules = capture(command.args(["rules", "show", "--data-dir"]).arg(data))?;
    let file = data.with_file_name("rules.json");
    fs::write(&file, rules)?;
    let mut command = program(txp)?;
    command.args(["backtest", "--rules"]).arg(&file);
    timed(&mut command, data)
}

/// Replays a history into a fresh directory, and verifies that against it.
fn measure_history(txp: &Path, data: &Path) -> Result<[(&'static str, Run); 2]> {
    let copy = data.with_file_name("copy");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    let to = format!("local:{}", copy.display());
    let replay = timed(program(txp)?.args(["replay", "--into", &to]), data)?;
    let verify = timed(program(txp)?.args(["verify", "--against", &to]), data)?;
    fs::remove_dir_all(&copy)?;
    Ok([("replay", replay), ("verify", verify)])
}

fn timed(command: &mut Command, data: &Path) -> Result<Run> {
    let cpu_before = children_ticks()?;
    let start = Instant::now();
    let output = capture(command.arg("--json").arg("--data-dir").arg(data))?;
    let milliseconds = start.elapsed().as_millis();
    let ticks = children_ticks()? - cpu_before;
    let report: Value = serde_json::from_str(&output).context("txp printed no JSON")?;
    let number = |key| report.get(key).and_then(Value::as_u64).unwrap_or(0);
    Ok(Run {
        milliseconds,
        cpu_milliseconds: ticks * 1000 / TICKS_PER_SECOND,
        peak_rss_bytes: number("peak_rss_bytes"),
        transactions: number("transactions"),
        events: number("events"),
    })
}

fn per_second(rows: u64, milliseconds: u128) -> u128 {
    u128::from(rows) * 1000 / milliseconds.max(1)
}

/// User and system time of all children that ended, in ticks.
fn children_ticks() -> Result<u128> {
    let stat = fs::read_to_string("/proc/self/stat")
        .context("processor time is read from /proc: Linux only")?;
    ticks_in(&stat).context("/proc/self/stat has another form")
}

/// Fields 16 and 17 of proc(5) stat; the name before them may hold blanks.
fn ticks_in(stat: &str) -> Option<u128> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(13);
    let user: u128 = fields.next()?.parse().ok()?;
    let system: u128 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_a_line() {
        let line = r#"{"name":"a way","rows_per_second":2000,"rows_per_cpu_second":3000}"#;
        let figures = figures_in(line).unwrap();
        assert_eq!(figures.name, "a way");
        assert_eq!((figures.per_second, figures.per_cpu_second), (2000, 3000));
        assert!(figures_in("{}").is_err());
    }

    #[test]
    fn children_s_time_is_read_behind_a_name_with_blanks() {
        let stat = "12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 1001 1002 70 30 20 0";
        assert_eq!(ticks_in(stat), Some(100));
        assert_eq!(per_second(1_000_000, 2_000), 500_000);
    }
}
