//! Metrics as lines of the log in CloudWatch's embedded format, one document per set of dimensions
//! after each invocation; CloudWatch makes metrics of them, nothing is sent from here.
//!
//! Limits of the format and its collector: a histogram holds 100 values between two invocations and
//! drops what is more, so a batch is observed once and not row by row; a gauge, once set, is said
//! again after every invocation; dimensions come from closed sets (`Metric::dimensions`), because
//! each value is a metric of its own that costs money for ever.

use super::Invocation;
use metrics_cloudwatch_embedded::{Builder, Collector};
use std::io;
use txp_pipeline::telemetry::{self, Metric};

/// The variable with the namespace of the metrics, and what stands for it.
const NAMESPACE: (&str, &str) = ("METRICS_NAMESPACE", "transaction-processor");

/// The variable with the clients and merchants that have metrics of their own, separated by commas.
const NAMES: &str = "METRICS_NAMES";

/// The dimension of every metric.
pub(super) const FUNCTION: &str = "function";

/// The recorder of the process.
pub(super) struct Meter {
    collector: &'static Collector,
    is_cold: bool,
}

impl Meter {
    /// Makes it what `telemetry` counts with. Once per process.
    ///
    /// # Errors
    /// There is one already.
    pub(super) fn install(function: &str) -> Result<Self, lambda_runtime::Error> {
        let namespace = std::env::var(NAMESPACE.0).unwrap_or_else(|_| NAMESPACE.1.to_owned());
        let collector = Builder::new()
            .cloudwatch_namespace(namespace)
            .with_dimension(FUNCTION, function.to_owned())
            .init()?;
        telemetry::describe();
        let names = std::env::var(NAMES).unwrap_or_default();
        telemetry::list_names(&names);
        Ok(Self {
            collector,
            is_cold: true,
        })
    }

    /// An invocation begins; whether it is the process's first.
    pub(super) fn begin(&mut self, invocation: &Invocation) -> bool {
        let is_cold = std::mem::take(&mut self.is_cold);
        if is_cold {
            telemetry::count(Metric::ColdStarts, 1);
        }
        // A property: it can be searched for and is no metric of its own.
        self.collector
            .set_property("request_id", invocation.request_id.as_str());
        is_cold
    }

    /// What was measured since the last time, as lines.
    ///
    /// # Errors
    /// The values cannot be written as JSON.
    pub(super) fn lines(&self) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        self.collector.flush(&mut lines)?;
        Ok(lines)
    }
}
