//! The simulation: the real stages, in a world of faults drawn from a seed.
//!
//! A seed gives a workload, a host and a plan of faults: duplicate deliveries (one event, a batch,
//! all since a checkpoint), refused and lost conditional writes, throttles, answers lost after the
//! effect, torn appends, crashes at every call of a port, order kept only inside a bucket, workers
//! that race. When all is delivered, the state must be the model's. The same seed gives the same
//! run, on every machine.
//!
//! Two kinds: [`simulate`] plays both hosts over stores in memory, whose ports fail in every way;
//! [`simulate_local`] plays the embedded host over its real log, state and alert table, in a
//! directory that a crash leaves as a real one would.
//!
//! The simulation is tested itself: each [`PlantedBug`] and [`LocalBug`] must be found.

mod bug;
mod check;
mod host;
mod local;
mod plan;
mod port;
mod producer;
mod run;
mod store;
mod world;

pub use bug::PlantedBug;
pub use local::{LocalBug, LocalSummary, simulate_local};
pub use plan::{Host, Plan};

use crate::random::Random;
use crate::workload::Workload;
use host::{Pick, detect, fold};
use producer::Producer;
use run::Task;
use std::cell::RefCell;
use std::rc::Rc;
use txp_domain::position::Bucket;
use world::{FEEDS, Shared, World};

/// From this step on faults end, so that the run can.
const CALM_STEP: usize = 400;
/// By this step every run has ended.
const LAST_STEP: usize = 4_000;
/// The most polls that a crash waits for.
const CRASH_POLLS_MAX: usize = 60;

/// What a clean run was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows of all uploads.
    pub rows: usize,
    /// Rows counted in all uploads, by any class.
    pub counted: u64,
    /// Events in the log, repeats counted.
    pub events: usize,
    /// Different findings.
    pub findings: usize,
    /// Whether judgements were made in the order of the log.
    pub is_ordered: bool,
    /// Whether nothing happened that makes an alert come twice.
    pub is_undisturbed: bool,
}

/// A run that broke an invariant.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What it played.
    pub plan: String,
    /// The test that runs seeds of this kind.
    pub test: &'static str,
    /// What is wrong.
    pub broken: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seed = self.seed;
        writeln!(f, "seed {seed} breaks {} invariant(s):", self.broken.len())?;
        for broken in self.broken.iter().take(20) {
            writeln!(f, "  {broken}")?;
        }
        writeln!(f, "plan: {}", self.plan)?;
        write!(
            f,
            "repeat it: TXP_SIM_FIRST_SEED={seed} TXP_SIM_SEEDS=1 cargo test -p txp-tests {}",
            self.test
        )
    }
}

/// Runs a seed.
///
/// # Errors
/// What of the invariants does not hold.
pub fn simulate(seed: u64, bug: Option<PlantedBug>) -> Result<Summary, Failure> {
    let mut random = Random::new(seed);
    let plan = Plan::new(&mut random, seed);
    let workload = Workload::new(&mut random, plan.uploads, plan.rows_max);
    let planted = workload.planted[0].clone();
    let world = World::new(random, plan.clone(), bug, planted);
    let mut simulation = Simulation {
        producers: (0..workload.uploads.len()).map(Producer::new).collect(),
        world: Rc::new(RefCell::new(world)),
        workload,
    };
    let broken = simulation.run();
    let world = simulation.world.borrow();
    if !broken.is_empty() {
        return Err(Failure {
            seed,
            plan: format!("{plan:?}"),
            test: "simulation_200_seeds",
            broken,
        });
    }
    Ok(Summary {
        rows: simulation.workload.rows().count(),
        counted: world.store.uploads.values().map(|u| u.counts.total()).sum(),
        events: world.log.len(),
        findings: world.sink.len(),
        is_ordered: world.is_ordered,
        is_undisturbed: world.is_undisturbed,
    })
}

/// How a history is delivered.
#[derive(Clone, Debug)]
pub struct Batching {
    /// The most events of a batch.
    pub batch_max: usize,
    /// Batches in which events come again.
    pub repeats_permille: u32,
    /// Order is kept only inside a bucket.
    pub is_mixed: bool,
}

