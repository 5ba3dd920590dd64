//! The embedded host in the simulation: its real log, state, fold, quarantine and alert table, in a
//! directory, one step at a time.
//!
//! A seed gives a workload, a plan of faults and the order of the steps: what readers hand over,
//! what the log's, the fold's and the alerts' side do, checkpoints, the time. Between any two steps
//! and within them the process may die, and its files are left as a crash leaves them: a frame torn
//! or half zero, runs without a checkpoint that names them, a checkpoint not yet renamed, lines of
//! the tables cut short. Files are refused, the sink fails or its answer is lost, the state is
//! damaged, another release leaves events that cannot be read. Whenever the process starts, and at
//! the end, its state must be the model's.
//!
//! What is lost of bytes that were synced is not played: that is damage, and named as such.

mod bug;
mod check;
mod foreign;
mod image;
mod node;
mod plan;
mod plant;
mod reader;
mod sink;

pub use bug::LocalBug;

use super::Failure;
use crate::random::Random;
use crate::workload::Workload;
use node::{Death, Node, Trials, chain};
use plan::LocalPlan;
use reader::Reader;
use std::fs;
use txp_domain::time::Timestamp;
use txp_local::host::HostError;

/// From this step on faults end, so that the run can.
const CALM_STEP: usize = 500;
/// By this step every run has ended.
const LAST_STEP: usize = 5_000;

/// When the first process starts, Unix seconds: an hour after the first upload arrived.
const START_SECONDS: u64 = 1_780_003_600;
const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;
/// So much later every event of the workload is too old to be told of.
const AGE_SECONDS: usize = 60 * 3600;

/// What a clean run was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalSummary {
    /// Rows of all uploads.
    pub rows: usize,
    /// Events in the log.
    pub events: usize,
    /// Different findings.
    pub findings: usize,
    /// Different findings of rules that were only tried.
    pub shadowed: usize,
    /// Messages that were handed over.
    pub messages: usize,
    /// Of them, digests.
    pub digests: usize,
    /// Events in quarantine.
    pub quarantined: usize,
    /// Checkpoints published, or begun.
    pub checkpoints: u32,
    /// How often the process was killed.
    pub crashes: u32,
    /// How often that tore the log.
    pub torn_tails: u32,
    /// How often the state was damaged.
    pub damaged_states: u32,
    /// Whether nothing happened that makes an alert come twice.
    pub is_undisturbed: bool,
}

/// Runs a seed.
///
/// # Errors
/// What of the invariants does not hold.
pub fn simulate_local(seed: u64, bug: Option<LocalBug>) -> Result<LocalSummary, Failure> {
    let mut random = Random::new(seed);
    let plan = LocalPlan::new(&mut random);
    let workload = Workload::new(&mut random, plan.uploads, plan.rows_max);
    let start = Timestamp::from_unix_seconds(START_SECONDS).unwrap();
    let mut simulation = Simulation {
        readers: (0..workload.uploads.len()).map(Reader::new).collect(),
        workload,
        node: Node::new(random, Trials::new(seed), plan.clone(), bug, start),
    };
    simulation.run().map_err(|broken| Failure {
        seed,
        plan: format!("{plan:?}"),
        test: "simulation_of_the_embedded_host",
        broken,
    })
}

struct Simulation {
    workload: Workload,
    readers: Vec<Reader>,
    node: Node,
}

type Broken = Vec<String>;

impl Simulation {
    fn run(&mut self) -> Result<LocalSummary, Broken> {
        self.start()?;
        for step in 0.. {
            if step == CALM_STEP {
                self.node.calm();
            }
            if step >= LAST_STEP {
                return Err(vec!["the run does not come to an end".to_owned()]);
            }
            self.step()?;
            if self.readers.iter().all(Reader::is_done) {
                break;
            }
        }
        self.node.calm();
        self.node.stop().map_err(|error| vec![error])?;
        let counted = check::stopped(&self.node, &self.workload)?;
        self.start_once_more()?;
        let (node, happened) = (&self.node, &self.node.happened);
        Ok(LocalSummary {
            rows: self.workload.rows().count(),
            events: counted.events,
            findings: counted.findings,
            shadowed: counted.shadowed,
            messages: counted.messages,
            digests: counted.digests,
            quarantined: node.poison.len(),
            checkpoints: happened.checkpoints,
            crashes: happened.crashes,
            torn_tails: happened.torn_tails,
            damaged_states: happened.damaged_states,
            is_undisturbed: node.is_undisturbed,
        })
    }

