//! What CloudWatch has of a deployment, minute by minute.

use std::collections::BTreeMap;
use txp_local::meter::{Registry, Series, Value};
use txp_pipeline::telemetry::{Kind, Metric};
use txp_tests::alarm::{Alarm, Source, State};

pub(crate) const OURS: &str = "transaction-processor-${environment}";
const FUNCTIONS: [&str; 5] = ["validation", "aggregator", "anomaly", "api", "archiver"];

/// Datapoints: values of a minute are added up where an alarm's period is longer, or the greatest is
/// taken, or the mean, as its statistic is; that follows from the metric here.
#[derive(Default)]
pub(crate) struct World {
    minutes: Vec<BTreeMap<Source, f64>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn minutes(&self) -> usize {
        self.minutes.len()
    }

    /// A minute in which nothing comes: the sweeper and the look after digests run, and Lambda counts
    /// their calls. What has no value has no datapoint.
    pub(crate) fn idle_minute(&mut self) {
        self.minutes.push(BTreeMap::new());
        for function in ["validation", "anomaly"] {
            self.lambda("Invocations", function, 1.0);
            self.lambda("Errors", function, 0.0);
            self.lambda("Throttles", function, 0.0);
        }
        self.ours("sweeps", "validation", 1.0);
        self.ours("oldest_unprocessed_seconds", "validation", 0.0);
        self.ours("uploads_unfinished", "validation", 0.0);
        self.ours("quarantine_size", "validation", 0.0);
        self.aws("AWS/ApiGateway", "Count", &[], 0.0);
        for function in FUNCTIONS {
            self.cost(function, "lambda", 400.0);
        }
    }

    pub(crate) fn put(&mut self, source: Source, value: f64) {
        self.minutes.last_mut().unwrap().insert(source, value);
    }

    pub(crate) fn drop(&mut self, metric: &str) {
        let minute = self.minutes.last_mut().unwrap();
        minute.retain(|source, _| source.metric != metric);
    }

    pub(crate) fn ours(&mut self, metric: &str, function: &str, value: f64) {
        self.put(
            source(OURS, metric, &[("function", &lambda(function))]),
            value,
        );
    }

    pub(crate) fn cost(&mut self, function: &str, service: &str, value: f64) {
        let dimensions = [
            ("function", lambda(function)),
            ("service", service.to_owned()),
        ];
        let dimensions = dimensions
            .each_ref()
            .map(|(key, value)| (*key, value.as_str()));
        self.put(source(OURS, "cost_nano_dollars", &dimensions), value);
    }

    pub(crate) fn lambda(&mut self, metric: &str, function: &str, value: f64) {
        self.aws(
            "AWS/Lambda",
            metric,
            &[("FunctionName", &lambda(function))],
            value,
        );
    }

    pub(crate) fn aws(
        &mut self,
        namespace: &str,
        metric: &str,
        dimensions: &[(&str, &str)],
        value: f64,
    ) {
        self.put(source(namespace, metric, dimensions), value);
    }

    /// What a host measured since `before`, as the functions would tell it: a count that did not grow
    /// is not told.
    pub(crate) fn measured(&mut self, registry: &Registry, before: &[Series], function: &str) {
        for series in registry.series().iter().filter(|s| s.labels.is_empty()) {
            let was = before
                .iter()
                .find(|b| b.metric == series.metric && b.labels.is_empty());
            if let Some(value) = since(&series.value, was.map(|was| &was.value)) {
                self.ours(series.metric.name(), function, value);
            }
        }
    }

    /// How an alarm stands at the end of a minute.
    pub(crate) fn state(&self, alarm: &Alarm, minute: usize, before: State) -> State {
        let period = usize::try_from(alarm.period_seconds / 60).unwrap();
        let datapoints = |source: &Source, age: usize| {
            let end = minute.checked_sub(age * period)?;
            let begin = end.checked_sub(period)?;
            let found = self.minutes[begin..end]
                .iter()
                .filter_map(|m| m.get(source));
            let found: Vec<f64> = found.copied().collect();
            aggregate(source, &found)
        };
        alarm.state(&datapoints, before)
    }
}

#[expect(clippy::float_arithmetic, reason = "datapoints are no money")]
fn since(now: &Value, before: Option<&Value>) -> Option<f64> {
    match (now, before) {
        (Value::Sum(now), Some(Value::Sum(before))) => {
            Some((now - before) as f64).filter(|grown| *grown > 0.0)
        }
        (Value::Sum(now), _) => Some(*now as f64).filter(|grown| *grown > 0.0),
        (Value::Last(value), _) => Some(*value),
        (Value::Many(now), before) => {
            let (count, sum) = match before {
                Some(Value::Many(before)) => (before.count, before.sum),
                _ => (0, 0.0),
            };
            let count = now.count - count;
            (count > 0).then(|| (now.sum - sum) / count as f64)
        }
    }
}

#[expect(clippy::float_arithmetic, reason = "datapoints are no money")]
fn aggregate(source: &Source, found: &[f64]) -> Option<f64> {
    if found.is_empty() {
        return None;
    }
    let sum: f64 = found.iter().sum();
    let greatest = found.iter().copied().fold(f64::MIN, f64::max);
    let mean = sum / found.len() as f64;
    let ours = Metric::ALL
        .iter()
        .find(|metric| metric.name() == source.metric);
    Some(
        match (ours.map(|metric| metric.kind()), source.metric.as_str()) {
            (Some(Kind::Counter), _) => sum,
            (Some(Kind::Gauge), _) => greatest,
            (Some(Kind::Histogram), _) | (None, "5XXError") => mean,
            (None, "IteratorAge" | "ApproximateNumberOfMessagesVisible") => greatest,
            (None, _) => sum,
        },
    )
}

pub(crate) fn source(namespace: &str, metric: &str, dimensions: &[(&str, &str)]) -> Source {
    let dimensions = dimensions.iter();
    Source {
        namespace: namespace.to_owned(),
        metric: metric.to_owned(),
        dimensions: dimensions
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

pub(crate) fn lambda(function: &str) -> String {
    format!("{function}-lambda-${{environment}}")
}
