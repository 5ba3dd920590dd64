//! One directory and the process that works in it, until it dies.

use super::bug::LocalBug;
use super::foreign;
use super::image::{self, LogEnd, Torn};
use super::plan::LocalPlan;
use super::plant::{self, LogEnds};
use super::sink::{FaultySink, SharedTape, Tape, bytes_of};
use crate::random::Random;
use crate::workload::{Workload, fingerprinter};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use txp_domain::time::Timestamp;
use txp_local::host::{HostError, Stepped, SteppedOptions};
use txp_pipeline::rulefile::{self, CheckedRules, RuleEntry, default_rules};

/// Files live in memory where that is possible: nothing here hangs on a real disk's syncs.
const MEMORY_DIR: &str = "/dev/shm";

/// Openings in a thousand, after a crash, that crash themselves.
const CRASHES_IN_OPEN_PERMILLE: u32 = 150;
/// The most of a sink's messages in a thousand that fail, where a crash comes among the alerts.
const CRASH_AMONG_ALERTS_PERMILLE: u32 = 300;

pub(super) type Process = Stepped<FaultySink>;

/// Where the process dies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Death {
    /// Between two steps.
    Between,
    /// While it appends to the log.
    InAppend,
    /// While it publishes the state.
    InCheckpoint,
    /// While it records alerts or tells of them.
    InAlerts,
}

impl Death {
    pub(super) const ALL: [Self; 4] = [
        Self::Between,
        Self::InAppend,
        Self::InCheckpoint,
        Self::InAlerts,
    ];
}

/// What happened in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Happened {
    pub(super) crashes: u32,
    pub(super) torn_tails: u32,
    pub(super) damaged_states: u32,
    pub(super) checkpoints: u32,
}

/// Other rules that are now and then tried beside those that judge. Drawn apart from all else, so that
/// a seed means what it meant before there were any.
pub(super) struct Trials {
    random: Random,
    rules: CheckedRules,
}

/// Steps in a thousand in which a trial begins or ends.
const TRIALS_PERMILLE: u32 = 30;

impl Trials {
    pub(super) fn new(seed: u64) -> Self {
        let mut file = default_rules().unwrap().file;
        file.version = "tried-1".to_owned();
        file.rules
            .retain(|rule| !matches!(rule, RuleEntry::AmountLow { .. }));
        let rules = rulefile::parse(file.to_json().as_bytes()).unwrap();
        Self {
            random: Random::new(!seed),
            rules,
        }
    }
}

/// The directory, and the process if it lives.
pub(super) struct Node {
    pub(super) dir: PathBuf,
    // Removed when the run is over.
    _scratch: tempfile::TempDir,
    process: Option<Process>,
    pub(super) tape: SharedTape,
    pub(super) random: Random,
    pub(super) plan: LocalPlan,
    trials: Trials,
    bug: Option<LocalBug>,
    pub(super) now: Timestamp,
    pub(super) is_calm: bool,
    /// Nothing happened that makes an alert come twice.
    pub(super) is_undisturbed: bool,
    /// Events came again to a state that had folded them.
    pub(super) was_rewound: bool,
    pub(super) poison: BTreeSet<u64>,
    pub(super) happened: Happened,
    torn: Option<Torn>,
    before_last: Option<LogEnd>,
}

impl Node {
    pub(super) fn new(
        mut random: Random,
        trials: Trials,
        plan: LocalPlan,
        bug: Option<LocalBug>,
        now: Timestamp,
    ) -> Self {
        let memory = Path::new(MEMORY_DIR);
        let scratch = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let scratch = scratch.unwrap();
        let tape = Tape {
            random: Random::new(random.draw()),
            faults_permille: plan.sink_faults_permille,
            told: Vec::new(),
            table_durable: 0,
            outbox_cut: None,
        };
        Self {
            dir: scratch.path().join("data"),
            _scratch: scratch,
            process: None,
            tape: Rc::new(RefCell::new(tape)),
            random,
            trials,
            plan,
            bug,
            now,
            is_calm: false,
            is_undisturbed: true,
            was_rewound: false,
            poison: BTreeSet::new(),
            happened: Happened::default(),
            torn: None,
            before_last: None,
        }
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    fn table(&self) -> PathBuf {
        self.dir.join("alerts/table.jsonl")
    }

    /// The process; it lives.
    pub(super) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the process lives")
    }

    pub(super) fn fault(&mut self, chance_permille: u32) -> bool {
        !self.is_calm && self.random.permille(chance_permille)
    }

    /// Faults end, so that the run can.
    pub(super) fn calm(&mut self) {
        self.is_calm = true;
        self.tape.borrow_mut().faults_permille = 0;
    }

