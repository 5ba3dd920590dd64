//! The numbers of the model, each with where it comes from: measured here, a limit or default of
//! AWS, how the deployment is set up, or an assumption that says so.

use serde::Serialize;

/// One number of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Constant {
    /// What it is called.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// Its unit.
    pub unit: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

macro_rules! constants {
    ($($(#[$docs:meta])* $name:ident = $value:literal, $unit:literal, $source:literal;)+) => {
        $($(#[$docs])* pub(super) const $name: u64 = $value;)+

        /// All of them.
        pub const CONSTANTS: &[Constant] = &[
            $(Constant {
                name: stringify!($name),
                value: $value,
                unit: $unit,
                source: $source,
            }),+
        ];
    };
}

constants! {
    /// Of an event in an aggregated record, as `pulumi/README.md` counts.
    EVENT_BYTES = 410, "bytes per row",
        "measured: a clean file of `txp generate`, in aggregated records";
    WRITE_UNITS_PER_1000_ROWS = 1_050, "write units per 1,000 rows",
        "measured: the test a_clean_file_costs_little_more_than_one_write_unit_a_row";
    PROFILE_WRITES_PER_1000_ROWS = 1_000, "write units per 1,000 rows",
        "at most: one conditional write per sale on a card of its own";
    PROFILE_READS_PER_1000_ROWS = 1_000, "read units per 1,000 rows",
        "at most: one read per sale on a card of its own";
    VALIDATION_CPU_NANOS = 3_000, "CPU ns per row",
        "measured: reading into events 850 ns (README, Figures); assumed: 2,150 ns to send";
    AGGREGATOR_CPU_NANOS = 180_000, "CPU ns per row",
        "assumed share of about 500 GB-seconds per million rows (pulumi/README.md)";
    ANOMALY_CPU_NANOS = 100_000, "CPU ns per row",
        "assumed share of about 500 GB-seconds per million rows (pulumi/README.md)";
    ARCHIVER_CPU_NANOS = 7_000, "CPU ns per row",
        "assumed share of about 500 GB-seconds per million rows (pulumi/README.md)";
    FUNCTION_MEMORY_MB = 512, "MB",
        "deployment: MEMORY_MB in pulumi/transaction_processor/functions/function.py";
    FUNCTION_MILLICORES = 289, "thousandths of a core",
        "AWS Lambda developer guide: 1,769 MB are one vCPU";
    FUNCTIONS_RESERVED = 10, "executions",
        "deployment: RESERVED_CONCURRENCY in pulumi/transaction_processor/functions/function.py";
    ACCOUNT_CONCURRENCY = 1_000, "executions",
        "AWS Lambda quotas: default concurrent executions of a region";
    AGGREGATOR_PARALLEL = 2, "executions per shard",
        "deployment: PARALLEL in pulumi/transaction_processor/functions/aggregator.py";
    TABLE_PARTITION_WRITE_UNITS = 1_000, "write units/s",
        "Amazon DynamoDB developer guide: a partition's limit; so many partitions has a table's stream";
    BUCKETS = 256, "buckets",
        "design: events of one bucket stay on one shard";
    SHARD_BYTES_PER_SECOND = 1_000_000, "bytes/s",
        "Amazon Kinesis quotas: a shard takes 1 MB/s";
    NEW_STREAM_SHARDS = 4, "shards",
        "Amazon Kinesis quotas: a new on-demand stream takes 4 MB/s";
    STREAM_SHARDS_MAX = 200, "shards",
        "Amazon Kinesis quotas: an on-demand stream grows to 200 MB/s in every region";
    STREAM_DOUBLES_SECONDS = 900, "s",
        "Amazon Kinesis developer guide: throttled when traffic more than doubles within 15 minutes";
    ACCOUNT_SHARDS = 200, "shards",
        "Amazon Kinesis quotas: default of provisioned shards, the lowest of all regions";
    NEW_TABLE_WRITE_UNITS = 4_000, "write units/s",
        "Amazon DynamoDB developer guide: a new on-demand table";
    TABLE_WRITE_UNITS_MAX = 40_000, "write units/s",
        "Amazon DynamoDB quotas: default of an on-demand table";
    TABLE_DOUBLES_SECONDS = 1_800, "s",
        "Amazon DynamoDB developer guide: throttled when traffic more than doubles within 30 minutes";
    FIXED_MILLIS = 3_000, "ms",
        "assumed: notification, start of a function, one poll of the stream, last writes";
    AGGREGATE_BYTES = 50_000, "bytes",
        "AGGREGATE_BYTES_DEFAULT in crates/txp-aws/src/kinesis/producer/settings.rs";
    PUT_UNIT_BYTES = 25_000, "bytes",
        "Amazon Kinesis pricing: a PUT payload unit";
    AGGREGATOR_BATCH_RECORDS = 80, "records",
        "deployment: BATCH_RECORDS in pulumi/transaction_processor/functions/aggregator.py";
    ANOMALY_BATCH_ROWS = 500, "rows",
        "deployment: BATCH_RECORDS in pulumi/transaction_processor/functions/anomaly.py";
    FILE_BYTES_PER_ROW = 90, "bytes per row",
        "measured: a file of `txp generate`";
    READ_REQUEST_BYTES = 8_000_000, "bytes",
        "assumed: bytes of a file that one request to S3 gives";
}
