//! How fast each stage is, and how long the slowest takes.

use super::constant as c;
use super::cost::{CostLine, Usd, bill};
use super::price::Prices;
use serde::Serialize;

const MILLIS: u64 = 1000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Rows in all.
    pub rows: u64,
    /// In how many files of one size: each is read by one function.
    pub files: u64,
    /// Within which time they are to be completed.
    pub sla_seconds: u64,
    /// What was made ready before.
    pub warm: Warm,
}

/// What was made ready before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Warm {
    /// Nothing: a new deployment.
    #[default]
    Cold,
    /// As little as completes the rows in time.
    Fit,
    /// This much; what is not said is cold.
    Given {
        /// Provisioned shards.
        shards: Option<u64>,
        /// Write units a second that the transactions table takes at once.
        write_units: Option<u64>,
        /// Whether functions take what the account has, instead of their reservation.
        unreserved: bool,
    },
}

/// How the stream is paid and grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamMode {
    /// It grows by itself.
    OnDemand,
    /// It has as many shards as it was given.
    Provisioned,
}

/// What the deployment takes at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Capacity {
    /// The stream's mode.
    pub stream_mode: StreamMode,
    /// The stream's shards.
    pub shards: u64,
    /// As many shards as the events spread over: a bucket stays on one shard.
    pub shards_in_use: u64,
    /// Write units a second of the transactions table.
    pub write_units: u64,
    /// Executions of the aggregator at a time.
    pub aggregators: u64,
    /// Executions of the validation at a time.
    pub validations: u64,
    /// Whether functions have a reservation.
    pub reserved_concurrency: bool,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StagePlan {
    /// Its name.
    pub stage: &'static str,
    /// What limits it.
    pub limit: &'static str,
    /// How many rows a second it does at the start.
    pub rows_per_second: u64,
    /// How long it takes for all rows.
    pub seconds: u64,
    /// Whether a merchant waits for it: completion does not wait for detection and archive.
    pub is_waited_for: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// It was computed, not measured.
    pub modelled: bool,
    /// As asked.
    pub rows: u64,
    /// As asked.
    pub files: u64,
    /// As asked.
    pub sla_seconds: u64,
    /// From the arrival of the files until they are completed.
    pub seconds: u64,
    /// Whether that is in time.
    pub is_met: bool,
    /// The stage that all others wait for.
    pub bottleneck: &'static str,
    /// What the deployment takes at the start.
    pub capacity: Capacity,
    /// The stages.
    pub stages: Vec<StagePlan>,
    /// What the deployment is to be told, as `pulumi config set` takes it; empty for a cold one.
    pub settings: Vec<(&'static str, String)>,
    /// What an account does not have unless it asks, and why more does not help.
    pub notes: Vec<String>,
    /// The bill.
    pub costs: Vec<CostLine>,
    /// All of it.
    pub usd: Usd,
}

/// What completing so many rows takes.
#[must_use]
pub fn plan(ask: &Ask, prices: &Prices) -> Plan {
    let ask = &Ask {
        rows: ask.rows.max(1),
        files: ask.files.clamp(1, ask.rows.max(1)),
        ..*ask
    };
    let capacity = capacity(ask);
    let stages = stages(ask, &capacity);
    let waited_for = || stages.iter().filter(|stage| stage.is_waited_for);
    // The first of equals: the earlier stage.
    let slowest = waited_for().rev().max_by_key(|stage| stage.seconds);
    let seconds = slowest.map_or(0, |stage| stage.seconds) + c::FIXED_MILLIS / MILLIS;
    let bottleneck = slowest.map_or("", |stage| stage.stage);
    let costs = bill(ask.rows, ask.files, seconds, &capacity, prices);
    let is_met = seconds <= ask.sla_seconds;
    Plan {
        modelled: true,
        rows: ask.rows,
        files: ask.files,
        sla_seconds: ask.sla_seconds,
        seconds,
        is_met,
        bottleneck,
        notes: notes(ask, &capacity, is_met, bottleneck),
        settings: settings(ask, &capacity),
        stages,
        usd: costs.iter().map(|line| line.usd).sum(),
        costs,
        capacity,
    }
}

/// Rows a second of one execution that spends so much on each.
const fn of_execution(cpu_nanos: u64) -> u64 {
    NANOS_PER_SECOND * c::FUNCTION_MILLICORES / 1000 / cpu_nanos
}

/// As many of the shards as do the same work: buckets are whole, so the busiest decides.
fn in_use(shards: u64) -> u64 {
    let of_busiest = c::BUCKETS.div_ceil(shards.max(1));
    c::BUCKETS / of_busiest.max(1)
}

fn capacity(ask: &Ask) -> Capacity {
    let cold = Capacity {
        stream_mode: StreamMode::OnDemand,
        shards: c::NEW_STREAM_SHARDS,
        shards_in_use: c::NEW_STREAM_SHARDS,
        write_units: c::NEW_TABLE_WRITE_UNITS,
        aggregators: 0,
        validations: 0,
        reserved_concurrency: true,
    };
    let with_executions = |capacity: Capacity| {
        let limit = match capacity.reserved_concurrency {
            true => c::FUNCTIONS_RESERVED,
            false => c::ACCOUNT_CONCURRENCY,
        };
        Capacity {
            shards_in_use: in_use(capacity.shards),
            aggregators: limit.min(in_use(capacity.shards) * c::AGGREGATOR_PARALLEL),
            validations: limit.min(ask.files),
            ..capacity
        }
    };
    match ask.warm {
        Warm::Cold => with_executions(cold),
        Warm::Given {
            shards,
            write_units,
            unreserved,
        } => with_executions(Capacity {
            stream_mode: shards.map_or(StreamMode::OnDemand, |_| StreamMode::Provisioned),
            shards: shards.unwrap_or(cold.shards).max(1),
            write_units: write_units.map_or(cold.write_units, |units| units.max(cold.write_units)),
            reserved_concurrency: !unreserved,
            ..cold
        }),
        Warm::Fit => with_executions(fit(ask, cold)),
    }
}

/// As little as does it: what is enough when cold stays so.
fn fit(ask: &Ask, cold: Capacity) -> Capacity {
    let millis = (ask.sla_seconds * MILLIS)
        .saturating_sub(c::FIXED_MILLIS)
        .max(1);
    let wanted = ceil_div(u128::from(ask.rows) * u128::from(MILLIS), millis);
    let by_bytes = ceil_div(
        u128::from(wanted) * u128::from(c::EVENT_BYTES),
        c::SHARD_BYTES_PER_SECOND,
    );
    let executions = wanted.div_ceil(of_execution(c::AGGREGATOR_CPU_NANOS));
    let needed = by_bytes.max(executions.div_ceil(c::AGGREGATOR_PARALLEL));
    // The next number of shards of which the busiest has few enough buckets.
    let shards = c::BUCKETS.div_ceil((c::BUCKETS / needed.max(1)).max(1));
    let (stream_mode, shards) = match needed <= cold.shards {
        true => (cold.stream_mode, cold.shards),
        false => (StreamMode::Provisioned, shards),
    };
    let write_units = ceil_div(
        u128::from(wanted) * u128::from(c::WRITE_UNITS_PER_1000_ROWS),
        1000,
    );
    Capacity {
        stream_mode,
        shards,
        write_units: write_units.max(cold.write_units),
        reserved_concurrency: executions <= c::FUNCTIONS_RESERVED
            && ask.files <= c::FUNCTIONS_RESERVED,
        ..cold
    }
}

fn ceil_div(units: u128, by: u64) -> u64 {
    u64::try_from(units.div_ceil(u128::from(by.max(1)))).unwrap_or(u64::MAX)
}

/// Something that does so many rows a second, twice as many after each while, up to a limit.
struct Rate {
    rows_per_second: u64,
    max: u64,
    doubles_seconds: u64,
}

impl Rate {
    fn steady(rows_per_second: u64) -> Self {
        Self {
            rows_per_second,
            max: rows_per_second,
            doubles_seconds: 1,
        }
    }

    /// How long so many rows take.
    fn seconds(&self, rows: u64) -> u64 {
        let (mut left, mut rate, mut seconds) = (rows, self.rows_per_second.max(1), 0_u64);
        while rate < self.max {
            let done = rate.saturating_mul(self.doubles_seconds);
            if done >= left {
                break;
            }
            left -= done;
            seconds = seconds.saturating_add(self.doubles_seconds);
            rate = rate.saturating_mul(2).min(self.max);
        }
        seconds.saturating_add(left.div_ceil(rate))
    }
}

fn stages(ask: &Ask, capacity: &Capacity) -> Vec<StagePlan> {
    let rows_of_shards = |shards: u64| shards * c::SHARD_BYTES_PER_SECOND / c::EVENT_BYTES;
    let rows_of_units = |units: u64| units * 1000 / c::WRITE_UNITS_PER_1000_ROWS;
    let stream = match capacity.stream_mode {
        StreamMode::Provisioned => Rate::steady(rows_of_shards(capacity.shards_in_use)),
        StreamMode::OnDemand => Rate {
            rows_per_second: rows_of_shards(capacity.shards_in_use),
            max: rows_of_shards(in_use(c::STREAM_SHARDS_MAX)),
            doubles_seconds: c::STREAM_DOUBLES_SECONDS,
        },
    };
    let table = Rate {
        rows_per_second: rows_of_units(capacity.write_units),
        max: rows_of_units(capacity.write_units.max(c::TABLE_WRITE_UNITS_MAX)),
        doubles_seconds: c::TABLE_DOUBLES_SECONDS,
    };
    let validation = capacity.validations * of_execution(c::VALIDATION_CPU_NANOS);
    let aggregator = capacity.aggregators * of_execution(c::AGGREGATOR_CPU_NANOS);
    let partitions = capacity
        .write_units
        .div_ceil(c::TABLE_PARTITION_WRITE_UNITS);
    let judges = match capacity.reserved_concurrency {
        true => partitions.min(c::FUNCTIONS_RESERVED),
        false => partitions.min(c::ACCOUNT_CONCURRENCY),
    };
    let archivers = capacity
        .shards_in_use
        .min(judges.max(c::FUNCTIONS_RESERVED));
    let anomaly = judges * of_execution(c::ANOMALY_CPU_NANOS);
    let archiver = archivers * of_execution(c::ARCHIVER_CPU_NANOS);
    let stage = |stage, limit, rate: Rate, is_waited_for| StagePlan {
        stage,
        limit,
        rows_per_second: rate.rows_per_second,
        seconds: rate.seconds(ask.rows),
        is_waited_for,
    };
    vec![
        stage(
            "validation",
            "CPU of one function a file",
            Rate::steady(validation),
            true,
        ),
        stage("stream", "bytes into the stream's shards", stream, true),
        stage(
            "aggregator",
            "CPU of its executions",
            Rate::steady(aggregator),
            true,
        ),
        stage("transactions table", "write units", table, true),
        stage(
            "anomaly",
            "CPU of one function a partition",
            Rate::steady(anomaly),
            false,
        ),
        stage(
            "archiver",
            "CPU of one function a shard",
            Rate::steady(archiver),
            false,
        ),
    ]
}

fn settings(ask: &Ask, capacity: &Capacity) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if ask.warm == Warm::Cold {
        return settings;
    }
    if capacity.stream_mode == StreamMode::Provisioned {
        settings.push(("stream_mode", "provisioned".to_owned()));
        settings.push(("stream_shards", capacity.shards.to_string()));
    }
    if capacity.write_units > c::NEW_TABLE_WRITE_UNITS {
        settings.push(("warm_write_units", capacity.write_units.to_string()));
    }
    if !capacity.reserved_concurrency {
        settings.push(("reserved_concurrency", "false".to_owned()));
    }
    settings
}

