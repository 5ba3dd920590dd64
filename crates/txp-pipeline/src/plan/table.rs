//! The table of the documents: the same model over powers of ten.

use super::model::{Ask, Plan, StreamMode, Warm, plan};
use super::price::Prices;
use std::fmt::Write as _;

/// The rows of the table's lines.
pub const TABLE_ROWS: [u64; 7] = [
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
];

/// Within which time, as the service promises.
const SLA_SECONDS: u64 = 300;
/// No file has more rows: what one function reads in a part of the time.
const FILE_ROWS_MAX: u64 = 10_000_000;

/// The table in Markdown: cold, and warmed so that all is completed in time where that can be.
#[must_use]
pub fn markdown(prices: &Prices) -> String {
    let mut out = format!(
        "Modelled, not measured: `txp plan`, prices of {} as of {}, files of at most {FILE_ROWS_MAX} rows.\n\n\
         | rows | cold: seconds | what limits it | USD | warmed for {SLA_SECONDS} s: shards | write units/s | aggregators | seconds | USD |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        prices.region, prices.as_of
    );
    for rows in TABLE_ROWS {
        let of = |warm| {
            let ask = Ask {
                rows,
                files: rows.div_ceil(FILE_ROWS_MAX),
                sla_seconds: SLA_SECONDS,
                warm,
            };
            plan(&ask, prices)
        };
        let (cold, warm) = (of(Warm::Cold), of(Warm::Fit));
        // Writing to memory does not fail.
        writeln!(
            out,
            "| {rows} | {} | {} | {} | {} | {} | {} | {} | {} |",
            seconds(&cold),
            cold.bottleneck,
            cold.usd,
            shards(&warm),
            warm.capacity.write_units,
            warm.capacity.aggregators,
            seconds(&warm),
            warm.usd
        )
        .ok();
    }
    out
}

fn seconds(plan: &Plan) -> String {
    let mark = if plan.is_met { "" } else { " (late)" };
    format!("{}{mark}", plan.seconds)
}

fn shards(plan: &Plan) -> String {
    match plan.capacity.stream_mode {
        StreamMode::OnDemand => "on demand".to_owned(),
        StreamMode::Provisioned => plan.capacity.shards.to_string(),
    }
}
