//! The only place that prints: documents and text on standard output, everything else on standard
//! error.

use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use txp_domain::redact::redact;
use txp_local::host::ReadProgress;

/// Prints one JSON document.
pub(crate) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, document)?;
    writeln!(out)?;
    Ok(())
}

/// Prints text.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Says on standard error what goes on; nobody listening is no reason to stop.
pub(crate) fn note(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}

/// Says on standard error why a command failed: the whole chain of causes, no long run of digits.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("error: {}", chain(error)));
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    redact(&format!("{error:#}")).into_owned()
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The most memory that this process had resident.
pub(crate) fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// A bar on standard error while a file is read, where someone looks.
pub(crate) struct Reading {
    bar: indicatif::ProgressBar,
}

/// Starts a bar for a file; nothing is drawn unless standard error is a terminal.
pub(crate) fn reading(path: &Path, quiet: bool) -> Reading {
    let target = if quiet {
        indicatif::ProgressDrawTarget::hidden()
    } else {
        indicatif::ProgressDrawTarget::stderr()
    };
    let bar = indicatif::ProgressBar::with_draw_target(None, target);
    let style = "{msg} {wide_bar} {bytes}/{total_bytes} {eta}";
    bar.set_style(
        indicatif::ProgressStyle::with_template(style)
            .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()),
    );
    bar.set_message(redact(&path.file_name().unwrap_or_default().to_string_lossy()).into_owned());
    Reading { bar }
}

impl Reading {
    /// What the reader calls as it goes.
    pub(crate) fn callback(&mut self) -> impl FnMut(ReadProgress) + '_ {
        |progress| {
            self.bar.set_length(progress.bytes_total);
            self.bar.set_position(progress.bytes);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
