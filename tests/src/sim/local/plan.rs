//! What a seed means for the embedded host: how many faults of which kind.

use crate::random::Random;

/// The faults of one run.
#[derive(Clone, Debug)]
pub(super) struct LocalPlan {
    /// Steps in which the process dies.
    pub(super) crashes_permille: u32,
    /// Steps in which the system refuses a file.
    pub(super) refusals_permille: u32,
    /// Messages that the sink refuses, or of which the answer is lost.
    pub(super) sink_faults_permille: u32,
    /// Steps in which the host is stopped in good order and started again.
    pub(super) restarts_permille: u32,
    /// Steps in which the state is published.
    pub(super) checkpoints_permille: u32,
    /// Batches that are appended twice.
    pub(super) repeats_permille: u32,
    /// Crashes after which another release writes events that this one cannot read.
    pub(super) poison_permille: u32,
    /// Crashes that damage the state.
    pub(super) damage_permille: u32,
    /// Crashes after which the state's position is behind the state.
    pub(super) rewinds_permille: u32,
    /// Steps after which so much time passes that events are too old to be told.
    pub(super) ages_permille: u32,
    /// Bytes of a log segment.
    pub(super) segment_bytes: u64,
    /// The most rows of a batch.
    pub(super) chunk_max: usize,
    /// Uploads.
    pub(super) uploads: usize,
    /// The most rows of an upload.
    pub(super) rows_max: usize,
}

impl LocalPlan {
    pub(super) fn new(random: &mut Random) -> Self {
        let mut some = |choices: &[u32]| *random.pick(choices);
        let is_rough = some(&[0, 1, 1, 1]) == 1;
        let mut fault = |choices: &[u32]| if is_rough { some(choices) } else { 0 };
        Self {
            crashes_permille: fault(&[10, 40, 100]),
            refusals_permille: fault(&[0, 15]),
            sink_faults_permille: fault(&[0, 50, 200]),
            poison_permille: fault(&[0, 300]),
            damage_permille: fault(&[0, 100]),
            rewinds_permille: fault(&[0, 200]),
            restarts_permille: some(&[0, 10, 40]),
            checkpoints_permille: some(&[10, 60, 200]),
            repeats_permille: some(&[0, 100]),
            ages_permille: some(&[0, 0, 0, 2]),
            segment_bytes: u64::from(some(&[4 << 10, 32 << 10, 256 << 20])),
            chunk_max: some(&[1, 5, 20]) as usize,
            uploads: some(&[1, 2, 3, 4]) as usize,
            rows_max: some(&[8, 30, 60]) as usize,
        }
    }
}
