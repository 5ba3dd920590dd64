//! The function `api` on Lambda.

use std::process::ExitCode;
use txp_lambda::api::Api;
use txp_lambda::runtime;

fn main() -> ExitCode {
    runtime::run::<Api>()
}
