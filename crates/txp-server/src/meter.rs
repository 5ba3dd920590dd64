//! Metrics in Prometheus' text form: few, of closed sets of labels, so their number is bounded.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets of durations, in milliseconds.
const BUCKETS_MILLIS: [u64; 8] = [1, 5, 25, 100, 500, 2500, 10_000, 60_000];

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    durations: [AtomicU64; BUCKETS_MILLIS.len()],
    duration_micros: AtomicU64,
    duration_count: AtomicU64,
    bytes: AtomicU64,
    ended: Mutex<BTreeMap<&'static str, u64>>,
}

/// What is looked at when metrics are asked for.
pub(crate) struct Gauges {
    pub(crate) waiting: usize,
    pub(crate) running: usize,
    pub(crate) sequence: u64,
    pub(crate) findings: u64,
    pub(crate) alerts: u64,
    /// No failure has stopped the host.
    pub(crate) is_recording: bool,
}

impl Meter {
    pub(crate) fn request(&self, route: &'static str, status: u16, took: Duration) {
        *lock(&self.requests).entry((route, status)).or_default() += 1;
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        for (bound, count) in BUCKETS_MILLIS.iter().zip(&self.durations) {
            if millis < *bound {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.duration_micros.fetch_add(micros, Ordering::Relaxed);
        self.duration_count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn upload_ended(&self, state: &'static str) {
        *lock(&self.ended).entry(state).or_default() += 1;
    }

    /// The text of all metrics.
    pub(crate) fn text(&self, gauges: &Gauges) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _infallible = self.write(&mut out, gauges);
        out
    }

    fn write(&self, out: &mut String, gauges: &Gauges) -> std::fmt::Result {
        out.push_str("# TYPE txp_http_requests_total counter\n");
        for ((route, status), count) in &*lock(&self.requests) {
            writeln!(
                out,
                "txp_http_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"
            )?;
        }
        out.push_str("# TYPE txp_http_request_duration_seconds histogram\n");
        let name = "txp_http_request_duration_seconds";
        for (bound, count) in BUCKETS_MILLIS.iter().zip(&self.durations) {
            let (whole, rest) = (bound / 1000, bound % 1000);
            let count = count.load(Ordering::Relaxed);
            writeln!(out, "{name}_bucket{{le=\"{whole}.{rest:03}\"}} {count}")?;
        }
        let count = self.duration_count.load(Ordering::Relaxed);
        let micros = self.duration_micros.load(Ordering::Relaxed);
        writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}")?;
        writeln!(
            out,
            "{name}_sum {}.{:06}",
            micros / 1_000_000,
            micros % 1_000_000
        )?;
        writeln!(out, "{name}_count {count}")?;
        out.push_str("# TYPE txp_upload_bytes_total counter\n");
        writeln!(
            out,
            "txp_upload_bytes_total {}",
            self.bytes.load(Ordering::Relaxed)
        )?;
        out.push_str("# TYPE txp_uploads_ended_total counter\n");
        for (state, count) in &*lock(&self.ended) {
            writeln!(out, "txp_uploads_ended_total{{state=\"{state}\"}} {count}")?;
        }
        for (name, value) in [
            ("txp_uploads_waiting", gauges.waiting as u64),
            ("txp_uploads_reading", gauges.running as u64),
            ("txp_folded_sequence", gauges.sequence),
            ("txp_findings", gauges.findings),
            ("txp_alerts_sent", gauges.alerts),
            ("txp_recording", u64::from(gauges.is_recording)),
        ] {
            writeln!(out, "# TYPE {name} gauge\n{name} {value}")?;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
