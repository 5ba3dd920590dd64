//! Counting goes to the registry of the work at hand, and nowhere else; names are bounded.

use super::*;
use txp_pipeline::telemetry::{count, count_by, count_of, observe, set};

fn of(registry: &Registry, metric: Metric) -> Vec<(String, Value)> {
    let series = registry.series().into_iter().filter(|s| s.metric == metric);
    let name = |labels: Labels| {
        let values: Vec<_> = labels.into_iter().map(|(_, value)| value).collect();
        values.join(" ")
    };
    series.map(|s| (name(s.labels), s.value)).collect()
}

#[test]
fn each_kind_is_kept_as_what_it_is() {
    let registry = Registry::new();
    registry.measure(|| {
        count(Metric::RowsRead, 2);
        count(Metric::RowsRead, 3);
        set(Metric::LagSeconds, 7.0);
        set(Metric::LagSeconds, 1.0);
        for millis in [0.5, 1.0, 70.0] {
            observe(Metric::RequestMilliseconds, millis);
        }
        let dimensions = vec![("route", "/a".to_owned()), ("status", "200".to_owned())];
        count_by(Metric::Requests, dimensions, 4);
    });
    let none = String::new;
    assert_eq!(of(&registry, Metric::RowsRead), [(none(), Value::Sum(5))]);
    assert_eq!(
        of(&registry, Metric::LagSeconds),
        [(none(), Value::Last(1.0))]
    );
    assert_eq!(
        of(&registry, Metric::Requests),
        [("/a 200".to_owned(), Value::Sum(4))]
    );
    let many = of(&registry, Metric::RequestMilliseconds);
    let [(_, Value::Many(many))] = many.as_slice() else {
        unreachable!("{many:?}")
    };
    assert_eq!((many.count, many.sum), (3, 71.5));
    let below = |wanted: f64| many.buckets.iter().find(|(bound, _)| *bound == wanted);
    assert_eq!(below(1.0), Some(&(1.0, 2)));
    assert_eq!(below(100.0), Some(&(100.0, 3)));
}

#[test]
fn what_is_counted_in_another_registry_or_none_is_not_here() {
    let (outer, inner) = (Registry::new(), Registry::new());
    count(Metric::RowsRead, 1);
    outer.measure(|| {
        inner.measure(|| count(Metric::RowsRead, 10));
        count(Metric::RowsRead, 100);
    });
    assert_eq!(
        of(&outer, Metric::RowsRead),
        [(String::new(), Value::Sum(100))]
    );
    assert_eq!(
        of(&inner, Metric::RowsRead),
        [(String::new(), Value::Sum(10))]
    );
}

#[test]
fn merchants_beyond_the_first_are_counted_together() {
    let registry = Registry::new();
    registry.measure(|| {
        for merchant in 0..1000 {
            count_of(
                Metric::MerchantFindings,
                "merchant",
                format!("m-{merchant}"),
                1,
            );
        }
    });
    let found = of(&registry, Metric::MerchantFindings);
    assert_eq!(found.len(), LISTED_MAX + 1);
    assert!(found.contains(&(OTHER.to_owned(), Value::Sum(1000 - LISTED_MAX as u64))));
}
