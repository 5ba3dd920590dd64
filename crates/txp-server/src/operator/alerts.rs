//! Alerts, newest first, read from the end of the alert table.
//!
//! A page is looked for among so many alerts at most, so that a question with rare answers costs a
//! bounded time; where it ends early it says where to go on.

use super::{AskedQuery, Operator};
use crate::answer::{Answer, Failure, blocking, json};
use crate::app::App;
use crate::read;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use txp_domain::alert::Notice;
use txp_local::alerts::{AlertDocument, AlertEntry, Newest};
use txp_local::host::ALERTS_DIR;
use txp_pipeline::api::{Page, Query, invalid, merchant_id, parameter};

/// The most alerts that are looked at for one page.
const LOOKED_AT_MAX: usize = 20_000;
/// The longest id of an alert, of a rule, of a severity.
const VALUE_BYTES_MAX: usize = 256;

#[derive(Serialize)]
struct AlertsDocument {
    alerts: Vec<AlertDocument>,
    /// Where the next page starts; null at the end.
    next_before: Option<String>,
}

/// Which alerts are asked for.
struct Asked {
    limit: usize,
    before: Option<String>,
    merchant_id: Option<String>,
    rule: Option<String>,
    severity: Option<String>,
}

impl Asked {
    fn read(query: &Query) -> Result<Self, Failure> {
        let value = |name: &str| match parameter(query, name)? {
            Some(text) if text.is_empty() || text.len() > VALUE_BYTES_MAX => {
                Err(invalid(name, "expected 1 to 256 characters"))
            }
            found => Ok(found.map(str::to_owned)),
        };
        Ok(Self {
            limit: Page::read(query)?.limit,
            before: value("before")?,
            merchant_id: merchant_id(query)?.map(str::to_owned),
            rule: value("rule")?,
            severity: value("severity")?,
        })
    }

    fn wants(&self, entry: &AlertEntry) -> bool {
        let notice = Notice::of(&entry.record.flagged.finding);
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        is(&self.merchant_id, &notice.merchant_id)
            && is(&self.rule, &notice.rule)
            && is(&self.severity, notice.severity.name())
    }
}

pub(super) async fn alerts(_: Operator, State(app): State<Arc<App>>, query: AskedQuery) -> Answer {
    let asked = Asked::read(&read::pairs(query)?)?;
    let document = blocking(move || page(&app, &asked)).await?;
    json(StatusCode::OK, &document)
}

fn page(app: &App, asked: &Asked) -> Result<AlertsDocument, Failure> {
    let unreadable = |error: std::io::Error| Failure::internal(&error);
    let mut table = Newest::open(&app.host.dir().join(ALERTS_DIR)).map_err(unreadable)?;
    if let Some(before) = &asked.before {
        pass(&mut table, before)?;
    }
    let mut document = AlertsDocument {
        alerts: Vec::new(),
        next_before: None,
    };
    for _ in 0..LOOKED_AT_MAX {
        let Some(entry) = table.next_entry().map_err(unreadable)? else {
            document.next_before = None;
            return Ok(document);
        };
        if asked.wants(&entry) {
            if document.alerts.len() == asked.limit {
                return Ok(document);
            }
            document.alerts.push(AlertDocument::from(&entry));
        }
        document.next_before = Some(entry.record.flagged.id().to_owned());
    }
    Ok(document)
}

/// Passes over all that are not older than this one.
fn pass(table: &mut Newest, id: &str) -> Result<(), Failure> {
    while let Some(entry) = table.next_entry().map_err(|e| Failure::internal(&e))? {
        if entry.record.flagged.id() == id {
            return Ok(());
        }
    }
    Err(invalid("before", "no alert has this id").into())
}