/// The state that a seed's history folds to, as text, without a fault of any port. In it the rows
/// stand upload after upload, with parts repeated as a writer that starts again repeats them.
#[must_use]
pub fn fold_of(seed: u64, batching: &Batching) -> String {
    let mut random = Random::new(seed);
    let workload = Workload::new(&mut random, 3, 40);
    let history = producer::history(&workload, &mut random);
    let mut plan = Plan::new(&mut random, 0);
    plan.host = if batching.is_mixed {
        Host::Cloud
    } else {
        Host::Embedded
    };
    plan.workers = 1;
    plan.batch_max = batching.batch_max;
    plan.port_faults_permille = 0;
    plan.append_faults_permille = 0;
    plan.crashes_permille = 0;
    plan.repeats_permille = batching.repeats_permille;
    let mut world = World::new(random, plan, None, String::new());
    world.append(history).unwrap();
    world.sync();
    // Findings would come between the rows elsewhere in each run: only the rows are folded.
    world.judges = false;
    let simulation = Simulation {
        producers: Vec::new(),
        world: Rc::new(RefCell::new(world)),
        workload,
    };
    while !simulation.world.borrow().is_caught_up() {
        let (tasks, mut random) = {
            let world = &mut *simulation.world.borrow_mut();
            let random = Random::new(world.random.draw());
            (simulation.tasks(world), random)
        };
        assert!(run::run(tasks, &mut random, None), "nothing crashes");
    }
    let world = simulation.world.borrow();
    let uploads = world.store.uploads.values().map(|upload| {
        let (state, counts) = (upload.state(), upload.counts);
        (upload.id, state, counts, upload.ending.clone())
    });
    let uploads: Vec<_> = uploads.collect();
    // Link and row of one item may come in either order, if they are of different buckets.
    let items = world.store.items.values().map(|item| {
        let mut item = item.clone();
        item.revision = 0;
        item
    });
    format!("{uploads:?} {:?}", items.collect::<Vec<_>>())
}

struct Simulation {
    world: Shared,
    workload: Workload,
    producers: Vec<Producer>,
}

impl Simulation {
    /// Runs to the end; what broke on the way is returned.
    fn run(&mut self) -> Vec<String> {
        for step in 0.. {
            self.world.borrow_mut().is_calm = step >= CALM_STEP;
            if step >= LAST_STEP {
                let world = self.world.borrow();
                return vec![format!(
                    "the run does not come to an end: {} events, delivered {}, producers {:?}",
                    world.log.len(),
                    world.cursors.at,
                    self.producers
                )];
            }
            self.step();
            let world = self.world.borrow();
            if !world.broken.is_empty() {
                return world.broken.clone();
            }
            let is_read = self.producers.iter().all(Producer::is_done);
            if is_read && world.is_caught_up() {
                break;
            }
        }
        port::write_held_links(&mut self.world.borrow_mut());
        let broken = check::check(&self.world.borrow(), &self.workload);
        if broken.is_empty() {
            self.deliver_all_again()
        } else {
            broken
        }
    }

    fn step(&mut self) {
        let choice = self.world.borrow_mut().random.below(10);
        match choice {
            0..=2 => self.produce(),
            3 => {
                let world = &mut *self.world.borrow_mut();
                world.checkpoint();
                let rewinds = world.plan.rewinds_permille;
                if world.fault(rewinds) {
                    rewind(world);
                }
            }
            _ => self.work(),
        }
    }

    fn produce(&mut self) {
        let world = &mut *self.world.borrow_mut();
        let poison = world.plan.poison_permille;
        if world.fault(poison) {
            let at = world.log.len();
            let bucket = Bucket(world.random.below(256) as u8);
            let _lost_or_not = world.append([(bucket, b"{\"specversion\":\"9\"}".to_vec())]);
            world.sync();
            world
                .poison
                .extend((world.log.len() > at).then_some(at as u64));
        }
        let open = self.producers.iter_mut().filter(|p| !p.is_done());
        let mut open: Vec<_> = open.collect();
        if !open.is_empty() {
            let at = world.random.below(open.len());
            let upload = &self.workload.uploads[open[at].upload];
            open[at].go_on(world, upload);
        }
    }

    /// Lets the workers work, perhaps into a crash.
    fn work(&mut self) {
        let (tasks, mut random, crash_after) = {
            let world = &mut *self.world.borrow_mut();
            let crashes = world.plan.crashes_permille;
            let crash_after = world
                .fault(crashes)
                .then(|| world.random.below(CRASH_POLLS_MAX));
            let random = Random::new(world.random.draw());
            (self.tasks(world), random, crash_after)
        };
        if !run::run(tasks, &mut random, crash_after) {
            let world = &mut *self.world.borrow_mut();
            world.crash();
            for producer in &mut self.producers {
                producer.restart(world);
            }
            let log = world.log.len() as u64;
            world.poison.retain(|at| *at < log);
        }
    }

