//! What is measured by looking: how far behind the fold is, what waits and since when. Whoever asks
//! for the figures has it looked at first.

use super::{Host, lock, read_quarantine};
use crate::clock::now;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_pipeline::telemetry::{Metric, set};

/// When the batches were appended that are not folded yet, in their order.
#[derive(Debug, Default)]
pub(crate) struct Backlog(Mutex<VecDeque<i64>>);

impl Backlog {
    /// A batch is durable and goes to the fold.
    pub(crate) fn push(&self, arrival_millis: i64) {
        lock(&self.0).push_back(arrival_millis);
    }

    /// The oldest of them is folded.
    pub(crate) fn pop(&self) {
        lock(&self.0).pop_front();
    }

    fn oldest_millis(&self) -> Option<i64> {
        lock(&self.0).front().copied()
    }
}

impl Host {
    /// Looks at what stands. `waiting` are uploads that arrived and of which the history does not
    /// know yet.
    pub fn measure_standing(&self, waiting: impl IntoIterator<Item = (UploadId, Timestamp)>) {
        let mut unfinished: BTreeMap<UploadId, Timestamp> = waiting.into_iter().collect();
        unfinished.extend(self.not_completed());
        let now_millis = now().unix_millis();
        // Whole seconds are exact in a float for longer than anything waits.
        let seconds_since = |millis: i64| (now_millis.saturating_sub(millis) / 1000).max(0) as f64;
        let oldest = unfinished.values().min();
        let oldest = oldest.map_or(0.0, |at| seconds_since(at.unix_millis()));
        let lag = self
            .shared
            .backlog
            .oldest_millis()
            .map_or(0.0, seconds_since);
        // One that cannot be read is told by `txp doctor`.
        let quarantined = read_quarantine(self.dir()).map_or(0, |events| events.len());
        // What stood stays where it cannot be read: the doctor tells of that too.
        let webhook = self.shared.webhooks.look(self.dir()).ok();
        let webhook = webhook.map(|at| at.map_or(0.0, |at| seconds_since(at.unix_millis())));
        let recording = if self.has_failed() { 0.0 } else { 1.0 };
        self.measure(|| {
            set(Metric::UploadsUnfinished, unfinished.len() as f64);
            set(Metric::OldestUnprocessedSeconds, oldest);
            set(Metric::LagSeconds, lag);
            set(Metric::QuarantineSize, quarantined as f64);
            set(Metric::Recording, recording);
            if let Some(seconds) = webhook {
                set(Metric::OldestWebhookSeconds, seconds);
            }
        });
    }

    /// Uploads of which not every row is folded, and when they arrived.
    fn not_completed(&self) -> Vec<(UploadId, Timestamp)> {
        let fold = self.lock_fold();
        let open = fold.state.open_uploads();
        open.filter_map(|upload| Some((upload.id, upload.received.as_ref()?.uploaded_at)))
            .collect()
    }
}
