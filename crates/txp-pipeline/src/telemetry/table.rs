//! The list of metrics for others: as JSON, for the checks of dashboards and for the page, and as a
//! table for people.

use super::{Kind, Metric};
use metrics::Unit;
use serde_json::{Value, json};
use std::fmt::Write;

/// Where the JSON lies.
pub const DOCUMENT_PATH: &str = "schemas/metrics.json";

/// Where the table lies.
pub const TABLE_PATH: &str = "dashboards/metrics.md";

const INTRODUCTION: &str = "\
# Metrics

Written by `cargo xtask schema` from `crates/txp-pipeline/src/telemetry/metric.rs`; change that, not this.

On AWS each is in the namespace `transaction-processor-{environment}` with the dimension `function`
(`validation-lambda-{environment}`, ...) and those that are named here. On the embedded host `GET /metrics`
has it as text for Prometheus, with the same dimensions as labels: `txp_NAME_total` for a counter,
`txp_NAME` for a gauge, `txp_NAME_bucket`, `_sum` and `_count` for a histogram. Clients and merchants are
told apart as far as the operator listed them (on AWS) or for the first 20 (embedded); the others are
`other`.

| metric | kind | unit | dimensions | functions | embedded | meaning |
|---|---|---|---|---|---|---|
";

impl Metric {
    /// What it is called in the text for Prometheus.
    #[must_use]
    pub fn prometheus(self) -> String {
        let end = match self.kind() {
            Kind::Counter => "_total",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("txp_{}{end}", self.name())
    }

    fn function_names(self) -> Vec<&'static str> {
        self.functions().iter().map(|f| f.name()).collect()
    }
}

/// The list as JSON.
#[must_use]
pub fn document() -> Value {
    let metrics = Metric::ALL.iter().map(|metric| {
        json!({
            "name": metric.name(),
            "kind": metric.kind().name(),
            "unit": unit_name(*metric),
            "dimensions": metric.dimensions(),
            "functions": metric.function_names(),
            "embedded": metric.is_embedded(),
            "prometheus": metric.prometheus(),
            "meaning": metric.meaning(),
        })
    });
    json!({ "metrics": metrics.collect::<Vec<_>>() })
}

/// The list as a page.
#[must_use]
pub fn table() -> String {
    let mut page = INTRODUCTION.to_owned();
    for metric in Metric::ALL {
        let embedded = if metric.is_embedded() { "yes" } else { "no" };
        // Writing to a String cannot fail.
        let _infallible = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {embedded} | {} |",
            metric.name(),
            metric.kind().name(),
            unit_name(*metric),
            or_dash(metric.dimensions()),
            or_dash(&metric.function_names()),
            metric.meaning(),
        );
    }
    page
}

fn or_dash(names: &[&str]) -> String {
    if names.is_empty() {
        "-".to_owned()
    } else {
        names.join(", ")
    }
}

/// A unit as CloudWatch writes it.
const fn unit_name(metric: Metric) -> &'static str {
    match metric.unit() {
        Unit::Seconds => "Seconds",
        Unit::Milliseconds => "Milliseconds",
        Unit::Bytes => "Bytes",
        Unit::Percent => "Percent",
        _ => "Count",
    }
}
