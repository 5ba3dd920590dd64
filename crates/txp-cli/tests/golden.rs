//! Scripts of commands with what they print, in `golden/`: `> name` and `| line` write an input
//! file, `$ txp ...` runs a command, `& txp ...` one that serves until it is ended. Behind it stand its exit code (`=`), standard output (`1`) and
//! standard error (`2`) as they must be. `UPDATE_GOLDEN=1 cargo test --test golden` writes them
//! anew, to be read before they are committed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use std::fs;
use std::path::Path;
use support::normal::Normal;
use support::{Place, Server};

const UPDATE: &str = "UPDATE_GOLDEN";

macro_rules! scripts {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })+

        #[test]
        fn every_script_is_run() {
            let mut named = vec![$(concat!(stringify!($name), ".txt").to_owned()),+];
            named.sort();
            let files = fs::read_dir(folder()).unwrap();
            let mut there: Vec<_> = files
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            there.sort();
            assert_eq!(named, there);
        }
    };
}

scripts! {
    alerts
    clients
    demo
    doctor
    dry_run
    events
    generate
    help
    operator_token
    options
    plan
    process
    replay
    receipt
    rules
    serve
    several_files
    status
    strict
    transactions
    trace
    uploads
    wrong_use
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn check(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let script = fs::read_to_string(&path).unwrap();
    let actual = run(&script);
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, actual).unwrap();
        return;
    }
    assert!(
        script == actual,
        "{name} has changed; {UPDATE}=1 writes it anew:\n{}",
        first_difference(&script, &actual)
    );
}

fn first_difference(expected: &str, actual: &str) -> String {
    let mut lines = expected.lines().zip(actual.lines()).enumerate();
    match lines.find(|(_, (expected, actual))| expected != actual) {
        Some((index, (expected, actual))) => {
            format!("line {}\n- {expected}\n+ {actual}", index + 1)
        }
        None => "one goes on where the other ends".to_owned(),
    }
}

/// The script with what its commands print now.
fn run(script: &str) -> String {
    let place = Place::new();
    let mut normal = Normal::new(place.path());
    let mut out = String::new();
    let mut lines = script.lines().peekable();
    while let Some(line) = lines.next() {
        let is_output = ["= ", "1 ", "2 "].iter().any(|mark| line.starts_with(mark));
        if is_output || line == "1" || line == "2" {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if let Some(name) = line.strip_prefix("> ") {
            let mut text = String::new();
            while let Some(row) = lines.next_if(|line| line.starts_with("| ")) {
                out.push_str(row);
                out.push('\n');
                text.push_str(row.trim_start_matches("| "));
                text.push('\n');
            }
            fs::write(place.path().join(name), text).unwrap();
        }
        let ended = if let Some(command) = line.strip_prefix("$ txp") {
            Some(place.run(words(command)))
        } else {
            line.strip_prefix("& txp").map(|command| {
                let mut server = Server::of(place.command(words(command)));
                server.signal(rustix::process::Signal::TERM);
                place.keep(server.wait())
            })
        };
        if let Some(ended) = ended {
            out.push_str(&format!("= {}\n", ended.code.unwrap()));
            let stdout = pretty(&ended.stdout);
            push_marked(&mut out, '1', &normal.apply(&stdout));
            push_marked(&mut out, '2', &normal.apply(&ended.stderr));
        }
    }
    assert_eq!(
        place.find_leaks([support::VISA, support::MASTERCARD]),
        Vec::<String>::new()
    );
    out
}

/// Words with blanks between, or in single quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// JSON documents over several lines, for people who compare them.
fn pretty(stdout: &str) -> String {
    let document = |line: &str| -> Option<serde_json::Value> {
        line.starts_with('{')
            .then(|| serde_json::from_str(line).ok())?
    };
    let pretty = |line: &str| match document(line) {
        Some(document) => serde_json::to_string_pretty(&document).unwrap(),
        None => line.to_owned(),
    };
    stdout.lines().map(|line| pretty(line) + "\n").collect()
}

fn push_marked(out: &mut String, mark: char, text: &str) {
    for line in text.lines() {
        out.push_str(format!("{mark} {line}").trim_end());
        out.push('\n');
    }
}
