//! A ring of points for each series: what was counted in a stretch of time, or stood in it.

use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, HashMap, VecDeque};
use txp_local::meter::{Histogram, Labels, Series, Value};

/// Series that are remembered; what comes later is not drawn. A thousand points of one are 16 KB.
const SERIES_MAX: usize = 300;

/// Points of every series, all of the same stretches.
#[derive(Debug)]
pub(super) struct Ring {
    step_seconds: u64,
    ticks_each: u64,
    points_max: usize,
    ticks: u64,
    /// The number of the next point.
    next: u64,
    times: VecDeque<i64>,
    tracks: HashMap<(&'static str, Labels), Track>,
}

/// One series.
#[derive(Debug)]
struct Track {
    kind: &'static str,
    /// Upper bounds of a histogram's buckets.
    bounds: Vec<f64>,
    /// Where it stood at the end of the last stretch; of what stands, the highest in this one.
    before: Value,
    points: VecDeque<Point>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Point {
    /// There was no such series yet.
    Nothing,
    Sum(u64),
    Stood(f64),
    Many(Box<Many>),
}

/// What many values come to: their number, their sum, and how many are at or below each bound.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Many {
    count: u64,
    sum: f64,
    at_most: Vec<u64>,
}

#[derive(Serialize)]
pub(super) struct RingDocument {
    step_seconds: u64,
    /// What to ask for next.
    next: u64,
    /// When each stretch ended, in Unix milliseconds.
    times: Vec<i64>,
    series: Vec<TrackDocument>,
}

#[derive(Serialize)]
struct TrackDocument {
    metric: &'static str,
    labels: BTreeMap<String, String>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bounds: Vec<f64>,
    /// One for each of `times`; null where nothing is known.
    values: Vec<Point>,
}

impl Ring {
    pub(super) fn new(step_seconds: u64, ticks_each: u64, points_max: usize) -> Self {
        Self {
            step_seconds,
            ticks_each,
            points_max,
            ticks: 0,
            next: 0,
            times: VecDeque::new(),
            tracks: HashMap::new(),
        }
    }

    /// Takes up what the metrics stand at.
    pub(super) fn record(&mut self, millis: i64, series: &[Series]) {
        self.ticks += 1;
        let ends = self.ticks.is_multiple_of(self.ticks_each);
        for one in series {
            let key = (one.metric.name(), one.labels.clone());
            if self.tracks.len() >= SERIES_MAX && !self.tracks.contains_key(&key) {
                continue;
            }
            let missing = self.times.len();
            let track = self
                .tracks
                .entry(key)
                .or_insert_with(|| Track::new(&one.value, missing));
            track.look(&one.value, ends);
        }
        if !ends {
            return;
        }
        self.next += 1;
        self.times.push_back(millis);
        let surplus = self.times.len().saturating_sub(self.points_max);
        self.times.drain(..surplus);
        for track in self.tracks.values_mut() {
            // A registry forgets nothing; if it did, there would be nothing to tell.
            track
                .points
                .resize(self.times.len() + surplus, Point::Nothing);
            track.points.drain(..surplus);
        }
    }

    /// The points from this number on.
    pub(super) fn document(&self, since: u64) -> RingDocument {
        let first = self.next - self.times.len() as u64;
        let skipped = usize::try_from(since.saturating_sub(first)).unwrap_or(usize::MAX);
        let skipped = skipped.min(self.times.len());
        let tracks = self
            .tracks
            .iter()
            .map(|((metric, labels), track)| TrackDocument {
                metric,
                labels: labels.iter().cloned().collect(),
                kind: track.kind,
                bounds: track.bounds.clone(),
                values: track.points.range(skipped..).cloned().collect(),
            });
        let mut series: Vec<_> = tracks.collect();
        series.sort_by(|a, b| (a.metric, &a.labels).cmp(&(b.metric, &b.labels)));
        RingDocument {
            step_seconds: self.step_seconds,
            next: self.next,
            times: self.times.range(skipped..).copied().collect(),
            series,
        }
    }
}

impl Track {
    fn new(value: &Value, missing: usize) -> Self {
        let (kind, before, bounds) = match value {
            Value::Sum(_) => ("counter", Value::Sum(0), Vec::new()),
            Value::Last(_) => ("gauge", Value::Last(f64::NEG_INFINITY), Vec::new()),
            Value::Many(many) => {
                let bounds = many.buckets.iter().map(|(bound, _)| *bound).collect();
                ("histogram", Value::Many(Histogram::default()), bounds)
            }
        };
        Self {
            kind,
            bounds,
            before,
            points: std::iter::repeat_n(Point::Nothing, missing).collect(),
        }
    }