fn notes(ask: &Ask, capacity: &Capacity, is_met: bool, bottleneck: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let mut quota = |what: &str, needed: u64, default: u64| {
        if needed > default {
            notes.push(format!(
                "ask Service Quotas for {needed} {what}: an account has {default}"
            ));
        }
    };
    if capacity.stream_mode == StreamMode::Provisioned {
        quota("Kinesis shards", capacity.shards, c::ACCOUNT_SHARDS);
    }
    quota(
        "write units a second of a DynamoDB table",
        capacity.write_units,
        c::TABLE_WRITE_UNITS_MAX,
    );
    let executions = capacity.aggregators + capacity.validations;
    quota(
        "concurrent Lambda executions",
        executions,
        c::ACCOUNT_CONCURRENCY,
    );
    if is_met {
        return notes;
    }
    notes.push(match (bottleneck, ask.warm) {
        ("validation", _) => format!(
            "a file is read by one function, {} rows/s: send more and smaller files (--files)",
            of_execution(c::VALIDATION_CPU_NANOS)
        ),
        (_, Warm::Fit) => format!(
            "no setting is enough: the {} buckets of the history spread over {} shards at most",
            c::BUCKETS,
            c::BUCKETS
        ),
        _ => "--warm computes the settings with which it is in time".to_owned(),
    });
    notes
}
