//! What the host has measured, in Prometheus' text form. Names and meanings are the list's
//! (`txp_pipeline::telemetry`); of the dimensions there are few values, so their number is bounded.

use std::fmt::{self, Write};
use txp_local::meter::{Labels, Series, Value};
use txp_pipeline::telemetry::Metric;

/// The text of all series.
pub(crate) fn text(series: &[Series]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _infallible = write(&mut out, series);
    out
}

fn write(out: &mut String, series: &[Series]) -> fmt::Result {
    let mut last = None;
    for Series {
        metric,
        labels,
        value,
    } in series
    {
        let name = metric.prometheus();
        if last.replace(*metric) != Some(*metric) {
            head(out, *metric, &name)?;
        }
        match value {
            Value::Sum(sum) => writeln!(out, "{name}{} {sum}", Braces(labels, None))?,
            Value::Last(value) => writeln!(out, "{name}{} {value}", Braces(labels, None))?,
            Value::Many(many) => {
                for (bound, count) in &many.buckets {
                    let le = bound.to_string();
                    writeln!(out, "{name}_bucket{} {count}", Braces(labels, Some(&le)))?;
                }
                let all = Braces(labels, Some("+Inf"));
                writeln!(out, "{name}_bucket{all} {}", many.count)?;
                let labels = Braces(labels, None);
                writeln!(out, "{name}_sum{labels} {}", many.sum)?;
                writeln!(out, "{name}_count{labels} {}", many.count)?;
            }
        }
    }
    Ok(())
}

fn head(out: &mut String, metric: Metric, name: &str) -> fmt::Result {
    writeln!(out, "# HELP {name} {}", metric.meaning())?;
    writeln!(out, "# TYPE {name} {}", metric.kind().name())
}

/// Labels as they stand behind a name; with the bound of a bucket.
struct Braces<'a>(&'a Labels, Option<&'a str>);

impl fmt::Display for Braces<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(labels, bound) = self;
        let labels = labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let mut before = '{';
        for (key, value) in labels.chain(bound.map(|bound| ("le", bound))) {
            write!(out, "{before}{key}=\"{}\"", escaped(value))?;
            before = ',';
        }
        if before == ',' {
            out.write_char('}')
        } else {
            Ok(())
        }
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    escaped.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use txp_local::meter::Registry;
    use txp_pipeline::telemetry::{count_of, observe};

    #[test]
    fn series_are_written_as_prometheus_reads_them() {
        let registry = Registry::default();
        registry.measure(|| {
            count_of(Metric::RowsRejected, "code", "a\"b\\c\nd".to_owned(), 2);
            observe(Metric::CompletedInTimePercent, 100.0);
            observe(Metric::CompletedInTimePercent, 0.0);
        });
        let text = text(&registry.series());
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !line.starts_with("# HELP"))
            .collect();
        assert_eq!(
            lines,
            [
                "# TYPE txp_completed_in_time_percent histogram",
                "txp_completed_in_time_percent_bucket{le=\"0\"} 1",
                "txp_completed_in_time_percent_bucket{le=\"50\"} 1",
                "txp_completed_in_time_percent_bucket{le=\"100\"} 2",
                "txp_completed_in_time_percent_bucket{le=\"+Inf\"} 2",
                "txp_completed_in_time_percent_sum 100",
                "txp_completed_in_time_percent_count 2",
                "# TYPE txp_rows_rejected_total counter",
                "txp_rows_rejected_total{code=\"a\\\"b\\\\c\\nd\"} 2",
            ]
        );
    }
}
