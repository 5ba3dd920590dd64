//! The only place that prints: documents and text on standard output, everything else on standard
//! error.

use anyhow::Context as _;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use txp_domain::redact::{holds_card_number, redact};
use txp_local::host::ReadProgress;
use txp_pipeline::rejects::{show, show_controls};
use txp_pipeline::stage::ingest::shown_file_name;

/// Whether anything was printed on standard output.
static HAS_PRINTED: AtomicBool = AtomicBool::new(false);

/// Prints one JSON document.
pub(crate) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let mut bytes = serde_json::to_vec(document)?;
    bytes.push(b'\n');
    print(&bytes)
}

/// Prints text.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    print(text.as_bytes())
}

/// Prints what is too long to be held: `write` is given standard output, buffered.
pub(crate) fn streamed(
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    HAS_PRINTED.store(true, Ordering::Relaxed);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush().context("writing to standard output"));
    match written {
        Err(error) if is_closed(&error) => Ok(()),
        written => written,
    }
}

/// Writes one JSON document whose first key is a list, an entry at a time; `rest` is the document's
/// other keys, asked for once the list is written. Where the list cannot be gone on with, the
/// document says why instead.
pub(crate) fn json_list<T: Serialize, R: Serialize>(
    out: &mut dyn Write,
    name: &str,
    mut next: impl FnMut() -> anyhow::Result<Option<T>>,
    rest: impl FnOnce() -> R,
) -> anyhow::Result<()> {
    write!(out, "{{\"{name}\":[")?;
    let mut separator = "";
    let ended = loop {
        match next() {
            Ok(Some(entry)) => {
                out.write_all(separator.as_bytes())?;
                // As an error of writing, which it is if nobody reads any more.
                serde_json::to_writer(&mut *out, &entry).map_err(io::Error::from)?;
                separator = ",";
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let rest = match &ended {
        Ok(()) => serde_json::to_string(&rest())?,
        Err(error) => refusal(&chain(error)).to_string(),
    };
    writeln!(out, "],{}", rest.trim_start_matches('{'))?;
    ended
}

/// What `--json` prints instead of an answer.
fn refusal(message: &str) -> serde_json::Value {
    serde_json::json!({ "error": message })
}

/// Prints that document, unless standard output has something on it already: there is one document,
/// whatever happens.
pub(crate) fn json_refusal(message: &str) {
    if !HAS_PRINTED.load(Ordering::Relaxed) {
        // Standard error has said it; a closed standard output changes nothing.
        json(&refusal(message)).ok();
    }
}

/// A reader that has seen enough (`| head`) is no failure of the work.
fn print(bytes: &[u8]) -> anyhow::Result<()> {
    HAS_PRINTED.store(true, Ordering::Relaxed);
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to standard output"),
    }
}

/// Whether an error says that nobody reads standard output any more.
pub(crate) fn is_closed(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The name under which a value stands in documents.
pub(crate) fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

/// What became of an alert, for people; `name` as documents have it.
pub(crate) fn delivery(name: &str) -> String {
    match name {
        "recorded" => "recorded only: its event is too long ago".to_owned(),
        "suppressed" => "recorded only: suppressed".to_owned(),
        _ => name.replace('_', " "),
    }
}

/// Says on standard error what goes on; nobody listening is no reason to stop.
pub(crate) fn note(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}

/// The same with what may hold text of others: no long run of digits comes through.
pub(crate) fn note_redacted(text: &str) {
    note(&redacted(text));
}

/// Files of a data directory whose names are numbers: how many digits (of a run, of base 16) stand
/// before which extension.
const NUMBERED: [(&str, usize); 3] = [(".log", 20), (".idx", 20), (".run", 16)];
/// What is left behind the zeros at the start is too short for a card number.
const SIGNIFICANT_DIGITS_MAX: usize = 11;

/// The most characters of a text that is told in place of one with a card number.
const SHOWN_CHARS_MAX: usize = 1000;

/// A path as it is told: no card number, whatever stands between its digits, and no control
/// character. Other long numbers stay, so that scripts can use what they are told.
pub(crate) fn path(path: &Path) -> String {
    let text = path.to_string_lossy();
    let shown = text.split('/').map(|name| {
        if holds_card(name) {
            show(name, SHOWN_CHARS_MAX)
        } else {
            show_controls(name)
        }
    });
    shown.collect::<Vec<_>>().join("/")
}

/// Whether a text holds a card number with anything but letters between its digits.
fn holds_card(text: &str) -> bool {
    let joined = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    holds_card_number(text.chars().map(joined).collect::<String>().as_bytes())
}

/// What was asked in a way that cannot be, in the words of the arguments' parser, which quotes what
/// it was given.
pub(crate) fn misuse(words: &str) -> String {
    let lines = words.trim_end().lines().map(|line| {
        let parts = line.split('\'').map(|part| show(part, SHOWN_CHARS_MAX));
        show(&parts.collect::<Vec<_>>().join("'"), SHOWN_CHARS_MAX)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A text without long runs of digits, but for names of files that are numbered: an error that names
/// a damaged file is of no use without the name.
pub(crate) fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, name)) = numbered_name(rest) {
        let (before, from_name) = rest.split_at(at);
        out.push_str(&redact(before));
        out.push_str(name);
        rest = from_name.get(name.len()..).unwrap_or_default();
    }
    out.push_str(&redact(rest));
    if holds_card(&out) {
        return show(&out, SHOWN_CHARS_MAX);
    }
    out
}

/// The first name of such a file in a text: after a slash, digits that begin with zeros.
fn numbered_name(text: &str) -> Option<(usize, &str)> {
    let names = NUMBERED.into_iter().filter_map(|(extension, digits)| {
        text.match_indices(extension).find_map(|(end, _)| {
            let start = end.checked_sub(digits)?;
            let is_below_folder = text.get(..start)?.ends_with('/');
            let (zeros, number) = text
                .get(start..end)?
                .split_at_checked(digits - SIGNIFICANT_DIGITS_MAX)?;
            let is_number = zeros.bytes().all(|byte| byte == b'0')
                && number
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let name = text.get(start..end + extension.len())?;
            (is_below_folder && is_number).then_some((start, name))
        })
    });
    names.min_by_key(|(start, _)| *start)
}

/// Says on standard error why a command failed: the whole chain of causes, no long run of digits.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("error: {}", chain(error)));
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    show_controls(&redacted(&format!("{error:#}")))
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

/// A bar on standard error, where someone looks.
pub(crate) struct Bar {
    bar: indicatif::ProgressBar,
}

/// Starts a bar of bytes or parts; nothing is drawn unless standard error is a terminal.
pub(crate) fn bar(message: &str, quiet: bool) -> Bar {
    let bar = progress(quiet);
    let style = "{msg} {wide_bar} {percent}% {eta}";
    bar.set_style(
        indicatif::ProgressStyle::with_template(style)
            .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()),
    );
    bar.set_message(redact(message).into_owned());
    Bar { bar }
}

fn progress(quiet: bool) -> indicatif::ProgressBar {
    let target = if quiet {
        indicatif::ProgressDrawTarget::hidden()
    } else {
        indicatif::ProgressDrawTarget::stderr()
    };
    indicatif::ProgressBar::with_draw_target(None, target)
}

/// Starts a bar for a file that is read.
pub(crate) fn reading(path: &Path, quiet: bool) -> Bar {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    bar(&shown_file_name(&name), quiet)
}

impl Bar {
    /// So much of so much is done.
    pub(crate) fn show(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// What the reader of a file calls as it goes.
    pub(crate) fn callback(&mut self) -> impl FnMut(ReadProgress) + '_ {
        |progress| self.show(progress.bytes, progress.bytes_total)
    }
}

/// A count on standard error, where someone looks, with its rate and the time to go.
pub(crate) struct Counter {
    bar: indicatif::ProgressBar,
    what: String,
    started: std::time::Instant,
    /// What was done when the count began.
    first: Option<u64>,
}

/// Starts a count of things that are read.
pub(crate) fn counter(what: &str, quiet: bool) -> Counter {
    let bar = progress(quiet);
    let style = indicatif::ProgressStyle::with_template("{msg}");
    bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
    Counter {
        bar,
        what: what.to_owned(),
        started: std::time::Instant::now(),
        first: None,
    }
}

impl Counter {
    /// So many by now; of all parts so many are done, where that is known.
    pub(crate) fn show(&mut self, count: u64, parts: Option<(u64, u64)>) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let rate = count.saturating_mul(1_000) / millis.max(1);
        let mut text = format!("{} {}, {}/s", grouped(count), self.what, grouped(rate));
        if let Some((done, total)) = parts {
            let first = *self.first.get_or_insert(done);
            let percent = done.saturating_mul(100) / total.max(1);
            text.push_str(&format!(", {percent}%"));
            if let Some(left) =
                time_to_go(millis, done.saturating_sub(first), total - done.min(total))
            {
                text.push_str(&format!(", {left} to go"));
            }
        }
        self.bar.set_message(text);
    }
}

/// How long what is left takes at the pace of what was done.
fn time_to_go(millis: u64, done: u64, left: u64) -> Option<String> {
    let millis = u128::from(millis) * u128::from(left) / u128::from(Some(done).filter(|d| *d > 0)?);
    let seconds = u64::try_from(millis / 1_000).ok()?;
    Some(match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    })
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_numbered_files_are_told_and_no_other_long_number() {
        for told in [
            "damaged in data/log/00000000000000000001.log at byte 5",
            "cannot write data/log/00000000012345678901.idx",
            "data/state/0000000000000123.run is damaged, data/state/00000000000000ff.run is not",
            "data/state/0000000000000001.run, data/log/00000000000000000001.log",
        ] {
            assert_eq!(redacted(told), told);
        }
        for hidden in [
            "in/00004111111111111111.log",
            "in/4111111111111111.csv",
            "in/4111111111111111.run",
            "in/0000411111111111.run",
            "in/0000000000000001.csv",
            "4111111111111111 in log/00000000000000000001.log",
            "00000000000411111111.log",
        ] {
            assert!(redacted(hidden).contains("[redacted"), "{hidden}");
        }
    }

    #[test]
    fn paths_stay_usable_unless_they_hold_a_card_number() {
        for told in [
            "data",
            "/srv/data-20261122-2356-0001/log",
            "in/123456789012",
        ] {
            assert_eq!(path(Path::new(told)), told);
        }
        for (hidden, told) in [
            ("in/4111,1111,1111,1111.csv", "in/[redacted 16 digits]"),
            ("4111111111111111/a.csv", "[redacted 16 digits]/a.csv"),
            ("a\u{1b}[31m", "a\u{241b}[31m"),
        ] {
            assert_eq!(path(Path::new(hidden)), told);
        }
        assert!(!redacted("opening in/4111,1111,1111,1111.csv").contains("1111"));
    }

    #[test]
    fn misuse_is_told_without_what_may_be_a_number() {
        assert_eq!(
            misuse(
                "error: invalid value '4111,1111,1111,1111' for '--from <T>': no time\n\nUsage: x\n"
            ),
            "error: invalid value '[redacted 16 digits]' for '--from <T>': no time\n\nUsage: x"
        );
        assert!(!misuse("'4111'1111'1111'1111'").contains("1111"));
    }

    #[test]
    fn a_list_that_breaks_off_is_one_document_that_says_why() {
        for (entries, wanted) in [
            (vec![Ok(1), Ok(2)], r#"{"list":[1,2],"rest":3}"#),
            (
                vec![Ok(1), Err("broken")],
                r#"{"list":[1],"error":"broken"}"#,
            ),
            (vec![Err("broken")], r#"{"list":[],"error":"broken"}"#),
        ] {
            let (mut out, mut left) = (Vec::new(), entries.into_iter());
            let next = || left.next().transpose().map_err(anyhow::Error::msg);
            let ended = json_list(&mut out, "list", next, || serde_json::json!({ "rest": 3 }));
            assert_eq!(String::from_utf8(out).unwrap(), format!("{wanted}\n"));
            assert_eq!(ended.is_err(), wanted.contains("error"));
        }
    }

    #[test]
    fn the_time_to_go_follows_from_the_pace() {
        for (millis, done, left, told) in [
            (1_000, 0, 10, None),
            (1_000, 10, 0, Some("0 s")),
            (2_000, 10, 100, Some("20 s")),
            (2_000, 10, 450, Some("1 min 30 s")),
            (1_000, 1, 7_320, Some("2 h 2 min")),
        ] {
            assert_eq!(time_to_go(millis, done, left).as_deref(), told);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        let shown = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