    /// Starting and stopping when all is done changes nothing.
    fn start_once_more(&mut self) -> Result<(), Broken> {
        let outbox = self.node.dir.join("alerts/outbox.jsonl");
        let read = || {
            (
                fs::read(&outbox).unwrap_or_default(),
                foreign::events(&self.node.log()),
            )
        };
        let before = read();
        self.start()?;
        let refolded = self.node.process().host().opened().refolded;
        self.node.stop().map_err(|error| vec![error])?;
        check::stopped(&self.node, &self.workload)?;
        let read = || {
            (
                fs::read(&outbox).unwrap_or_default(),
                foreign::events(&self.node.log()),
            )
        };
        let mut broken = Broken::new();
        if read() != before {
            broken.push("starting once more finds or tells something".to_owned());
        }
        if refolded > 0 {
            broken.push(format!("starting once more folds {refolded} events again"));
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(broken)
        }
    }

    /// Starts the process and holds it to the model; the readers begin again.
    fn start(&mut self) -> Result<(), Broken> {
        self.node.start().map_err(|error| vec![error])?;
        let mut broken = check::started(&mut self.node, &self.workload);
        for reader in &mut self.readers {
            let upload = &self.workload.uploads[reader.upload];
            broken.extend(reader.restart(self.node.process().host(), upload).err());
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(broken)
        }
    }

    fn step(&mut self) -> Result<(), Broken> {
        self.pass_time();
        went(self.node.try_rules())?;
        let plan = self.node.plan.clone();
        if self.node.fault(plan.crashes_permille) {
            let death = *self.node.random.pick(&Death::ALL);
            let crashed = self.node.crash(death, &self.workload);
            crashed.map_err(|error| vec![error])?;
            return self.start();
        }
        if self.node.fault(plan.refusals_permille) {
            return self.refuse();
        }
        if self.node.fault(plan.restarts_permille) {
            self.node.stop().map_err(|error| vec![error])?;
            return self.start();
        }
        if self.node.random.permille(plan.checkpoints_permille) {
            let published = self.node.checkpoint();
            return went(published);
        }
        let done = match self.node.random.below(9) {
            0..=2 => self.read(),
            3 | 4 => self.node.step_log(),
            5..=7 => self.node.process().step_fold().map(|_| ()),
            _ => return self.alert(),
        };
        went(done)
    }

    fn pass_time(&mut self) {
        let node = &mut self.node;
        let ages = node.plan.ages_permille;
        let seconds = match node.random.below(20) {
            0 => node.random.below(1200),
            1 if node.random.permille(ages * 20) => AGE_SECONDS,
            _ => node.random.below(3),
        };
        node.now.0 += seconds as i64 * NANOSECONDS_PER_SECOND + 1_000_000;
    }

    fn read(&mut self) -> Result<(), HostError> {
        let mut open: Vec<_> = self.readers.iter_mut().filter(|r| !r.is_done()).collect();
        let at = self.node.random.below(open.len());
        let Some(reader) = open.get_mut(at) else {
            return Ok(());
        };
        let upload = &self.workload.uploads[reader.upload];
        let how = (self.node.plan.chunk_max, self.node.plan.repeats_permille);
        let mut random = Random::new(self.node.random.draw());
        reader.go_on(&mut random, self.node.process(), upload, how)
    }

    /// A step of the alerts' side: the sink may have failed, and the process with it.
    fn alert(&mut self) -> Result<(), Broken> {
        let may_fail = self.node.tape.borrow().faults_permille > 0;
        match self.node.step_alerts() {
            Err(_) if may_fail => {
                self.node.die_of_error();
                self.start()
            }
            done => went(done),
        }
    }

    /// The system refuses a file that the next checkpoint, or the log's next segment, needs: its
    /// name is taken by a directory.
    fn refuse(&mut self) -> Result<(), Broken> {
        let (state, log) = (self.node.state(), self.node.log());
        let refused = self.node.random.below(3);
        let taken = match refused {
            0 => state.join("CHECKPOINT.new"),
            1 => state.join(image::next_run_name(&mut self.node.random, &state)),
            _ => log.join(image::segment_name(foreign::readable(&log) + 1) + ".tmp"),
        };
        fs::create_dir(&taken).unwrap();
        let is_checkpoint = refused < 2;
        let done = if is_checkpoint {
            self.node.checkpoint()
        } else {
            self.node.step_log()
        };
        fs::remove_dir(&taken).unwrap();
        if refused == 0 && done.is_ok() {
            return Err(vec![
                "a checkpoint is published that was refused".to_owned(),
            ]);
        }
        // What is pending stays so, and may be published another time; the log takes no more.
        if done.is_err() && (!is_checkpoint || self.node.random.permille(500)) {
            self.node.die_of_error();
            return self.start();
        }
        Ok(())
    }
}

/// Without a refusal nothing fails.
fn went(done: Result<(), HostError>) -> Result<(), Broken> {
    done.map_err(|error| vec![format!("an error out of nothing: {}", chain(&error))])
}
