//! What holds of every metric of the list.

use super::*;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use txp_domain::event::{Merchants, Redrive, SourceFile, UploadOptions};
use txp_domain::id::UploadId;

#[test]
fn names_are_snake_case_and_none_comes_twice() {
    let names: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    assert_eq!(names.len(), Metric::ALL.len());
    for name in names {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(name.bytes().all(is_plain), "{name}");
    }
}

#[test]
fn every_metric_is_told_by_somebody_and_says_its_unit() {
    for metric in Metric::ALL {
        let name = metric.name();
        assert!(metric.meaning().len() > 10, "{name}");
        assert!(
            metric.is_embedded() || !metric.functions().is_empty(),
            "{name}"
        );
        assert!(metric.dimensions().len() <= DIMENSIONS_MAX, "{name}");
        let unit = match metric.unit() {
            metrics::Unit::Seconds => "_seconds",
            metrics::Unit::Milliseconds => "_milliseconds",
            metrics::Unit::Bytes => "_bytes",
            metrics::Unit::Percent => "_percent",
            _ => "",
        };
        assert!(name.ends_with(unit), "{name} is in {unit}");
    }
}

#[test]
fn the_table_has_a_row_for_each() {
    let page = table();
    for metric in Metric::ALL {
        assert_eq!(page.matches(&format!("| `{}` |", metric.name())).count(), 1);
    }
    let document = document();
    assert_eq!(
        document["metrics"].as_array().unwrap().len(),
        Metric::ALL.len()
    );
}

/// Values by the metric's name, in the order in which they were told.
#[derive(Default)]
struct Heard(Arc<Mutex<Vec<(String, f64)>>>);

struct One(String, Arc<Mutex<Vec<(String, f64)>>>);

impl HistogramFn for One {
    fn record(&self, value: f64) {
        self.1.lock().unwrap().push((self.0.clone(), value));
    }
}

impl Recorder for Heard {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let one = One(key.name().to_owned(), Arc::clone(&self.0));
        Histogram::from_arc(Arc::new(one))
    }
}

/// Rows that are read again keep the arrival of the first time: that is no broken promise.
#[test]
fn a_redriven_upload_is_not_counted_as_late() {
    let mut received = UploadReceived {
        upload_id: UploadId::new(1, [1; 6]),
        uploaded_at: Timestamp(0),
        trace: None,
        client_id: "shop".to_owned(),
        file: SourceFile::default(),
        options: UploadOptions::default(),
        merchants: Merchants::All,
    };
    let second = 1_000_000_000;
    let heard = Heard::default();
    metrics::with_local_recorder(&heard, || {
        upload_completed(&received, Timestamp(300 * second));
        upload_completed(&received, Timestamp(301 * second));
        received.options.redrive = Some(Redrive::default());
        upload_completed(&received, Timestamp(999_999 * second));
    });
    let heard = heard.0.lock().unwrap();
    let of = |metric: Metric| {
        let told = heard.iter().filter(|(name, _)| name == metric.name());
        told.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    assert_eq!(of(Metric::UploadToCompletedSeconds), [300.0, 301.0]);
    assert_eq!(of(Metric::CompletedInTimePercent), [100.0, 0.0]);
}
