//! What a host has measured since it was opened: the registry behind the `metrics` facade.
//!
//! Each host has its own and the pipeline counts into it by [`Registry::measure`], because one process
//! may hold several: a dry run is a host that nobody shall see in the figures. It bounds itself: a
//! metric has at most [`SERIES_MAX`] combinations of dimensions, of users' names at most
//! [`LISTED_MAX`](txp_pipeline::telemetry::LISTED_MAX); what comes later is counted together.
//!
//! Deliberately absent: how the figures are written (the server's), and any memory of the past
//! (whoever asks again and again keeps it).

mod histogram;

pub use histogram::{Histogram, bounds};

use histogram::SharedHistogram;
use metrics::{
    Counter, CounterFn, Gauge, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use txp_pipeline::telemetry::{Kind, LISTED_MAX, Metric, OTHER};

/// Combinations of dimensions that one metric has: routes times statuses are the most.
pub const SERIES_MAX: usize = 256;

/// Names and values of dimensions.
pub type Labels = Vec<(String, String)>;

/// What a host has measured.
#[derive(Debug, Default)]
pub struct Registry {
    series: Mutex<BTreeMap<&'static str, BTreeMap<Labels, Slot>>>,
}

/// One series and what it stands at.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The metric.
    pub metric: Metric,
    /// Its dimensions.
    pub labels: Labels,
    /// The figure.
    pub value: Value,
}

/// What a series stands at.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A sum.
    Sum(u64),
    /// The last value.
    Last(f64),
    /// Many values.
    Many(Histogram),
}

#[derive(Clone, Debug)]
enum Slot {
    Sum(Arc<Sum>),
    Last(Arc<Last>),
    Many(Arc<SharedHistogram>),
}

#[derive(Debug, Default)]
struct Sum(AtomicU64);

#[derive(Debug, Default)]
struct Last(AtomicU64);

impl Slot {
    fn of(metric: Metric) -> Self {
        match metric.kind() {
            Kind::Counter => Self::Sum(Arc::default()),
            Kind::Gauge => Self::Last(Arc::default()),
            Kind::Histogram => Self::Many(Arc::new(SharedHistogram::of(metric))),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Sum(sum) => Value::Sum(sum.0.load(Ordering::Relaxed)),
            Self::Last(last) => Value::Last(f64::from_bits(last.0.load(Ordering::Relaxed))),
            Self::Many(many) => Value::Many(many.get()),
        }
    }
}

impl Registry {
    /// One in which everything without dimensions stands at nothing, so that it can be seen that
    /// nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        let registry = Self::default();
        for metric in Metric::ALL {
            if metric.is_embedded() && metric.dimensions().is_empty() {
                registry.slot(*metric, Labels::new());
            }
        }
        registry
    }

    /// Lets what this thread counts meanwhile go here.
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(self, work)
    }

    /// Every series, in the order of the list of metrics.
    #[must_use]
    pub fn series(&self) -> Vec<Series> {
        let series = self.lock();
        let known = Metric::ALL.iter().filter_map(|metric| {
            let found = series.get(metric.name())?.iter();
            Some(found.map(|(labels, slot)| Series {
                metric: *metric,
                labels: labels.clone(),
                value: slot.value(),
            }))
        });
        known.flatten().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, BTreeMap<Labels, Slot>>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, metric: Metric, mut labels: Labels) -> Slot {
        let mut series = self.lock();
        let of_metric = series.entry(metric.name()).or_default();
        if let Some(slot) = of_metric.get(&labels) {
            return slot.clone();
        }
        let is_of_users = matches!(metric.dimensions(), ["client" | "merchant"]);
        let room = if is_of_users { LISTED_MAX } else { SERIES_MAX };
        if of_metric.len() >= room {
            for (_, value) in &mut labels {
                OTHER.clone_into(value);
            }
        }
        let slot = of_metric.entry(labels).or_insert_with(|| Slot::of(metric));
        slot.clone()
    }

    /// The slot of what is counted; nothing for what is none of ours.
    fn slot_of(&self, key: &Key) -> Option<Slot> {
        let metric = Metric::ALL.iter().find(|m| m.name() == key.name())?;
        let labels = key.labels();
        let labels = labels.map(|label| (label.key().to_owned(), label.value().to_owned()));
        Some(self.slot(*metric, labels.collect()))
    }
}

impl CounterFn for Sum {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

impl HistogramFn for Last {
    fn record(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

/// Units and meanings are the list's.
impl Recorder for Registry {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.slot_of(key) {
            Some(Slot::Sum(sum)) => Counter::from_arc(sum),
            _ => Counter::noop(),
        }
    }

    /// What stands comes as one value of many (`telemetry::set`).
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        match self.slot_of(key) {
            Some(Slot::Many(many)) => metrics::Histogram::from_arc(many),
            Some(Slot::Last(last)) => metrics::Histogram::from_arc(last),
            _ => metrics::Histogram::noop(),
        }
    }
}

#[cfg(test)]
mod tests;
