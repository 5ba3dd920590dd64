//! The one place that prints.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the output module of a command"
)]

/// A line of the result.
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// A line about what is being done or went wrong.
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}
