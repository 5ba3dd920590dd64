//! What CloudWatch has of a deployment, minute by minute, and what an alarm makes of it.

use super::{Alarm, Source, State};
use std::collections::BTreeMap;
use txp_local::meter::{Registry, Series, Value};
use txp_pipeline::telemetry::{Kind, Metric};

const OURS: &str = "transaction-processor-${environment}";
const FUNCTIONS: [&str; 5] = ["validation", "aggregator", "anomaly", "api", "archiver"];

/// Datapoints: values of a minute are added up where an alarm's period is longer, or the greatest is
/// taken, or the mean, as its statistic is; that follows from the metric here.
#[derive(Debug, Default)]
pub struct World {
    minutes: Vec<BTreeMap<Source, f64>>,
}

impl World {
    /// Before anything was told.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there were.
    #[must_use]
    pub fn minutes(&self) -> usize {
        self.minutes.len()
    }

    /// A minute in which nothing comes: the sweeper and the look after digests run, and Lambda counts
    /// their calls. What has no value has no datapoint.
    pub fn idle_minute(&mut self) {
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
        self.ours("oldest_webhook_seconds", "anomaly", 0.0);
        self.aws("AWS/ApiGateway", "Count", &[], 0.0);
        for function in FUNCTIONS {
            self.cost(function, "lambda", 400.0);
        }
    }

    fn put(&mut self, source: Source, value: f64) {
        self.minutes.last_mut().unwrap().insert(source, value);
    }

    /// Nobody tells of a metric in this minute.
    pub fn drop(&mut self, metric: &str) {
        let minute = self.minutes.last_mut().unwrap();
        minute.retain(|source, _| source.metric != metric);
    }

    /// A function tells one of ours.
    pub fn ours(&mut self, metric: &str, function: &str, value: f64) {
        self.put(
            source(OURS, metric, &[("function", &lambda(function))]),
            value,
        );
    }

    /// A function tells what it cost.
    pub fn cost(&mut self, function: &str, service: &str, value: f64) {
        let dimensions = [
            ("function", lambda(function)),
            ("service", service.to_owned()),
        ];
        let dimensions = dimensions
            .each_ref()
            .map(|(key, value)| (*key, value.as_str()));
        self.put(source(OURS, "cost_nano_dollars", &dimensions), value);
    }

    /// Lambda tells of a function.
    pub fn lambda(&mut self, metric: &str, function: &str, value: f64) {
        self.aws(
            "AWS/Lambda",
            metric,
            &[("FunctionName", &lambda(function))],
            value,
        );
    }

    /// A service of AWS tells.
    pub fn aws(&mut self, namespace: &str, metric: &str, dimensions: &[(&str, &str)], value: f64) {
        self.put(source(namespace, metric, dimensions), value);
    }

    /// What a host measured since `before`, as the functions would tell it: a count that did not grow
    /// is not told.
    pub fn measured(&mut self, registry: &Registry, before: &[Series], function: &str) {
        let function = lambda(function);
        for series in registry.series() {
            let is_same = |b: &&Series| b.metric == series.metric && b.labels == series.labels;
            let was = before.iter().find(is_same);
            if let Some(value) = since(&series.value, was.map(|was| &was.value)) {
                let labels = series.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
                let dimensions: Vec<_> = [("function", function.as_str())]
                    .into_iter()
                    .chain(labels)
                    .collect();
                self.put(source(OURS, series.metric.name(), &dimensions), value);
            }
        }
    }

    /// What the code of a function measures while it does this work, on this thread.
    pub fn told_by<T>(&mut self, function: &str, work: impl FnOnce() -> T) -> T {
        let registry = Registry::default();
        let done = registry.measure(work);
        self.measured(&registry, &[], function);
        done
    }

    /// How an alarm stands at the end of a minute.
    #[must_use]
    pub fn state(&self, alarm: &Alarm, minute: usize, before: State) -> State {
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

/// The states that an alarm goes through, each once, while it works, is broken, and is mended; each for
/// so long that what was before is out of sight.
pub fn drive(
    alarm: &Alarm,
    broken: impl Fn(&mut World),
    mended: impl Fn(&mut World),
) -> Vec<State> {
    let period = usize::try_from(alarm.period_seconds / 60).unwrap();
    let phase = period * (alarm.periods + 3);
    let mut world = World::new();
    let (mut states, mut state) = (Vec::new(), State::InsufficientData);
    for is_broken in [false, true, false] {
        for _ in 0..phase {
            world.idle_minute();
            if is_broken {
                broken(&mut world);
            } else {
                mended(&mut world);
            }
            if world.minutes().is_multiple_of(period) {
                state = world.state(alarm, world.minutes(), state);
                if states.last() != Some(&state) {
                    states.push(state);
                }
            }
        }
    }
    states
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

fn source(namespace: &str, metric: &str, dimensions: &[(&str, &str)]) -> Source {
    let dimensions = dimensions.iter();
    Source {
        namespace: namespace.to_owned(),
        metric: metric.to_owned(),
        dimensions: dimensions
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn lambda(function: &str) -> String {
    format!("{function}-lambda-${{environment}}")
}
