//! Events of `tracing` as JSON objects, one a line.
//!
//! Not the JSON format of `tracing-subscriber`: there a value is escaped before a writer can look
//! at it, and an escaped line end hides half a card number from the other half.

use super::Sink;
use super::clean::{clean, identifier};
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt::{Debug, Write};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The bytes of one value that are written: a line stays far below the 256 KiB at which Lambda cuts.
const VALUE_BYTES_MAX: usize = 4096;

/// The crates whose words are ours: others say at most that something is wrong, since what an SDK
/// tells in detail is the request itself.
const OWN: &str = "txp_";

/// Who repeats what we log ourselves, or once for each value too many.
const SILENT: [&str; 2] = ["lambda_runtime::layers", "metrics_cloudwatch_embedded"];

/// The fields that are an identifier of ours or of AWS': searched for, and often with more digits in a
/// row than other text may have.
const IDENTIFIERS: [&str; 2] = ["sequence", "upload_trace"];

/// The layer that writes.
pub(super) struct Lines {
    pub(super) sink: Sink,
    pub(super) level: LevelFilter,
}

impl Lines {
    fn takes(&self, target: &str, level: Level) -> bool {
        let most = if target.starts_with(OWN) {
            self.level
        } else {
            self.level.min(LevelFilter::WARN)
        };
        level <= most && !SILENT.iter().any(|silent| target.starts_with(silent))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        self.takes(metadata.target(), *metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(known) = span.extensions().get::<Fields>() {
                fields.0.extend(known.0.clone());
            }
        }
        event.record(&mut fields);
        self.sink.line(event.metadata().level().as_str(), fields.0);
    }
}

/// The fields of an event or a span, fit to be written.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, field: &Field, text: &str) {
        let text = if IDENTIFIERS.contains(&field.name()) {
            identifier(text)
        } else {
            clean(text)
        };
        let text = match text.char_indices().find(|(at, _)| *at >= VALUE_BYTES_MAX) {
            Some((end, _)) => text.get(..end).unwrap_or_default(),
            None => &text,
        };
        self.0.insert(field.name().to_owned(), text.into());
    }

    /// A number is one unless it has as many digits as a card.
    fn number(&mut self, field: &Field, value: impl Into<Value> + ToString) {
        let text = value.to_string();
        if clean(&text) == text {
            self.0.insert(field.name().to_owned(), value.into());
        } else {
            self.text(field, &text);
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field, value);
    }

    /// An error with its causes.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a String cannot fail.
            let _infallible = write!(text, ": {error}");
            cause = error.source();
        }
        self.text(field, &text);
    }
}
