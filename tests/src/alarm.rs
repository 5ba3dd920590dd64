//! CloudWatch's evaluation of an alarm, from its documentation: how datapoints of periods, missing
//! ones among them, become OK, ALARM or INSUFFICIENT_DATA. With it the alarms of `dashboards/` are
//! tried without CloudWatch, and held to the documentation's own tables.
//!
//! Deliberately absent: what no alarm of ours uses (percentiles, anomaly bands, high resolution), and
//! how datapoints are made of values (the caller gives one per period).

mod expression;
mod world;

pub use expression::{Points, evaluate};
pub use world::{World, drive};

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Periods beyond the wanted ones that CloudWatch looks at, to find real datapoints.
const EXTRA_PERIODS: usize = 2;

/// How an alarm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All is well.
    Ok,
    /// It is not.
    Alarm,
    /// Nobody knows.
    InsufficientData,
}

/// What a period without a datapoint means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing.
    Missing,
    /// The state stays.
    Ignore,
    /// It is bad.
    Breaching,
    /// It is good.
    NotBreaching,
}

/// One metric that an alarm looks at: namespace, name, dimensions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub metric: String,
    /// Its dimensions.
    pub dimensions: BTreeMap<String, String>,
}

/// An alarm of the file.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// What it looks at, under the names of its expression.
    pub inputs: BTreeMap<String, Source>,
    /// What is made of them.
    pub expression: String,
    /// Seconds of a period.
    pub period_seconds: u64,
    /// Periods that are looked at.
    pub periods: usize,
    /// How many of them must breach.
    pub breaching_periods: usize,
    comparison: String,
    threshold: f64,
    missing: Missing,
}

/// Alarms and composite alarms.
#[derive(Debug)]
pub struct Alarms {
    /// By name.
    pub alarms: BTreeMap<String, Alarm>,
    /// Name to the alarms of which any is enough.
    pub composites: BTreeMap<String, Vec<String>>,
}

/// What a period must be against to be told apart by the caller: the age is in periods, 0 the last.
pub type Datapoints<'a> = dyn Fn(&Source, usize) -> Option<f64> + 'a;

impl Alarms {
    /// Those of the project.
    #[must_use]
    pub fn of_the_project() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/alarms.json");
        let text = std::fs::read_to_string(path).unwrap();
        let described: Value = serde_json::from_str(&text).unwrap();
        let alarms = described["alarms"].as_array().unwrap().iter().map(read);
        let composites = described["composites"].as_array().unwrap().iter();
        Self {
            alarms: alarms.map(|alarm| (alarm.name.clone(), alarm)).collect(),
            composites: composites
                .map(|one| (text_of(one, "name"), any_of(&text_of(one, "rule"))))
                .collect(),
        }
    }
}

impl Alarm {
    /// How it stands after these datapoints, having stood at `before`.
    #[must_use]
    pub fn state(&self, datapoints: &Datapoints<'_>, before: State) -> State {
        let range: Vec<_> = (0..self.periods + EXTRA_PERIODS)
            .map(|age| {
                self.value(datapoints, age)
                    .map(|value| self.breaches(value))
            })
            .collect();
        judge(
            &range,
            self.periods,
            self.breaching_periods,
            self.missing,
            before,
        )
    }

    fn value(&self, datapoints: &Datapoints<'_>, age: usize) -> Option<f64> {
        let inputs = self.inputs.iter();
        let points: Points = inputs
            .map(|(name, source)| (name.clone(), datapoints(source, age)))
            .collect();
        evaluate(&self.expression, &points)
    }

    fn breaches(&self, value: f64) -> bool {
        match self.comparison.as_str() {
            "GreaterThanThreshold" => value > self.threshold,
            "GreaterThanOrEqualToThreshold" => value >= self.threshold,
            "LessThanThreshold" => value < self.threshold,
            "LessThanOrEqualToThreshold" => value <= self.threshold,
            other => panic!("{other} is not known"),
        }
    }
}

/// M of N: `range` has the last period first, and whether it breaches.
#[must_use]
pub fn judge(
    range: &[Option<bool>],
    periods: usize,
    breaching_periods: usize,
    missing: Missing,
    before: State,
) -> State {
    let real: Vec<bool> = range.iter().copied().flatten().take(periods).collect();
    let breaching = real.iter().filter(|breaches| **breaches).count();
    let absent = periods - real.len();
    let state_of = |breaching: usize| {
        if breaching >= breaching_periods {
            State::Alarm
        } else {
            State::Ok
        }
    };
    if absent == 0 {
        return state_of(breaching);
    }
    let all_breach = breaching == real.len();
    match missing {
        Missing::Breaching => state_of(breaching + absent),
        Missing::NotBreaching => state_of(breaching),
        Missing::Ignore if state_of(breaching) == State::Ok && all_breach => before,
        Missing::Missing if real.is_empty() => State::InsufficientData,
        Missing::Missing if all_breach => State::Alarm,
        Missing::Ignore | Missing::Missing => state_of(breaching),
    }
}

fn read(alarm: &Value) -> Alarm {
    let (inputs, expression) = match alarm["expression"].as_str() {
        Some(expression) => {
            let inputs = alarm["inputs"].as_object().unwrap().iter();
            let inputs = inputs.map(|(name, source)| (name.clone(), source_of(source)));
            (inputs.collect(), expression.to_owned())
        }
        None => (
            BTreeMap::from([("it".to_owned(), source_of(alarm))]),
            "it".to_owned(),
        ),
    };
    let number = |key: &str| usize::try_from(alarm[key].as_u64().unwrap()).unwrap();
    Alarm {
        name: text_of(alarm, "name"),
        inputs,
        expression,
        period_seconds: alarm["period_seconds"].as_u64().unwrap(),
        periods: number("periods"),
        breaching_periods: number("breaching_periods"),
        comparison: text_of(alarm, "comparison"),
        threshold: alarm["threshold"].as_f64().unwrap(),
        missing: match alarm["missing_data"].as_str().unwrap() {
            "breaching" => Missing::Breaching,
            "notBreaching" => Missing::NotBreaching,
            "ignore" => Missing::Ignore,
            "missing" => Missing::Missing,
            other => panic!("{other} is not known"),
        },
    }
}

fn source_of(described: &Value) -> Source {
    let dimensions = described["dimensions"].as_object().unwrap().iter();
    Source {
        namespace: text_of(described, "namespace"),
        metric: text_of(described, "metric"),
        dimensions: dimensions
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
    }
}

/// The names in `ALARM(a) OR ALARM(b)`.
fn any_of(rule: &str) -> Vec<String> {
    let parts = rule.split(" OR ").map(|part| {
        let name = part.strip_prefix("ALARM(").unwrap();
        name.strip_suffix(')').unwrap().to_owned()
    });
    parts.collect()
}

fn text_of(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap().to_owned()
}
