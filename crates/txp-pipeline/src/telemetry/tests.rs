//! What holds of every metric of the list.

use super::*;
use std::collections::BTreeSet;

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
