//! The function `validation` on Lambda.

use std::process::ExitCode;
use txp_lambda::runtime;
use txp_lambda::validation::Validation;

fn main() -> ExitCode {
    runtime::run::<Validation>()
}