    fn look(&mut self, value: &Value, ends: bool) {
        if let (Value::Last(highest), Value::Last(now)) = (&mut self.before, value) {
            *highest = highest.max(*now);
            if ends {
                self.points.push_back(Point::Stood(*highest));
                *highest = f64::NEG_INFINITY;
            }
            return;
        }
        if ends {
            self.points.push_back(since(&self.before, value));
            self.before = value.clone();
        }
    }
}

/// What came between the two.
#[expect(clippy::float_arithmetic, reason = "what is measured is no money")]
fn since(before: &Value, now: &Value) -> Point {
    match (before, now) {
        (Value::Sum(before), Value::Sum(now)) => Point::Sum(now.saturating_sub(*before)),
        (Value::Many(before), Value::Many(now)) => {
            let had = |at: usize| before.buckets.get(at).map_or(0, |(_, count)| *count);
            let counts = now.buckets.iter().enumerate();
            Point::Many(Box::new(Many {
                count: now.count.saturating_sub(before.count),
                sum: now.sum - before.sum,
                at_most: counts
                    .map(|(at, (_, count))| count.saturating_sub(had(at)))
                    .collect(),
            }))
        }
        _ => Point::Nothing,
    }
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Sum(sum) => serializer.serialize_u64(*sum),
            Self::Stood(value) => serializer.serialize_f64(*value),
            // Most stretches of time have no value at all.
            Self::Many(many) if many.count == 0 => serializer.serialize_u64(0),
            Self::Many(many) => {
                let mut tuple = serializer.serialize_tuple(3)?;
                tuple.serialize_element(&many.count)?;
                tuple.serialize_element(&many.sum)?;
                tuple.serialize_element(&many.at_most)?;
                tuple.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};
    use txp_pipeline::telemetry::Metric;

    fn sum(metric: Metric, label: &str, sum: u64) -> Series {
        let labels = match label {
            "" => Labels::new(),
            label => vec![("code".to_owned(), label.to_owned())],
        };
        Series {
            metric,
            labels,
            value: Value::Sum(sum),
        }
    }

    fn gauge(value: f64) -> Series {
        Series {
            metric: Metric::LagSeconds,
            labels: Labels::new(),
            value: Value::Last(value),
        }
    }

    fn values(ring: &Ring, since: u64, metric: &str) -> Json {
        let document = serde_json::to_value(ring.document(since)).unwrap();
        let series = document["series"].as_array().unwrap().iter();
        let found: Vec<_> = series.filter(|s| s["metric"] == metric).collect();
        found.first().map_or(Json::Null, |s| s["values"].clone())
    }

    #[test]
    fn a_point_is_what_came_since_the_last_one() {
        let mut ring = Ring::new(5, 1, 3);
        for (at, total) in [10, 10, 15, 21].into_iter().enumerate() {
            ring.record(at as i64, &[sum(Metric::RowsRead, "", total)]);
        }
        assert_eq!(values(&ring, 0, "rows_read"), json!([0, 5, 6]));
        assert_eq!(values(&ring, 3, "rows_read"), json!([6]));
        assert_eq!(values(&ring, 99, "rows_read"), json!([]));
        let document = ring.document(0);
        assert_eq!((document.next, document.times), (4, vec![1, 2, 3]));
    }

    #[test]
    fn a_coarse_point_holds_all_ticks_and_the_highest_of_what_stood() {
        let mut ring = Ring::new(10, 2, 9);
        for (total, stood) in [(1, 9.0), (3, 0.0), (4, 1.0), (8, 2.0)] {
            ring.record(0, &[sum(Metric::RowsRead, "", total), gauge(stood)]);
        }
        assert_eq!(values(&ring, 0, "rows_read"), json!([3, 5]));
        assert_eq!(values(&ring, 0, "lag_seconds"), json!([9.0, 2.0]));
    }

    #[test]
    fn a_series_that_comes_later_has_nothing_before() {
        let mut ring = Ring::new(5, 1, 9);
        ring.record(0, &[]);
        ring.record(1, &[sum(Metric::RowsRejected, "a", 7)]);
        assert_eq!(values(&ring, 0, "rows_rejected"), json!([null, 7]));
    }

    #[test]
    fn a_histogram_tells_how_many_came_below_each_bound() {
        let many = |buckets: [(f64, u64); 2], count, sum| Series {
            metric: Metric::RequestMilliseconds,
            labels: Labels::new(),
            value: Value::Many(Histogram {
                buckets: buckets.to_vec(),
                count,
                sum,
            }),
        };
        let mut ring = Ring::new(5, 1, 9);
        ring.record(0, &[many([(1.0, 2), (5.0, 3)], 4, 12.0)]);
        ring.record(1, &[many([(1.0, 2), (5.0, 3)], 4, 12.0)]);
        ring.record(2, &[many([(1.0, 2), (5.0, 5)], 6, 18.0)]);
        let wanted = json!([[4, 12.0, [2, 3]], 0, [2, 6.0, [0, 2]]]);
        assert_eq!(values(&ring, 0, "request_milliseconds"), wanted);
    }

    #[test]
    fn it_is_bounded_in_series_and_points() {
        let mut ring = Ring::new(5, 1, 2);
        for at in 0..4 {
            let many = (0..SERIES_MAX + 9).map(|n| sum(Metric::RowsRejected, &n.to_string(), 1));
            ring.record(at, &many.collect::<Vec<_>>());
        }
        assert_eq!(ring.tracks.len(), SERIES_MAX);
        assert!(ring.tracks.values().all(|track| track.points.len() == 2));
    }
}
