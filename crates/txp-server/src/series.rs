//! The past of the metrics, for the charts of the page: what changed in each stretch of time.
//!
//! Two rings over the host's registry: one fine and short, one coarse and long. A point is what was
//! counted in its stretch, so that a restart makes a gap and no jump. In memory only and bounded:
//! whoever needs more of the past scrapes `/metrics`.

mod ring;

use crate::answer::{Answer, Failure, json};
use crate::app::App;
use crate::operator::Operator;
use crate::read;
use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use ring::{Ring, RingDocument};
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use txp_local::control::{ControlError, random_letters};
use txp_local::meter::Series;
use txp_pipeline::api::{invalid, parameter};

/// How often the registry is looked at: the length of a stretch of the fine ring.
const TICK_SECONDS: u64 = 5;
/// Half an hour.
const FINE_POINTS_MAX: usize = 360;
/// Ticks in a stretch of the coarse ring: a minute.
const COARSE_TICKS: u64 = 12;
/// A day.
const COARSE_POINTS_MAX: usize = 1440;

/// The past of one host's metrics.
#[derive(Debug)]
pub(crate) struct History {
    /// Names this process: after a restart the points count from zero.
    epoch: String,
    rings: Mutex<Rings>,
}

#[derive(Debug)]
struct Rings {
    fine: Ring,
    coarse: Ring,
}

#[derive(Serialize)]
struct SeriesDocument<'a> {
    epoch: &'a str,
    #[serde(flatten)]
    ring: RingDocument,
}

impl History {
    pub(crate) fn new() -> Result<Self, ControlError> {
        Ok(Self {
            epoch: random_letters::<4>()?,
            rings: Mutex::new(Rings {
                fine: Ring::new(TICK_SECONDS, 1, FINE_POINTS_MAX),
                coarse: Ring::new(TICK_SECONDS * COARSE_TICKS, COARSE_TICKS, COARSE_POINTS_MAX),
            }),
        })
    }

    fn record(&self, millis: i64, series: &[Series]) {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        rings.fine.record(millis, series);
        rings.coarse.record(millis, series);
    }

    fn document(&self, is_coarse: bool, epoch: Option<&str>, since: u64) -> SeriesDocument<'_> {
        let since = if epoch == Some(&self.epoch) { since } else { 0 };
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = if is_coarse {
            &rings.coarse
        } else {
            &rings.fine
        };
        SeriesDocument {
            epoch: &self.epoch,
            ring: ring.document(since),
        }
    }
}

/// Looks at the metrics again and again.
pub(crate) async fn keep(app: &Arc<App>) {
    let mut ticks = interval(Duration::from_secs(TICK_SECONDS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let shared = Arc::clone(app);
        let looked = tokio::task::spawn_blocking(move || {
            shared.host.measure_standing(shared.queue.waiting());
            let series = shared.host.meter().series();
            shared.history.record(shared.now().unix_millis(), &series);
        });
        if let Err(error) = looked.await {
            app.log(&format!("the metrics of the page are not kept: {error}"));
        }
    }
}

/// The points since the last question, or all of them to a new page or after a restart.
pub(crate) async fn series(
    _: Operator,
    State(app): State<Arc<App>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Answer {
    let pairs = read::pairs(query)?;
    let is_coarse = match parameter(&pairs, "resolution")? {
        None | Some("fine") => false,
        Some("coarse") => true,
        Some(_) => return Err(invalid("resolution", "expected fine or coarse").into()),
    };
    let since = match parameter(&pairs, "since")?.map(str::parse) {
        None => 0,
        Some(Ok(since)) => since,
        Some(Err(_)) => return Err(Failure::from(invalid("since", "expected a whole number"))),
    };
    let epoch = parameter(&pairs, "epoch")?;
    json(
        StatusCode::OK,
        &app.history.document(is_coarse, epoch, since),
    )
}
