//! One `txp` under test: a directory of its own, a fixed fingerprint key, and everything that it
//! printed or wrote, to be searched for card numbers.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod leak;
pub(crate) mod merchant;
pub(crate) mod normal;

use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

pub(crate) const TXP: &str = env!("CARGO_BIN_EXE_txp");

/// A fixed key makes fingerprints the same in every run.
const FINGERPRINT_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Another makes the name of the receipts' key the same.
const RECEIPT_KEY: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

/// What one run ended with.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }

    /// Standard output as exactly one JSON document on one line.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A place to run `txp` in.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    printed: std::cell::RefCell<Vec<u8>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), FINGERPRINT_KEY).unwrap();
        fs::write(folder.path().join("receipt-key"), RECEIPT_KEY).unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        Self {
            folder,
            printed: Default::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Writes an input file.
    pub(crate) fn input(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join("in").join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// `txp` with the place's environment, not started yet.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(TXP);
        command.args(args).current_dir(self.path());
        self.dress(&mut command);
        command
    }

    /// Gives a command the place's environment.
    pub(crate) fn dress(&self, command: &mut Command) {
        command
            .env_remove("RUST_BACKTRACE")
            .env("HOME", self.path())
            .env("TXP_DATA_DIR", "data")
            .env("TMPDIR", self.path())
            .env("TXP_FINGERPRINT_KEY_FILE", self.path().join("key"))
            .env("TXP_RECEIPT_KEY_FILE", self.path().join("receipt-key"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ended {
        self.finish(self.command(args))
    }

    pub(crate) fn finish(&self, mut command: Command) -> Ended {
        self.keep(command.output().unwrap())
    }

    /// Keeps what was printed, to be searched.
    pub(crate) fn keep(&self, output: Output) -> Ended {
        let mut printed = self.printed.borrow_mut();
        printed.extend_from_slice(&output.stdout);
        printed.extend_from_slice(b"\nx\n");
        printed.extend_from_slice(&output.stderr);
        printed.extend_from_slice(b"\nx\n");
        drop(printed);
        let ended = Ended::of(output);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }

    pub(crate) fn json<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> (Option<i32>, Value) {
        let mut command = self.command(args);
        command.arg("--json");
        let ended = self.finish(command);
        (ended.code, ended.json())
    }

    pub(crate) fn process(&self, file: &Path) -> (Option<i32>, Value) {
        self.json([OsStr::new("process"), file.as_os_str()])
    }

    /// Looks for card numbers in everything printed and written.
    pub(crate) fn find_leaks<'a>(&self, planted: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut found = Vec::new();
        let planted: Vec<_> = planted.into_iter().map(leak::digits_of).collect();
        let mut look = |what: &str, bytes: &[u8]| {
            let places = leak::find(bytes, &planted);
            found.extend(
                places
                    .into_iter()
                    .map(|number| format!("{number} in {what}")),
            );
        };
        look("what was printed", &self.printed.borrow());
        for path in files_below(&self.data()) {
            look(&path.display().to_string(), &fs::read(&path).unwrap());
            look("a file's name", path.to_string_lossy().as_bytes());
        }
        found
    }
}

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A `txp serve` on a free port, ended when dropped.
pub(crate) struct Server {
    child: Child,
    first_line: String,
    rest: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(place: &Place) -> Self {
        let mut command = place.command(Self::ARGS);
        command.stderr(Stdio::null());
        Self::of(command)
    }

    pub(crate) const ARGS: [&str; 4] = ["serve", "--listen", "127.0.0.1:0", "--json"];

    /// Of a command that serves, somehow; up and running once it has said where.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut first_line = String::new();
        let mut rest = BufReader::new(child.stdout.take().unwrap());
        rest.read_line(&mut first_line).unwrap();
        let url = first_line.split(['"', ',', ' ']);
        let url = url.clone().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("{first_line}")).to_owned();
        Self {
            child,
            first_line,
            rest,
            url,
        }
    }

    /// What it measured: whether `/metrics` has this line.
    pub(crate) fn tells(&self, line: &str) -> bool {
        let agent = ureq::Agent::config_builder()
            .proxy(None)
            .build()
            .new_agent();
        let answer = agent.get(format!("{}/metrics", self.url)).call();
        let answer = answer.unwrap().body_mut().read_to_string().unwrap();
        answer.lines().any(|found| found == line)
    }

    /// What it printed, once it has ended.
    pub(crate) fn wait(&mut self) -> Output {
        let mut stdout = self.first_line.clone().into_bytes();
        self.rest.read_to_end(&mut stdout).unwrap();
        let mut stderr = Vec::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_end(&mut stderr).unwrap();
        }
        Output {
            status: self.child.wait().unwrap(),
            stdout,
            stderr,
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        signal_child(&self.child, signal);
    }

    /// SIGTERM; the exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, or a test failed: either way nothing of it is left.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends a signal to a process that this test started.
pub(crate) fn signal_child(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Asks a condition until it holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !holds() {
        let waited = started.elapsed();
        assert!(waited.as_secs() < 60, "{what} did not come to pass");
        std::thread::yield_now();
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
}

pub(crate) const HEADER: &str = "transaction_id,amount,merchant_id,card_number,timestamp\n";

/// Public test numbers, of issuers' ranges.
pub(crate) const VISA: &str = "4111111111111111";
pub(crate) const MASTERCARD: &str = "5555555555554444";
pub(crate) const AMEX: &str = "378282246310005";
