//! What rows cost until they are completed, by service.

use super::constant as c;
use super::model::{Capacity, StreamMode};
use super::price::Prices;
use serde::{Serialize, Serializer};
use std::fmt;

const NANO: u128 = 1_000_000_000;
/// Decimals that are shown: a thousand rows cost some tenths of a cent.
const SHOWN_DECIMALS: u32 = 4;
const SECONDS_PER_HOUR: u64 = 3600;
/// Functions that read the stream.
const STREAM_READERS: u128 = 2;

/// An amount of money in nano-USD; shown rounded to a hundredth of a cent, halves up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub u128);

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = 10_u128.pow(SHOWN_DECIMALS);
        let step = NANO / scale;
        let rounded = (self.0 + step / 2) / step;
        let (whole, part) = (rounded / scale, rounded % scale);
        write!(f, "{whole}.{part:0width$}", width = SHOWN_DECIMALS as usize)
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::iter::Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        Self(iter.map(|usd| usd.0).sum())
    }
}

/// One line of the bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostLine {
    /// The service.
    pub service: &'static str,
    /// What is paid for.
    pub what: &'static str,
    /// How much of it.
    pub quantity: u64,
    /// In which unit.
    pub unit: &'static str,
    /// What that costs.
    pub usd: Usd,
}

fn line(
    service: &'static str,
    what: &'static str,
    quantity: u128,
    unit: &'static str,
    usd: Usd,
) -> CostLine {
    CostLine {
        service,
        what,
        quantity: u64::try_from(quantity).unwrap_or(u64::MAX),
        unit,
        usd,
    }
}

/// The bill of so many rows in so many files that take so many seconds.
pub(super) fn bill(
    rows: u64,
    files: u64,
    seconds: u64,
    capacity: &Capacity,
    prices: &Prices,
) -> Vec<CostLine> {
    let rows = u128::from(rows);
    let bytes = rows * u128::from(c::EVENT_BYTES);
    let records = bytes.div_ceil(u128::from(c::AGGREGATE_BYTES));
    let hours = u128::from(seconds.div_ceil(SECONDS_PER_HOUR).max(1));
    let mut lines = Vec::from(tables(rows, prices));
    match capacity.stream_mode {
        StreamMode::OnDemand => lines.extend(on_demand(bytes, hours, prices)),
        StreamMode::Provisioned => {
            let shard_hours = hours * u128::from(capacity.shards);
            lines.extend(provisioned(records, shard_hours, prices));
        }
    }
    lines.extend(functions(rows, records, u128::from(files), prices));
    lines
}

fn tables(rows: u128, prices: &Prices) -> [CostLine; 3] {
    let per_1000 = |units: u64| (rows * u128::from(units)).div_ceil(1000);
    let writes = per_1000(c::WRITE_UNITS_PER_1000_ROWS);
    let profile_writes = per_1000(c::PROFILE_WRITES_PER_1000_ROWS);
    let profile_reads = per_1000(c::PROFILE_READS_PER_1000_ROWS);
    let (write, read) = (prices.table_write, prices.table_read);
    [
        line(
            "DynamoDB",
            "transactions and uploads",
            writes,
            "write units",
            write.cost(writes),
        ),
        line(
            "DynamoDB",
            "profiles, at most",
            profile_writes,
            "write units",
            write.cost(profile_writes),
        ),
        line(
            "DynamoDB",
            "profiles, at most",
            profile_reads,
            "read units",
            read.cost(profile_reads),
        ),
    ]
}

fn on_demand(bytes: u128, hours: u128, prices: &Prices) -> [CostLine; 3] {
    let out = bytes * STREAM_READERS;
    let (cost_in, cost_out) = (prices.stream_in.cost(bytes), prices.stream_out.cost(out));
    let standing = prices.stream_hour.cost(hours);
    [
        line("Kinesis", "in", bytes, "bytes", cost_in),
        line("Kinesis", "out, two functions", out, "bytes", cost_out),
        line("Kinesis", "the stream", hours, "hours", standing),
    ]
}

fn provisioned(records: u128, shard_hours: u128, prices: &Prices) -> [CostLine; 2] {
    let units = records * u128::from(c::AGGREGATE_BYTES.div_ceil(c::PUT_UNIT_BYTES));
    let (puts, shards) = (
        prices.put_unit.cost(units),
        prices.shard_hour.cost(shard_hours),
    );
    [
        line("Kinesis", "in", units, "PUT units", puts),
        line("Kinesis", "shards", shard_hours, "hours", shards),
    ]
}

fn functions(rows: u128, records: u128, files: u128, prices: &Prices) -> [CostLine; 4] {
    let cpu_nanos = c::VALIDATION_CPU_NANOS
        + c::AGGREGATOR_CPU_NANOS
        + c::ANOMALY_CPU_NANOS
        + c::ARCHIVER_CPU_NANOS;
    // A function waits as long as its share of a core takes: CPU by share is time, by memory GB-s.
    let millis = rows * u128::from(cpu_nanos) / u128::from(c::FUNCTION_MILLICORES) / 1000;
    let milli_gb_seconds = millis * u128::from(c::FUNCTION_MEMORY_MB) / 1024;
    let batches = records.div_ceil(u128::from(c::AGGREGATOR_BATCH_RECORDS));
    let judged = rows.div_ceil(u128::from(c::ANOMALY_BATCH_ROWS));
    let requests = files + STREAM_READERS * batches + judged;
    let file_bytes = rows * u128::from(c::FILE_BYTES_PER_ROW);
    let reads = file_bytes.div_ceil(u128::from(c::READ_REQUEST_BYTES));
    let time = prices.function_milli_gb_second.cost(milli_gb_seconds);
    let calls = prices.function_request.cost(requests);
    let gets = prices.object_get.cost(reads);
    let puts = prices.object_put.cost(batches);
    [
        line(
            "Lambda",
            "the functions' time",
            milli_gb_seconds / 1000,
            "GB-seconds",
            time,
        ),
        line("Lambda", "invocations", requests, "requests", calls),
        line("S3", "files read", reads, "GET requests", gets),
        line(
            "S3",
            "archive, one object a batch at most",
            batches,
            "PUT requests",
            puts,
        ),
    ]
}
