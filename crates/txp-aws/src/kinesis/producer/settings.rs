//! How a producer gathers, and how patient it is.

use crate::kinesis::aggregate::{PARTITION_KEY_CHARS_MAX, RECORD_BYTES_MAX};
use txp_pipeline::retry::RetryPolicy;

/// The variable that bounds an aggregated record.
pub const AGGREGATE_BYTES_VARIABLE: &str = "TXP_AGGREGATE_BYTES";
/// The bound if the variable is not set: two PUT units of 25 KB.
pub const AGGREGATE_BYTES_DEFAULT: usize = 50_000;
/// The lowest bound: below, a record holds one event and aggregating is for nothing.
const AGGREGATE_BYTES_MIN: usize = 1_000;
/// The highest bound: the longest partition key fits a record beside it.
const AGGREGATE_BYTES_MAX: usize = RECORD_BYTES_MAX - PARTITION_KEY_CHARS_MAX;
/// Calls on their way: each holds up to 5 MiB, and more than these no stream takes at once.
const CALLS_IN_FLIGHT: usize = 4;
/// Full records that wait before an append waits too: about as many as are gathered at most.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// Full records that are worth a call: less means more calls, each with its own overhead.
const CALL_BYTES_MIN: usize = 1 << 20;

/// A producer's settings.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The most bytes of an aggregated record; an event that is longer goes by itself.
    pub aggregate_bytes: usize,
    /// The most calls on their way at a time.
    pub calls_in_flight: usize,
    /// The most bytes of full records that wait before an append waits for them.
    pub waiting_bytes_max: usize,
    /// The bytes of full records that are sent before a flush asks for it or too many wait.
    pub call_bytes_min: usize,
    /// How often one record is tried, and how long to wait in between.
    pub retry: RetryPolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            aggregate_bytes: AGGREGATE_BYTES_DEFAULT,
            calls_in_flight: CALLS_IN_FLIGHT,
            waiting_bytes_max: WAITING_BYTES_MAX,
            call_bytes_min: CALL_BYTES_MIN,
            retry: RetryPolicy::PATIENT,
        }
    }
}

impl Settings {
    /// Settings as the environment says.
    ///
    /// # Errors
    /// [`AGGREGATE_BYTES_VARIABLE`] is no number in its range.
    pub fn from_environment() -> Result<Self, BadSetting> {
        match std::env::var(AGGREGATE_BYTES_VARIABLE) {
            Ok(text) => Self::with_aggregate_bytes(&text),
            Err(std::env::VarError::NotPresent) => Ok(Self::default()),
            Err(std::env::VarError::NotUnicode(_)) => Err(BadSetting),
        }
    }

    fn with_aggregate_bytes(text: &str) -> Result<Self, BadSetting> {
        let bytes: usize = text.trim().parse().map_err(|_| BadSetting)?;
        if !(AGGREGATE_BYTES_MIN..=AGGREGATE_BYTES_MAX).contains(&bytes) {
            return Err(BadSetting);
        }
        Ok(Self {
            aggregate_bytes: bytes,
            ..Self::default()
        })
    }
}

/// A setting of the environment that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the environment variable {AGGREGATE_BYTES_VARIABLE} is not a whole number of bytes from {AGGREGATE_BYTES_MIN} to {AGGREGATE_BYTES_MAX}; set it right or take it away"
)]
pub struct BadSetting;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_read_and_kept_in_its_range() {
        for (text, expected) in [
            ("50000", Ok(50_000)),
            (" 1000 ", Ok(1_000)),
            ("999", Err(BadSetting)),
            ("1048320", Ok(AGGREGATE_BYTES_MAX)),
            ("1048321", Err(BadSetting)),
            ("", Err(BadSetting)),
            ("50 KB", Err(BadSetting)),
            ("-1", Err(BadSetting)),
        ] {
            let read = Settings::with_aggregate_bytes(text).map(|read| read.aggregate_bytes);
            assert_eq!(read, expected, "{text}");
        }
    }
}
