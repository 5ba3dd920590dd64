//! What a backtest was made from. No clock is in it: the same input gives the same manifest.

use super::create;
use super::pass::Judged;
use crate::output;
use anyhow::Context as _;
use serde::Serialize;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use txp_domain::position::Position;
use txp_pipeline::backtest::Span;
use txp_pipeline::backtest::days::{Days, start_of};
use txp_pipeline::document::PositionDocument;
use txp_pipeline::history::arrival;
use txp_pipeline::rulefile::CheckedRules;

/// The manifest.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Manifest {
    /// The version of txp.
    txp: &'static str,
    history: History,
    rules: Rules,
    baseline: BaselineRules,
    labels: Option<super::labels::LabelCounts>,
    measured_days: Option<MeasuredDays>,
}

/// The part of the history that was looked at.
#[derive(Clone, Debug, Serialize)]
struct History {
    /// As it was named; the data directory if not.
    source: String,
    judged_from: Option<String>,
    judged_to: Option<String>,
    /// Whether the history before counts as not there.
    cold: bool,
    events: u64,
    first: Option<PositionDocument>,
    last: Option<PositionDocument>,
    /// XXH3 of the events and their positions, in the order in which they were read.
    xxh3_128: String,
}

/// A rule set.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Rules {
    pub(super) version: String,
    pub(super) sha256: String,
}

/// Rules that were active, from where on.
#[derive(Clone, Debug, Serialize)]
struct ActiveRules {
    activation: u64,
    version: String,
    sha256: String,
    position: PositionDocument,
}

/// What was compared with.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum BaselineRules {
    /// A file.
    File(Rules),
    /// The rules that were active.
    Active { active: Vec<ActiveRules> },
}

/// The days that metrics are taken over.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MeasuredDays {
    pub(super) train_start: String,
    pub(super) train_days: u32,
    pub(super) delay_days: u32,
    pub(super) first_test_day: String,
    pub(super) test_days: u32,
}

impl Manifest {
    /// The manifest of what was judged.
    pub(super) fn of(
        judged: &Judged,
        source: Option<&str>,
        span: Span,
        days: Option<Days>,
    ) -> anyhow::Result<Self> {
        let totals = &judged.backtest.totals;
        let time = |millis: Option<i64>| millis.map(|millis| arrival(millis).to_string());
        let place = |position: &Option<Position>| position.as_ref().map(PositionDocument::from);
        let baseline = match &judged.baseline {
            Some(rules) => BaselineRules::File(Rules::of(rules)),
            None => BaselineRules::Active {
                active: totals.activated.iter().map(active).collect(),
            },
        };
        Ok(Self {
            txp: env!("CARGO_PKG_VERSION"),
            history: History {
                source: source.map_or_else(|| "the data directory".to_owned(), output::redacted),
                judged_from: time(span.from_millis),
                judged_to: time(span.to_millis),
                cold: span.is_cold,
                events: totals.events,
                first: place(&totals.first),
                last: place(&totals.last),
                xxh3_128: judged.backtest.history_digest(),
            },
            rules: Rules::of(judged.backtest.tried()),
            baseline,
            labels: (!judged.labels.is_empty()).then(|| judged.labels.counts.clone()),
            measured_days: days.map(MeasuredDays::of),
        })
    }

    /// Writes it as `{path}.manifest.json`.
    pub(super) fn write_beside(&self, path: &Path) -> anyhow::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(".manifest.json");
        let name = PathBuf::from(name);
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        let written = create(&name)?.write_all(&bytes);
        written.with_context(|| format!("writing {}", output::path(&name)))
    }

    /// The days that metrics are taken over.
    pub(super) fn days(&self) -> Option<&MeasuredDays> {
        self.measured_days.as_ref()
    }
}

impl Rules {
    fn of(checked: &CheckedRules) -> Self {
        Self {
            version: checked.rules.version().to_owned(),
            sha256: checked.sha256_hex(),
        }
    }
}

fn active(activated: &txp_pipeline::backtest::Activated) -> ActiveRules {
    ActiveRules {
        activation: activated.event.activation,
        version: activated.event.version.clone(),
        sha256: activated.event.sha256.clone(),
        position: PositionDocument::from(&activated.position),
    }
}

impl MeasuredDays {
    fn of(days: Days) -> Self {
        let date = |day: i64| start_of(day).to_string().chars().take(10).collect();
        Self {
            train_start: date(days.train_start),
            train_days: days.train_days,
            delay_days: days.delay_days,
            first_test_day: date(days.first_test_day()),
            test_days: days.test_days,
        }
    }
}
