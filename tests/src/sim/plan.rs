//! What a seed means: which host, how many faults of which kind.

use crate::random::Random;

/// Which host is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// One process over one directory: total order, state and checkpoint published together, all
    /// since the last checkpoint lost in a crash.
    Embedded,
    /// Workers over shards: order within a bucket only, every write durable at once, deliveries
    /// again from the last checkpoint, the change feed stored.
    Cloud,
}

/// The faults of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which host.
    pub host: Host,
    /// Calls of a port that fail, before or after their effect.
    pub port_faults_permille: u32,
    /// Appends that tear or lose their answer.
    pub append_faults_permille: u32,
    /// Steps in which the host crashes.
    pub crashes_permille: u32,
    /// Deliveries that come again at once.
    pub repeats_permille: u32,
    /// Steps in which deliveries start again further back, without a crash.
    pub rewinds_permille: u32,
    /// Events that nobody can read.
    pub poison_permille: u32,
    /// Workers at the same time.
    pub workers: usize,
    /// The most events of a batch.
    pub batch_max: usize,
    /// Uploads, and the most rows of one.
    pub uploads: usize,
    /// The most rows of an upload.
    pub rows_max: usize,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn new(random: &mut Random, seed: u64) -> Self {
        let host = if seed.is_multiple_of(2) {
            Host::Embedded
        } else {
            Host::Cloud
        };
        let mut some = |choices: &[u32]| *random.pick(choices);
        Self {
            host,
            port_faults_permille: some(&[0, 10, 30, 80]),
            append_faults_permille: some(&[0, 50, 200]),
            crashes_permille: some(&[0, 20, 80, 200]),
            repeats_permille: some(&[0, 30, 150]),
            rewinds_permille: some(&[0, 50]),
            poison_permille: some(&[0, 30, 60]),
            workers: match host {
                Host::Embedded => 1,
                Host::Cloud => some(&[1, 2, 3, 4]) as usize,
            },
            batch_max: some(&[1, 4, 12, 40]) as usize,
            uploads: some(&[1, 2, 3, 4]) as usize,
            rows_max: some(&[8, 30, 60]) as usize,
        }
    }
}
