//! An invocation that failed, as Lambda is told.

use super::log::clean;
use lambda_runtime::Diagnostic;
use std::fmt;

/// The causes of a failure in one line, nothing in it that may be a card number.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// Of an error and its causes.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        Self(clean(&format!("{error:#}")).into_owned())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self {
            error_type: "Failure".to_owned(),
            error_message: failure.0,
        }
    }
}
