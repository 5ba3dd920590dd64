//! Every metric of the list that the embedded host has moves when what it names happens.

use super::harness::{Server, file, wait_for};
use std::collections::BTreeMap;
use std::sync::Arc;
use txp_domain::position::Bucket;
use txp_local::log::{FrameBuilder, LogWriter, OpenOptions};
use txp_pipeline::telemetry::Metric;

/// Those that say that all is well when they stand at 0, or need a sink or an endpoint that fails: the
/// alarms' tests have them move (`tests/tests/alarms.rs`). And those of webhooks that are taken and of
/// rules that are tried (`crates/txp-cli/tests/handed_out.rs`, `shadow.rs`).
const ELSEWHERE: [Metric; 9] = [
    Metric::OldestUnprocessedSeconds,
    Metric::UploadsUnfinished,
    Metric::LagSeconds,
    Metric::AlertFailures,
    Metric::OldestWebhookSeconds,
    Metric::WebhookFailures,
    Metric::WebhooksGivenUp,
    Metric::WebhooksSent,
    Metric::ShadowFindings,
];

/// Name to the sum over its labels; of a histogram, how many values.
#[expect(clippy::float_arithmetic, reason = "what is measured is no money")]
fn scrape(server: &Server) -> BTreeMap<String, f64> {
    let text = server.send("GET", "/metrics", &[], "").body;
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap().to_owned();
        *sums.entry(name).or_insert(0.0) += value.parse::<f64>().unwrap();
    }
    sums
}

fn of(sums: &BTreeMap<String, f64>, metric: Metric) -> f64 {
    let name = metric.prometheus();
    let found = sums
        .get(&name)
        .or_else(|| sums.get(&format!("{name}_count")));
    found.copied().unwrap_or(0.0)
}

/// An event that nobody can read, at the end of a history.
fn poisoned() -> Arc<tempfile::TempDir> {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    Server::on(Arc::clone(&dir), |_| {}).running.stop().unwrap();
    let (mut log, _) = LogWriter::open(&dir.path().join("log"), &OpenOptions::default()).unwrap();
    let mut frame = FrameBuilder::new();
    frame.push(Bucket(3), b"no event").unwrap();
    log.append(1_800_000_000_000, &mut frame).unwrap();
    log.sync().unwrap();
    dir
}

#[test]
fn every_metric_moves_when_a_file_is_processed() {
    let server = Server::on(poisoned(), |_| {});
    let before = scrape(&server);
    for metric in Metric::ALL.iter().filter(|metric| metric.is_embedded()) {
        let is_there = !metric.dimensions().is_empty() || of(&before, *metric) >= 0.0;
        assert!(
            is_there,
            "{} is not there before anything happens",
            metric.name()
        );
    }
    assert_eq!(of(&before, Metric::RowsRead), 0.0);
    assert_eq!(of(&before, Metric::Quarantined), 1.0);
    assert_eq!(of(&before, Metric::QuarantineSize), 1.0);

    let key = server.client("shop", &["m"]);
    let rows = [
        ("t1", "20000.00", "m"),
        ("t2", "30000.00", "m"),
        ("t1", "20000.00", "m"),
        ("t1", "1.00", "m"),
        ("t3", "1e5", "m"),
    ];
    server.upload(&key, "{}", &file(&rows));
    let after = wait_for(|| {
        let sums = scrape(&server);
        // Who tells people does not wait for who completes uploads, nor the other way round.
        let last = [
            Metric::AlertsHeldBack,
            Metric::AlertsSent,
            Metric::UploadToCompletedSeconds,
        ];
        let is_over = last.iter().all(|metric| of(&sums, *metric) > 0.0);
        is_over.then_some(sums)
    });
    let embedded = Metric::ALL.iter().filter(|metric| metric.is_embedded());
    for metric in embedded.filter(|metric| !ELSEWHERE.contains(metric)) {
        assert!(of(&after, *metric) > 0.0, "{} does not move", metric.name());
    }
    for (metric, expected) in [
        (Metric::RowsRead, 5.0),
        (Metric::RowsValid, 4.0),
        (Metric::RowsRejected, 1.0),
        (Metric::RowsFolded, 5.0),
        (Metric::ClientRows, 5.0),
        (Metric::ClientRowsRejected, 1.0),
        // In cents.
        (Metric::AmountMinorUnits, 7_000_100.0),
        (Metric::UploadsReceived, 1.0),
        (Metric::UploadsEnded, 1.0),
        (Metric::UploadToCompletedSeconds, 1.0),
        (Metric::Recording, 1.0),
        (Metric::UploadsUnfinished, 0.0),
    ] {
        assert_eq!(of(&after, metric), expected, "{}", metric.name());
    }
    assert_eq!(after["txp_completed_in_time_percent_sum"], 100.0);
    server.running.stop().unwrap();
}

#[test]
fn a_dry_run_is_in_no_figure() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let body = r#"{"dry_run": true}"#;
    let (_, document) = server.upload(&key, body, &file(&[("t1", "20000.00", "m")]));
    assert_eq!(document["state"], "dry_run");
    let sums = scrape(&server);
    for metric in [
        Metric::RowsRead,
        Metric::RowsFolded,
        Metric::UploadsReceived,
        Metric::Findings,
    ] {
        assert_eq!(of(&sums, metric), 0.0, "{}", metric.name());
    }
    server.running.stop().unwrap();
}
