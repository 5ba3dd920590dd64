//! The function `aggregator` on Lambda.

use std::process::ExitCode;
use txp_lambda::aggregator::Aggregator;
use txp_lambda::runtime;

fn main() -> ExitCode {
    runtime::run::<Aggregator>()
}
