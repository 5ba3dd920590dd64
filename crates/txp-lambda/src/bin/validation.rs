//! The function `validation` on Lambda.

// Its futures are nested deeper than the compiler looks by itself.
#![recursion_limit = "256"]

use std::process::ExitCode;
use txp_lambda::runtime;
use txp_lambda::validation::Validation;

fn main() -> ExitCode {
    runtime::run::<Validation>()
}
