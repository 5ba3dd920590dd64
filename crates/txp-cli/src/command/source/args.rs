//! Which history is read, and which time of it: the arguments that every command that reads one has.

use super::Source;
use crate::command::{Globals, Refusal};
use txp_domain::time::{TimeZone, Timestamp};
use txp_pipeline::port::Window;

/// Nanoseconds of a millisecond.
const MILLI_NANOS: i64 = 1_000_000;

/// A history and a window of it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::command) struct HistoryArgs {
    /// Where the history is: local:DIR, file:PATH (what `txp events` wrote, plain, .gz or .zst, or a
    /// folder of it), s3://BUCKET/PREFIX, kinesis:STREAM or s3://BUCKET/PREFIX+kinesis:STREAM; the
    /// data directory if not given
    #[arg(long, value_name = "SOURCE")]
    pub(in crate::command) source: Option<String>,
    /// Only what arrived at or after this time (RFC 3339, a date, or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::command) from: Option<Timestamp>,
    /// Only what arrived before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::command) to: Option<Timestamp>,
}

impl HistoryArgs {
    /// The source, checked as far as that is possible without reading it.
    pub(in crate::command) fn source(&self, globals: &Globals) -> anyhow::Result<Source> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(Refusal::wrong_use(format!(
                "nothing arrives at or after {from} and before {to}: --from is to be before --to"
            )));
        }
        let source = Source::parse(self.source.as_deref(), &globals.data_dir)?;
        source.check_history()?;
        Ok(source)
    }

    /// The window, behind a place that was kept if there is one.
    pub(in crate::command) fn window(&self, after: Option<String>) -> Window {
        Window {
            from_millis: self.from.map(millis),
            to_millis: self.to.map(millis),
            after,
        }
    }
}

/// Reads a time of the command line.
pub(in crate::command) fn time(text: &str) -> Result<Timestamp, String> {
    let date = format!("{text}T00:00:00Z");
    Timestamp::read(text.as_bytes(), Some(&TimeZone::UTC))
        .ok()
        .or_else(|| Timestamp::parse(date.as_bytes()))
        .ok_or_else(|| {
            "write a time as 2026-01-31T12:00:00Z, 2026-01-31 or Unix seconds".to_owned()
        })
}

/// Arrivals are kept in milliseconds: one in the middle of a millisecond is after its start.
fn millis(time: Timestamp) -> i64 {
    let millis = time.unix_millis();
    let is_whole = millis.checked_mul(MILLI_NANOS) == Some(time.0);
    millis.max(0) + i64::from(!is_whole)
}