    /// Starts the process, and again while it dies at that.
    pub(super) fn start(&mut self) -> Result<(), String> {
        loop {
            if let Some(bug) = self.bug {
                plant::at_restart(bug, &mut self.random, &self.dir);
            }
            let quarantine = self.dir.join("quarantine.jsonl");
            let before = fs::read(&quarantine).ok();
            let options = SteppedOptions {
                fingerprinter: fingerprinter(0),
                segment_bytes: self.plan.segment_bytes,
            };
            let (alerts, tape) = (self.dir.join("alerts"), Rc::clone(&self.tape));
            let sink = || FaultySink::open(&alerts, &tape);
            let process = Stepped::open(&self.dir, options, self.now, sink);
            let process =
                process.map_err(|error| format!("it does not start: {}", chain(&error)))?;
            if self.bug == Some(LocalBug::QuarantineIgnored) {
                match &before {
                    Some(bytes) => fs::write(&quarantine, bytes).unwrap(),
                    None => drop(fs::remove_file(&quarantine)),
                }
            }
            if self.is_undisturbed || !self.fault(CRASHES_IN_OPEN_PERMILLE) {
                self.process = Some(process);
                return Ok(());
            }
            drop(process);
            let durable = before.map_or(0, |bytes| bytes.len() as u64);
            image::cut_behind(&mut self.random, &quarantine, durable);
        }
    }

    /// Begins or ends a trial of other rules, now and then.
    pub(super) fn try_rules(&mut self) -> Result<(), HostError> {
        if !self.trials.random.permille(TRIALS_PERMILLE) {
            return Ok(());
        }
        let begins = self.trials.random.permille(600);
        let rules = begins.then(|| self.trials.rules.clone());
        let now = self.now;
        self.process().try_rules(rules.as_ref(), "analyst", now)
    }

    /// One step of the log's side.
    pub(super) fn step_log(&mut self) -> Result<(), HostError> {
        let before = image::log_end(&self.log());
        let now = self.now;
        if self.process().step_log(now)? {
            self.before_last = before;
        }
        Ok(())
    }

    /// One step of the alerts' side.
    pub(super) fn step_alerts(&mut self) -> Result<(), HostError> {
        let (now, table) = (self.now, bytes_of(&self.table()));
        self.tape.borrow_mut().table_durable = table;
        self.process().step_alerts(now).map(|_| ())
    }

    pub(super) fn checkpoint(&mut self) -> Result<(), HostError> {
        self.happened.checkpoints += 1;
        self.process().checkpoint()
    }

    /// Stops in good order.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        let process = self.process.take().expect("the process lives");
        // A sink that fails now is a crash like another.
        let faults = std::mem::take(&mut self.tape.borrow_mut().faults_permille);
        let stopped = process.stop(self.now);
        self.tape.borrow_mut().faults_permille = faults;
        stopped.map_err(|error| format!("it does not stop: {}", chain(&error)))
    }

    /// The process is dead after an error: nothing is cut but what the sink tore.
    pub(super) fn die_of_error(&mut self) {
        self.process = None;
        self.is_undisturbed = false;
        if let Some(at) = self.tape.borrow_mut().outbox_cut.take() {
            image::cut(&self.dir.join("alerts/outbox.jsonl"), at);
        }
    }

    /// Kills the process, and leaves of its files what a crash would.
    pub(super) fn crash(&mut self, death: Death, workload: &Workload) -> Result<(), String> {
        self.happened.crashes += 1;
        self.is_undisturbed = false;
        let failed = |error: HostError| format!("on the way to a crash: {}", chain(&error));
        match death {
            Death::Between => self.process = None,
            Death::InAppend => {
                let before = image::log_end(&self.log());
                self.step_log().map_err(failed)?;
                self.process = None;
                let torn =
                    image::tear_log(&mut self.random, &self.dir.join("log"), before.as_ref());
                self.happened.torn_tails += u32::from(torn.is_some());
                self.torn = torn.or(self.torn.take());
                let log = self.log();
                let events = foreign::readable(&log);
                image::tear_derived(&mut self.random, &log, events + 1);
            }
            Death::InCheckpoint => {
                let before = image::files(&self.state());
                self.checkpoint().map_err(failed)?;
                self.process = None;
                image::tear_checkpoint(&mut self.random, &self.dir.join("state"), &before);
            }
            Death::InAlerts => {
                let faults = self.plan.sink_faults_permille;
                self.tape.borrow_mut().faults_permille = faults.max(CRASH_AMONG_ALERTS_PERMILLE);
                // Whether it works or fails, it dies of it.
                self.step_alerts().ok();
                self.process = None;
                self.tape.borrow_mut().faults_permille = faults;
                let durable = self.tape.borrow().table_durable;
                if self.random.permille(500) {
                    let table = self.table();
                    image::cut_behind(&mut self.random, &table, durable);
                }
            }
        }
        self.die_of_error();
        self.befall(workload);
        Ok(())
    }

    /// What befalls the directory of a dead process.
    fn befall(&mut self, workload: &Workload) {
        if let Some(bug) = self.bug {
            let log = LogEnds {
                before_last: self.before_last.as_ref(),
                torn: &mut self.torn,
            };
            plant::at_crash(bug, &mut self.random, &self.dir, log);
        }
        self.before_last = None;
        if self.random.permille(self.plan.rewinds_permille) {
            plant::rewind(&mut self.random, &self.dir);
            self.was_rewound = true;
        }
        if self.random.permille(self.plan.damage_permille) {
            let is_damaged = image::damage_state(&mut self.random, &self.dir.join("state"));
            self.happened.damaged_states += u32::from(is_damaged);
        }
        if self
            .bug
            .is_none_or(|bug| bug == LocalBug::QuarantineIgnored)
            && self.random.permille(self.plan.poison_permille)
        {
            let log = self.log();
            let how = (self.plan.segment_bytes, self.now);
            foreign::write(&mut self.random, &log, workload, how, &mut self.poison);
        }
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
