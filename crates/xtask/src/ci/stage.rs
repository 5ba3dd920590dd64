//! A stage, and how stages run beside each other without their words getting mixed.
//!
//! Each is a process of its own, this program called again: what it prints can be kept until it is
//! whole, and the system counts the CPU time of it and of all that it started.

use crate::output::{complain, say};
use crate::process::target;
use crate::tally::Tally;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Instant;

/// Ticks of `/proc`'s times in a second, the same on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// Where in `/proc/self/stat`, counted behind the program's name, the four times begin: own in user
/// and kernel mode, then those of the children that have ended.
const TIMES_AT: usize = 11;
const TIMES: usize = 4;

/// One check or group of tests.
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    run: fn() -> Result<Tally>,
}

/// How a stage went.
pub(super) struct Outcome {
    pub(super) name: &'static str,
    pub(super) seconds: u64,
    /// Of the stage and all that it started; where the system tells.
    pub(super) cpu_seconds: Option<u64>,
    pub(super) tally: Tally,
}

impl Stage {
    pub(super) const fn new(
        name: &'static str,
        about: &'static str,
        run: fn() -> Result<Tally>,
    ) -> Self {
        Self { name, about, run }
    }

    /// Runs it; what it prints is seen as it comes.
    pub(super) fn here(&self) -> Result<Outcome> {
        say(&format!("== {}: {}", self.name, self.about));
        self.spawned(Stdio::inherit(), Stdio::inherit())
    }

    /// Runs it; what it prints is kept for later.
    fn apart(&self) -> Result<(Outcome, String)> {
        let path = folder()?.join(format!("{}.log", self.name));
        let log = File::create(&path).context("cannot keep what a stage says")?;
        let outcome = self.spawned(log.try_clone()?.into(), log.into())?;
        Ok((
            outcome,
            String::from_utf8_lossy(&std::fs::read(&path)?).into_owned(),
        ))
    }

    fn spawned(&self, stdout: Stdio, stderr: Stdio) -> Result<Outcome> {
        let left = self.outcome_path()?;
        if left.exists() {
            std::fs::remove_file(&left)?;
        }
        let start = Instant::now();
        let mut command = Command::new(this_program()?);
        command.args(["ci", "--stage", self.name]);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let status = command.status().context("cannot start a stage")?;
        let (tally, cpu_seconds) = match std::fs::read_to_string(&left) {
            Ok(text) => parse(&text).with_context(|| format!("{} is damaged", left.display()))?,
            // It ended before it could say how it went.
            Err(_) => (Tally::of(false), None),
        };
        Ok(Outcome {
            name: self.name,
            seconds: start.elapsed().as_secs(),
            cpu_seconds,
            tally: tally.with_exit(status.success()),
        })
    }

    /// The stage itself, in the process that is only for it.
    pub(super) fn run_and_leave_outcome(&self) -> Result<Tally> {
        let tally = (self.run)().unwrap_or_else(|error| {
            complain(&format!("{}: {error:#}", self.name));
            Tally::of(false)
        });
        let cpu = cpu_seconds().map_or_else(String::new, |seconds| seconds.to_string());
        std::fs::write(self.outcome_path()?, format!("{tally}\n{cpu}\n"))
            .context("cannot say how a stage went")?;
        Ok(tally)
    }

    fn outcome_path(&self) -> Result<PathBuf> {
        Ok(folder()?.join(format!("{}.outcome", self.name)))
    }
}

/// Runs the lanes beside each other. The first is shown as it goes; a stage of another is shown
/// whole, between two stages of the first.
pub(super) fn phase(lanes: &[&'static [Stage]], results: &mut Vec<Outcome>) -> Result<()> {
    let Some((first, others)) = lanes.split_first() else {
        return Ok(());
    };
    thread::scope(|scope| {
        let (told, heard) = mpsc::channel();
        for lane in others {
            let told = told.clone();
            scope.spawn(move || {
                for stage in *lane {
                    if told.send((stage, stage.apart())).is_err() {
                        break;
                    }
                }
            });
        }
        drop(told);
        let show = |(stage, done): (&Stage, Result<(Outcome, String)>)| -> Result<Outcome> {
            let (outcome, text) = done?;
            say(&format!(
                "== {}, beside the others: {}",
                stage.name, stage.about
            ));
            say(text.trim_end());
            Ok(outcome)
        };
        for stage in *first {
            results.push(stage.here()?);
            for one in heard.try_iter() {
                results.push(show(one)?);
            }
        }
        for one in heard {
            results.push(show(one)?);
        }
        Ok(())
    })
}

/// To be called before the first stage: lanes begin at the same time.
pub(super) fn begin() -> Result<()> {
    this_program().map(|_| ())
}

/// A copy of this program, made before anything is built: the stage `build` compiles this program
/// too, and then what was started does not lie where it was any more.
fn this_program() -> Result<&'static PathBuf> {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    if let Some(copy) = COPY.get() {
        return Ok(copy);
    }
    let copy = folder()?.join("xtask");
    // One that is running cannot be written to, but another can take its place.
    if copy.exists() {
        std::fs::remove_file(&copy)?;
    }
    std::fs::copy(std::env::current_exe()?, &copy).context("cannot copy this program")?;
    Ok(COPY.get_or_init(|| copy))
}

fn folder() -> Result<PathBuf> {
    let path = target()?.join("stages");
    std::fs::create_dir_all(&path).context("cannot make a folder for the stages' words")?;
    Ok(path)
}

fn parse(text: &str) -> Result<(Tally, Option<u64>)> {
    let Some(tally) = Tally::last_in(text) else {
        bail!("it does not say what passed");
    };
    let cpu = text.lines().nth(1).and_then(|line| line.parse().ok());
    Ok((tally, cpu))
}

/// The CPU time of this process and of the children that have ended, with theirs.
fn cpu_seconds() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name is in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let times: Option<Vec<u64>> = fields
        .split_whitespace()
        .skip(TIMES_AT)
        .take(TIMES)
        .map(|field| field.parse().ok())
        .collect();
    Some(times?.iter().sum::<u64>() / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stage_leaves_is_read_back() {
        let (tally, cpu) = parse("3 passed, 1 failed\n17\n").unwrap();
        assert_eq!((tally.passed, tally.failed, cpu), (3, 1, Some(17)));
        let (_, cpu) = parse("3 passed, 1 failed\n\n").unwrap();
        assert_eq!(cpu, None);
        assert!(parse("").is_err());
    }

    #[test]
    fn the_time_of_this_process_is_told_where_there_is_proc() {
        if std::path::Path::new("/proc/self/stat").exists() {
            assert!(cpu_seconds().is_some());
        }
    }
}
