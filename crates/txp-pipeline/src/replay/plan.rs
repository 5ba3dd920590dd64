//! What a replay would take: how many events, how long, what it costs on AWS, what it changes.
//!
//! A plan is a value. It is made from what is known of a source without reading it through, shown, and
//! thrown away; executing a replay does not need it. Times are modelled from constants that are named
//! here, each with where it comes from; money is counted in micro-dollars.

use serde::Serialize;

/// Events folded a second into a local state: the floor that `cargo xtask bench` holds it to.
pub(super) const FOLD_EVENTS_PER_SECOND: u64 = 400_000;

/// Items written a second to a new table: what DynamoDB takes of an on-demand table that is not
/// warmed ("Throughput for on-demand tables": 4,000 write units, an item below 1 KB takes one).
pub(super) const TABLE_ITEMS_PER_SECOND: u64 = 4_000;

/// One write unit of an on-demand table, us-east-1, in millionths of a micro-dollar: 0.625 USD per
/// million (AWS price list, November 2024).
const WRITE_UNIT_PICO_USD: u64 = 625_000;
/// One read unit, eventually or strongly consistent: 0.125 USD per million.
const READ_UNIT_PICO_USD: u64 = 125_000;
/// One GET of S3: 0.40 USD per million.
const GET_PICO_USD: u64 = 400_000;
/// A gigabyte retrieved from an on-demand stream: 0.040 USD.
const STREAM_GB_MICRO_USD: u64 = 40_000;
const PICO_PER_MICRO: u64 = 1_000_000;
const BYTES_PER_GB: u64 = 1_000_000_000;

/// What is known of a source without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceSize {
    /// Its events in the window; `None` if nobody knows.
    pub events: Option<u64>,
    /// Whether they were counted.
    pub is_counted: bool,
    /// What the number comes from, or why there is none.
    pub events_from: &'static str,
    /// Bytes to be read.
    pub bytes: Option<u64>,
    /// Objects to be read, of an archive.
    pub objects: Option<u64>,
    /// Whether bytes come from a stream that charges for them.
    pub is_stream: bool,
}

/// Where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A directory.
    Directory,
    /// A table: every item is written once.
    Table,
    /// A table that has items: each is read, and written if it differs.
    LiveTable,
}

/// A part of the bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// For what.
    pub what: &'static str,
    /// How many of it.
    pub units: u64,
    /// Millionths of a dollar.
    pub micro_usd: u64,
}

/// What a replay would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The replay's id.
    pub id: String,
    /// The history.
    pub source: String,
    /// Only what arrived at or after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only what arrived before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The target.
    pub into: String,
    /// What will be done to it.
    pub target: &'static str,
    /// Events of the history in that time; what an earlier run has folded is not folded again.
    pub events: Option<u64>,
    /// Whether they were counted.
    pub is_counted: bool,
    /// What the number comes from, or why there is none.
    pub events_from: &'static str,
    /// Modelled.
    pub seconds: Option<u64>,
    /// Modelled, us-east-1.
    pub cost: Vec<Cost>,
    /// Their sum.
    pub micro_usd: u64,
    /// What else happens, anywhere: nothing, ever.
    pub side_effects: Vec<&'static str>,
}

impl Plan {
    /// Fills in times and costs.
    #[must_use]
    pub fn with_size(mut self, size: &SourceSize, kind: TargetKind) -> Self {
        self.events = size.events;
        self.is_counted = size.is_counted;
        self.events_from = size.events_from;
        self.seconds = size.events.map(|events| {
            let folding = events.div_ceil(FOLD_EVENTS_PER_SECOND);
            match kind {
                TargetKind::Directory => folding,
                TargetKind::Table | TargetKind::LiveTable => {
                    folding + events.div_ceil(TABLE_ITEMS_PER_SECOND)
                }
            }
        });
        let items = size.events.unwrap_or(0);
        self.cost = costs(size, kind, items);
        self.micro_usd = self.cost.iter().map(|cost| cost.micro_usd).sum();
        self
    }
}

fn costs(size: &SourceSize, kind: TargetKind, items: u64) -> Vec<Cost> {
    let pico = |what, units: u64, each: u64| Cost {
        what,
        units,
        micro_usd: units.saturating_mul(each).div_ceil(PICO_PER_MICRO),
    };
    let mut costs = Vec::new();
    if let Some(objects) = size.objects {
        costs.push(pico("S3 GET requests", objects, GET_PICO_USD));
    }
    if let Some(bytes) = size.bytes.filter(|_| size.is_stream) {
        costs.push(Cost {
            what: "bytes retrieved from the stream",
            units: bytes,
            micro_usd: bytes.saturating_mul(STREAM_GB_MICRO_USD) / BYTES_PER_GB,
        });
    }
    if kind == TargetKind::LiveTable {
        costs.push(pico("DynamoDB read units", items, READ_UNIT_PICO_USD));
    }
    if kind != TargetKind::Directory {
        costs.push(pico(
            "DynamoDB write units, at the most",
            items,
            WRITE_UNIT_PICO_USD,
        ));
    }
    costs
}

/// Micro-dollars as dollars and cents, rounded up: nobody is told of nothing what costs something.
#[must_use]
pub fn money(micro_usd: u64) -> String {
    let cents = micro_usd.div_ceil(10_000);
    format!("{}.{:02} USD", cents / 100, cents % 100)
}
