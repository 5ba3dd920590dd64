//! What differs from run to run, replaced by names: ids in the order in which they first occur,
//! times since the test began, durations, rates, sizes, processes.

use txp_domain::time::Timestamp;

/// The letters that ids, keys, fingerprints and digests of ours are made of: no vowel, so no word.
const ID_LETTERS: &str = "bcdfghjklmnpqrst";
const ID_CHARS_MIN: usize = 16;

/// Numbers before these words differ.
const UNITS: [&str; 6] = [" rows/s", " events/s", " MiB", " bytes", " s,", " s from"];
/// Numbers behind these keys differ.
const KEYS: [&str; 11] = [
    "event     ",
    // A finding is appended before or behind the end of the upload that it was found in.
    "\"sequence\": \"",
    "\"seconds\": ",
    "\"rows_per_second\": ",
    "\"events_per_second\": ",
    "\"peak_rss_bytes\": ",
    "\"bytes\": ",
    "\"spool_bytes\": ",
    "\"torn_bytes\": ",
    "process ",
    "127.0.0.1:",
];

/// Replaces what differs; remembers ids over the outputs of one script.
pub(crate) struct Normal {
    folder: String,
    began: Timestamp,
    ids: Vec<String>,
}

impl Normal {
    pub(crate) fn new(folder: &std::path::Path) -> Self {
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        let began = i64::try_from(since.as_nanos()).unwrap() - 60_000_000_000;
        Self {
            folder: folder.display().to_string(),
            began: Timestamp(began),
            ids: Vec::new(),
        }
    }

    pub(crate) fn apply(&mut self, text: &str) -> String {
        let text = text.replace(&self.folder, "FOLDER");
        let text = text.replace(super::TXP, "txp");
        let text = signatures(&fresh(&text));
        let text = self.times(&text);
        let text = self.ids(&text);
        let text: String = text.lines().map(|line| history(line) + "\n").collect();
        let text = KEYS.iter().fold(text, |text, key| after(&text, key));
        UNITS.iter().fold(text, |text, unit| before(&text, unit))
    }

    fn times(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('T') {
            let start = at.saturating_sub("2026-01-01".len());
            let end = rest[at..].find('Z').map(|z| at + z + 1);
            let found = end
                .and_then(|end| Some((rest.get(start..end)?, end)))
                .filter(|(text, _)| {
                    Timestamp::parse(text.as_bytes()).is_some_and(|t| t >= self.began)
                });
            let (kept, next) = match found {
                Some((_, end)) => {
                    out.push_str(&rest[..start]);
                    ("TIME", end)
                }
                None => (&rest[..=at], at + 1),
            };
            out.push_str(kept);
            rest = &rest[next..];
        }
        out + rest
    }

    fn ids(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if ID_LETTERS.contains(c) {
                word.push(c);
                continue;
            }
            if word.len() < ID_CHARS_MIN {
                out.push_str(&word);
            } else {
                let known = self.ids.iter().position(|id| *id == word);
                let number = known.unwrap_or_else(|| {
                    self.ids.push(word.clone());
                    self.ids.len() - 1
                });
                out.push_str(&format!("ID{}", number + 1));
            }
            word.clear();
            out.push(c);
        }
        out.pop();
        out
    }
}

/// A line of a transaction's history begins with its position.
fn history(line: &str) -> String {
    match line.split_once("  TIME  ") {
        Some((position, rest)) if position.trim().bytes().all(|b| b.is_ascii_digit()) => {
            format!("  N  TIME  {rest}")
        }
        _ => line.to_owned(),
    }
}

fn is_number(c: char) -> bool {
    c.is_ascii_digit() || c == ',' || c == '.'
}

fn before(text: &str, unit: &str) -> String {
    let parts: Vec<_> = text.split(unit).collect();
    let last = parts.len() - 1;
    let cut = |(index, part): (usize, &&str)| {
        let cut = part.trim_end_matches(is_number);
        match index < last && cut.len() < part.len() {
            true => format!("{cut}N"),
            false => (*part).to_owned(),
        }
    };
    let parts: Vec<_> = parts.iter().enumerate().map(cut).collect();
    parts.join(unit)
}

fn after(text: &str, key: &str) -> String {
    let mut parts = text.split(key);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let cut = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        out.push_str(key);
        out.push_str(if cut.len() < part.len() { "N" } else { "" });
        out.push_str(cut);
    }
    out
}

/// A signature depends on ids and times.
fn signatures(text: &str) -> String {
    const KEY: &str = "\"value\": \"";
    const CHARS: usize = 86;
    let mut parts = text.split(KEY);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find('"').unwrap_or(0);
        out.push_str(KEY);
        out.push_str(if end == CHARS {
            "SIGNATURE"
        } else {
            &part[..end]
        });
        out.push_str(&part[end..]);
    }
    out
}

/// A directory with a name of its own.
fn fresh(text: &str) -> String {
    const PREFIX: &str = "txp-demo-";
    let mut parts = text.split(PREFIX);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(PREFIX);
        out.push_str("FRESH");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    out
}
