//! Many values in few figures: how many are at or below each bound, their number and their sum.

use metrics::{HistogramFn, Unit};
use std::sync::{Mutex, PoisonError};
use txp_pipeline::telemetry::Metric;

const MILLISECONDS: &[f64] = &[
    1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 10_000.0, 60_000.0,
    300_000.0,
];
const SECONDS: &[f64] = &[
    0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
];
const PERCENT: &[f64] = &[0.0, 50.0, 100.0];

/// The upper bounds of a metric's buckets, in its unit; what is promised (300 s) is one of them.
#[must_use]
pub fn bounds(metric: Metric) -> &'static [f64] {
    match metric.unit() {
        Unit::Seconds => SECONDS,
        Unit::Percent => PERCENT,
        _ => MILLISECONDS,
    }
}

/// What many values come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Upper bounds with the number of values at or below each.
    pub buckets: Vec<(f64, u64)>,
    /// The number of values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

/// A histogram that many threads record in.
#[derive(Debug)]
pub(super) struct SharedHistogram(Mutex<Histogram>);

impl SharedHistogram {
    pub(super) fn of(metric: Metric) -> Self {
        let buckets = bounds(metric).iter().map(|bound| (*bound, 0)).collect();
        Self(Mutex::new(Histogram {
            buckets,
            ..Histogram::default()
        }))
    }

    pub(super) fn get(&self) -> Histogram {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl HistogramFn for SharedHistogram {
    #[expect(clippy::float_arithmetic, reason = "what is measured is no money")]
    fn record(&self, value: f64) {
        let mut histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (bound, count) in &mut histogram.buckets {
            *count += u64::from(value <= *bound);
        }
        histogram.count += 1;
        histogram.sum += value;
    }
}