    fn tasks(&self, world: &mut World) -> Vec<Task> {
        let mut tasks: Vec<Task> = Vec::new();
        for picks in batches(world) {
            tasks.push(Box::pin(fold(Rc::clone(&self.world), picks)));
        }
        if !world.is_embedded() {
            for part in 0..FEEDS {
                let most = world.random.between(0, 8);
                tasks.push(Box::pin(detect(Rc::clone(&self.world), part, most)));
            }
        }
        tasks
    }

    /// Everything once more, without a fault: nothing may change.
    fn deliver_all_again(&mut self) -> Vec<String> {
        let (before, told, events) = {
            let world = &mut *self.world.borrow_mut();
            world.is_calm = true;
            let before = (world.store.clone(), world.told.len(), world.log.len());
            world.cursors.at = 0;
            world.cursors.by_bucket.fill(0);
            before
        };
        let is_planted = self.world.borrow().bug.is_some();
        for _ in 0..LAST_STEP {
            if self.world.borrow().is_caught_up() {
                break;
            }
            self.work();
        }
        let world = self.world.borrow();
        let mut broken = world.broken.clone();
        // A planted bug is to be found by what a run leaves.
        if !is_planted {
            broken.extend(before.differences(&world.store));
        }
        if !is_planted && (told, events) != (world.told.len(), world.log.len()) {
            broken.push("delivering everything again finds or tells something".to_owned());
        }
        broken
    }
}

/// Starts deliveries again further back.
fn rewind(world: &mut World) {
    if world.is_embedded() {
        let back = world.random.below(20);
        world.cursors.at = world.cursors.at.saturating_sub(back);
        return;
    }
    let bucket = world.random.below(world.cursors.by_bucket.len());
    for cursor in world.cursors.by_bucket.iter_mut().skip(bucket).take(64) {
        *cursor = cursor.saturating_sub(2);
    }
    let part = world.random.below(FEEDS);
    let back = world.random.below(6);
    world.cursors.feed[part] = world.cursors.feed[part].saturating_sub(back);
}

/// What each worker is given: one batch of the log's order, or one per share of the buckets.
fn batches(world: &mut World) -> Vec<Vec<Pick>> {
    let most = world.random.between(1, world.plan.batch_max);
    let mut batches = Vec::new();
    if world.is_embedded() {
        let end = world.acknowledged.min(world.cursors.at + most);
        let picks = (world.cursors.at..end).map(|index| Pick {
            index,
            in_bucket: 0,
        });
        batches.push(picks.collect::<Vec<_>>());
    } else {
        let workers = world.plan.workers;
        let salt = world.random.below(workers);
        let buckets = world.by_bucket();
        for worker in 0..workers {
            let mut queues: Vec<Vec<Pick>> = Vec::new();
            for (bucket, events) in buckets.iter().enumerate() {
                if (bucket + salt) % workers != worker {
                    continue;
                }
                let from = world.cursors.by_bucket[bucket];
                let picks = events.iter().enumerate().skip(from);
                let mut picks: Vec<_> = picks
                    .map(|(in_bucket, index)| Pick {
                        index: *index,
                        in_bucket,
                    })
                    .collect();
                picks.reverse();
                queues.extend((!picks.is_empty()).then_some(picks));
            }
            batches.push(deal(world, queues, most));
        }
    }
    for batch in &mut batches {
        repeat_some(world, batch);
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// Mixes the buckets; each keeps its own order.
fn deal(world: &mut World, mut queues: Vec<Vec<Pick>>, most: usize) -> Vec<Pick> {
    let mut picks = Vec::new();
    while picks.len() < most && !queues.is_empty() {
        let at = world.random.below(queues.len());
        picks.extend(queues[at].pop());
        if queues[at].is_empty() {
            drop(queues.swap_remove(at));
        }
    }
    picks
}

/// Delivers some events of a batch again, later in the same batch.
fn repeat_some(world: &mut World, batch: &mut Vec<Pick>) {
    let repeats = world.plan.repeats_permille;
    if batch.is_empty() || !world.fault(repeats) {
        return;
    }
    let from = world.random.below(batch.len());
    let count = world.random.between(1, batch.len() - from);
    let again: Vec<_> = batch[from..from + count].to_vec();
    let at = if world.random.permille(500) {
        batch.len()
    } else {
        from + count
    };
    batch.splice(at..at, again);
}
