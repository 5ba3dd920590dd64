//! The page's first look: whether all goes well, and where something waits.

use super::Operator;
use crate::answer::{Answer, blocking, json};
use crate::app::App;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use txp_domain::time::Timestamp;
use txp_local::host::read_quarantine;
use txp_pipeline::document::AsOfDocument;

#[derive(Serialize)]
struct OverviewDocument {
    version: &'static str,
    now: Timestamp,
    started_at: Timestamp,
    /// Whether files are taken; if not, why, and what the operator must do.
    recording: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    as_of: AsOfDocument,
    rule_set: Option<String>,
    waiting: usize,
    reading: usize,
    /// How long the file that arrived first of those is there.
    oldest_waiting_seconds: Option<i64>,
    findings: u64,
    alerts_sent: u64,
    quarantined: usize,
}

pub(super) async fn overview(_: Operator, State(app): State<Arc<App>>) -> Answer {
    let document = blocking(move || {
        let now = app.now();
        let as_of = app.host.as_of();
        let failure = app.can_record().err().map(|failure| failure.problem.detail);
        let oldest = app.queue.oldest();
        let rules = app.host.rules();
        let quarantined = read_quarantine(app.host.dir())
            .map_err(|error| crate::answer::Failure::internal(&error))?;
        Ok(OverviewDocument {
            version: env!("CARGO_PKG_VERSION"),
            now,
            started_at: app.started_at,
            recording: failure.is_none(),
            failure,
            as_of: AsOfDocument::new(as_of.sequence, as_of.arrival_millis),
            rule_set: rules.map(|checked| checked.rules.version().to_owned()),
            waiting: app.queue.len(),
            reading: app.queue.reading(),
            oldest_waiting_seconds: oldest
                .map(|oldest| (now.unix_seconds() - oldest.unix_seconds()).max(0)),
            findings: app.host.findings(),
            alerts_sent: app.host.alerts().messages(),
            quarantined: quarantined.len(),
        })
    })
    .await?;
    json(StatusCode::OK, &document)
}
