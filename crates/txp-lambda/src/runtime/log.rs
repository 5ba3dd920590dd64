//! The log: one JSON object a line on standard output, which Lambda hands to CloudWatch.
//!
//! Each has `timestamp` and `level` as Lambda's own log levels want them, `message`, the function,
//! the request and the trace, and the fields of the event and of the spans around it. Whatever is
//! logged, no stretch of digits as long as a card number is written (`log/clean.rs`).

mod clean;
mod lines;

pub(super) use clean::clean;

use super::Invocation;
use clean::identifier;
use lines::Lines;
use serde_json::{Map, Value};
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use txp_aws::clock::SystemClock;
use txp_domain::time::Timestamp;
use txp_pipeline::port::Clock;

/// The variables that say from which level on is logged; the first that is set counts. The second
/// is Lambda's.
const LEVELS: [&str; 2] = ["LOG_LEVEL", "AWS_LAMBDA_LOG_LEVEL"];

/// Takes one line, or several whole ones.
type Write = dyn Fn(&[u8]) + Send + Sync;

/// Where lines go, and what stands in each.
#[derive(Clone)]
pub(super) struct Sink {
    current: Arc<Mutex<Current>>,
    write: Arc<Write>,
}

/// What every line says of its invocation.
#[derive(Clone, Debug, Default)]
struct Current {
    function: String,
    request_id: Option<String>,
    trace_id: Option<String>,
}

impl Sink {
    /// Lines of this function.
    pub(super) fn new(function: &str, write: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        let current = Current {
            function: function.to_owned(),
            ..Current::default()
        };
        Self {
            current: Arc::new(Mutex::new(current)),
            write: Arc::new(write),
        }
    }

    /// From here on lines belong to this invocation.
    pub(super) fn begin(&self, invocation: &Invocation) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.request_id = Some(identifier(&invocation.request_id).into_owned());
        current.trace_id = invocation
            .trace_id
            .as_deref()
            .map(|id| identifier(id).into_owned());
    }

    /// Bytes that are lines already.
    pub(super) fn write(&self, lines: &[u8]) {
        (self.write)(lines);
    }

    /// One line. What it says of itself goes before what the fields say.
    fn line(&self, level: &str, mut fields: Map<String, Value>) {
        let current = self
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        fields.insert("timestamp".to_owned(), now().to_string().into());
        fields.insert("level".to_owned(), level.into());
        fields.insert("function".to_owned(), current.function.into());
        for (name, id) in [
            ("request_id", current.request_id),
            ("trace_id", current.trace_id),
        ] {
            if let Some(id) = id {
                fields.insert(name.to_owned(), id.into());
            }
        }
        let mut line = Value::Object(fields).to_string();
        line.push('\n');
        self.write(line.as_bytes());
    }

    /// Logs a panic, its digits left out: what was looked at may be half a card number.
    fn panicked(&self, info: &PanicHookInfo<'_>) {
        let payload = info.payload();
        let payload = match (
            payload.downcast_ref::<&str>(),
            payload.downcast_ref::<String>(),
        ) {
            (Some(text), _) => text,
            (None, Some(text)) => text.as_str(),
            (None, None) => "of an unknown kind",
        };
        let payload: String = payload
            .chars()
            .map(|c| if c.is_numeric() { '#' } else { c })
            .collect();
        let mut fields = Map::new();
        fields.insert(
            "message".to_owned(),
            "a panic: a fault of the program".into(),
        );
        fields.insert("panic".to_owned(), payload.into());
        if let Some(location) = info.location() {
            fields.insert("location".to_owned(), clean(&location.to_string()).into());
        }
        self.line("ERROR", fields);
    }

    /// Takes events from this level on.
    fn layer<S>(&self, level: LevelFilter) -> impl Layer<S> + use<S>
    where
        Lines: Layer<S>,
        S: tracing::Subscriber,
    {
        Lines {
            sink: self.clone(),
            level,
        }
    }
}

/// Standard output, a line at once.
pub(super) fn standard_output(line: &[u8]) {
    // There is no one left to tell.
    let _unheard = std::io::stdout().lock().write_all(line);
}

/// Makes this the log of the process, and a panic its end: what a panic leaves behind is not used
/// again, and Lambda starts anew.
pub(super) fn install(sink: &Sink) {
    let registry = Registry::default().with(sink.layer(level()));
    // Set once: `run` is all that a binary does.
    let _first = tracing::subscriber::set_global_default(registry);
    let sink = sink.clone();
    std::panic::set_hook(Box::new(move |info| {
        sink.panicked(info);
        std::process::abort();
    }));
}

/// The level that the environment names, else `INFO`.
fn level() -> LevelFilter {
    let named = LEVELS.iter().find_map(|name| std::env::var(name).ok());
    named.map_or(LevelFilter::INFO, |name| level_of(&name))
}

fn level_of(name: &str) -> LevelFilter {
    match name.to_ascii_lowercase().as_str() {
        // Lambda has one above error; we do not.
        "fatal" => LevelFilter::ERROR,
        name => name.parse().unwrap_or(LevelFilter::INFO),
    }
}

/// To the millisecond.
fn now() -> Timestamp {
    let now = SystemClock.now();
    let millis = u64::try_from(now.unix_millis()).unwrap_or_default();
    Timestamp::from_unix_millis(millis).unwrap_or(now)
}

#[cfg(test)]
mod tests;
