//! The function `anomaly` on Lambda.

// Its futures are nested deeper than the compiler looks by itself.
#![recursion_limit = "256"]

use std::process::ExitCode;
use txp_lambda::anomaly::Anomaly;
use txp_lambda::runtime;

fn main() -> ExitCode {
    runtime::run::<Anomaly>()
}
