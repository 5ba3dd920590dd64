//! The function `archiver` on Lambda.

use std::process::ExitCode;
use txp_lambda::archiver::Archiver;
use txp_lambda::runtime;

fn main() -> ExitCode {
    runtime::run::<Archiver>()
}
