//! The buckets' queues: what is gathered, what is full and waits, what is on its way.

use crate::kinesis::aggregate::{Aggregate, PARTITION_KEY_CHARS_MAX, RECORD_BYTES_MAX};
use crate::kinesis::put::PutEntry;
use std::collections::VecDeque;
use txp_domain::position::{BUCKET_COUNT, Bucket};
use txp_pipeline::port::{ErrorKind, PortError};

/// One bucket's.
#[derive(Debug)]
struct Lane {
    open: Aggregate,
    /// Full records, the oldest first; the one on its way is not among them.
    waiting: VecDeque<PutEntry>,
    flight: Flight,
    /// How often the oldest record has failed by itself, not throttled.
    attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    /// No record of the bucket is on its way.
    Free,
    /// One is, and no answer is known.
    OnItsWay,
    /// It has failed and is about to be put back.
    Failed,
}

/// All buckets'.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// The buckets with a record that may go, in the order in which it became ready.
    ready: VecDeque<Bucket>,
    aggregate_bytes: usize,
    waiting_bytes: usize,
    ready_bytes: usize,
    flights: usize,
}

impl Lanes {
    pub(super) fn new(aggregate_bytes: usize) -> Self {
        let lane = |bucket| Lane {
            open: Aggregate::new(bucket),
            waiting: VecDeque::new(),
            flight: Flight::Free,
            attempts: 0,
        };
        Self {
            lanes: (0..=u8::MAX).map(Bucket).map(lane).collect(),
            ready: VecDeque::with_capacity(BUCKET_COUNT),
            aggregate_bytes,
            waiting_bytes: 0,
            ready_bytes: 0,
            flights: 0,
        }
    }

    /// Takes an event in, behind all of its bucket.
    pub(super) fn gather(
        &mut self,
        bucket: Bucket,
        partition_key: &str,
        data: &[u8],
    ) -> Result<(), PortError> {
        let bound = self.aggregate_bytes;
        let lane = self.lane(bucket);
        if lane.open.size_bytes_with(partition_key, data) > bound && !lane.open.is_empty() {
            self.close(bucket);
        }
        let open = &mut self.lane(bucket).open;
        let size = open.size_bytes_with(partition_key, data);
        let keys_fit = (1..=PARTITION_KEY_CHARS_MAX).contains(&partition_key.chars().count());
        if size > RECORD_BYTES_MAX - PARTITION_KEY_CHARS_MAX && open.is_empty() || !keys_fit {
            let context = format!(
                "an event of {} bytes with a partition key of {} does not fit a record of the stream; it cannot be appended",
                data.len(),
                partition_key.len()
            );
            return Err(PortError::new(ErrorKind::Permanent, context));
        }
        open.push(partition_key, data);
        Ok(())
    }

    /// Ends every record that is being gathered.
    pub(super) fn close_all(&mut self) {
        for bucket in (0..=u8::MAX).map(Bucket) {
            self.close(bucket);
        }
    }

    fn close(&mut self, bucket: Bucket) {
        let lane = self.lane(bucket);
        if let Some(entry) = lane.open.finish() {
            let is_first = lane.waiting.is_empty() && lane.flight == Flight::Free;
            self.waiting_bytes += entry.request_bytes();
            self.lane(bucket).waiting.push_back(entry);
            if is_first {
                self.make_ready(bucket);
            }
        }
    }

    /// Bytes of full records that are not on their way.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Bytes of the records that may go now.
    pub(super) fn ready_bytes(&self) -> usize {
        self.ready_bytes
    }

    /// Whether nothing waits and nothing is on its way or gathered.
    pub(super) fn is_empty(&self) -> bool {
        let is_idle = |lane: &Lane| lane.open.is_empty() && lane.waiting.is_empty();
        self.flights == 0 && self.lanes.iter().all(is_idle)
    }

    /// Records to send together, each of another bucket, and the most attempts that any has behind
    /// it. The first may be over `bytes_max` if it goes alone.
    pub(super) fn next_call(
        &mut self,
        records_max: usize,
        bytes_max: usize,
        is_alone: bool,
    ) -> (Vec<PutEntry>, u32) {
        let (mut entries, mut bytes, mut attempts) = (Vec::new(), 0, 0);
        while entries.len() < records_max {
            let Some(&bucket) = self.ready.front() else {
                break;
            };
            let lane = self.lane(bucket);
            let size = lane.waiting.front().map_or(0, PutEntry::request_bytes);
            let may_exceed = is_alone && entries.is_empty();
            if bytes + size > bytes_max && !may_exceed {
                break;
            }
            if let Some(entry) = lane.waiting.pop_front() {
                lane.flight = Flight::OnItsWay;
                attempts = attempts.max(lane.attempts);
                entries.push(entry);
                self.flights += 1;
            }
            self.ready.pop_front();
            bytes += size;
            self.waiting_bytes -= size;
            self.ready_bytes -= size;
        }
        (entries, attempts)
    }

    /// The bucket's record on its way is stored: the next may go.
    pub(super) fn stored(&mut self, bucket: Bucket) {
        let lane = self.lane(bucket);
        lane.flight = Flight::Free;
        lane.attempts = 0;
        let is_waiting = !lane.waiting.is_empty();
        self.flights -= 1;
        if is_waiting {
            self.make_ready(bucket);
        }
    }

    /// The bucket's record on its way is not stored, for all that is known; `counts` if that is an
    /// attempt. The attempts so far.
    pub(super) fn failed(&mut self, bucket: Bucket, counts: bool) -> u32 {
        let lane = self.lane(bucket);
        lane.flight = Flight::Failed;
        lane.attempts += u32::from(counts);
        lane.attempts
    }

    /// Puts those of a call's records that failed before all others of their buckets.
    pub(super) fn put_back(&mut self, entries: Vec<PutEntry>) {
        for entry in entries {
            let bucket = entry.bucket;
            let size = entry.request_bytes();
            let lane = self.lane(bucket);
            if lane.flight == Flight::Failed {
                lane.flight = Flight::Free;
                lane.waiting.push_front(entry);
                self.flights -= 1;
                self.waiting_bytes += size;
                self.make_ready(bucket);
            }
        }
    }

    fn make_ready(&mut self, bucket: Bucket) {
        let front = self.lane(bucket).waiting.front();
        self.ready_bytes += front.map_or(0, PutEntry::request_bytes);
        self.ready.push_back(bucket);
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a bucket is a byte, and there is a lane for each"
    )]
    fn lane(&mut self, bucket: Bucket) -> &mut Lane {
        &mut self.lanes[bucket.index()]
    }
}
