//! The function `anomaly` on Lambda.

use std::process::ExitCode;
use txp_lambda::anomaly::Anomaly;
use txp_lambda::runtime;

fn main() -> ExitCode {
    runtime::run::<Anomaly>()
}
