//! One data directory and the `txp` that works in it; everything printed is kept.

use super::Problems;
use super::leak::{self, Known};
use anyhow::{Context, Result};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) struct Host {
    txp: PathBuf,
    folder: PathBuf,
    known: Known,
    printed: Vec<u8>,
}

/// What one run of `txp` ended with.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    /// The one JSON document on standard output.
    pub(super) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| {
            format!(
                "standard output is not one JSON document (exit {:?})",
                self.code
            )
        })
    }
}

impl Host {
    pub(super) fn new(txp: &Path, folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("inputs"))?;
        Ok(Self {
            txp: txp.to_path_buf(),
            folder,
            known: Known::default(),
            printed: Vec::new(),
        })
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A file to process, outside what is searched for leaks.
    pub(super) fn input(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join("inputs").join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Card numbers that go in and must not come out.
    pub(super) fn plant<'a>(&mut self, numbers: impl IntoIterator<Item = &'a str>) {
        numbers
            .into_iter()
            .for_each(|number| self.known.add(number));
    }

    /// Runs `txp` on the data directory.
    pub(super) fn run<S: AsRef<OsStr>>(&mut self, arguments: &[S]) -> Result<Ended> {
        let mut command = Command::new(&self.txp);
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.data_dir());
        // The fingerprint key goes to the user's configuration folder: here, to one of this check.
        command
            .env("HOME", self.folder.join("user"))
            .env("XDG_CONFIG_HOME", self.folder.join("user/config"));
        let output = command
            .output()
            .with_context(|| format!("cannot run {}", self.txp.display()))?;
        self.printed.extend_from_slice(&output.stdout);
        self.printed.push(b'\n');
        self.printed.extend_from_slice(&output.stderr);
        self.printed.push(b'\n');
        Ok(Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).context("standard output is not UTF-8")?,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Processes a file, with what holds for every file: exit code, one JSON document, no panic,
    /// counts that add up. Hands back the file's report.
    pub(super) fn process(
        &mut self,
        file: &Path,
        more: &[String],
        problems: &mut Problems,
    ) -> Result<Value> {
        let mut arguments = vec![
            OsStr::new("process"),
            file.as_os_str(),
            OsStr::new("--json"),
        ];
        arguments.extend(more.iter().map(OsStr::new));
        let ended = self.run(&arguments)?;
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if ended.stderr.contains("panicked") {
            problems.add(format!("{name}: txp panicked"));
        }
        let json = ended.json().with_context(|| name.clone())?;
        let report = json
            .pointer("/files/0")
            .with_context(|| format!("{name}: no files[0] in the report"))?
            .clone();
        let state = text(&report, "state");
        let expected_code = if state == "failed" { 3 } else { 0 };
        problems.equal(
            &format!("{name}: exit code of a file that is {state}"),
            ended.code,
            Some(expected_code),
        );
        match state {
            "completed" => {
                let sum = ["accepted", "rejected", "duplicates", "conflicts"]
                    .map(|key| count(&report, key))
                    .iter()
                    .sum();
                problems.equal(
                    &format!("{name}: sum of the counts and rows"),
                    count(&report, "rows"),
                    sum,
                );
            }
            "failed" => {
                if text(&report, "error").trim().is_empty() {
                    problems.add(format!("{name}: failed without an `error` that says why"));
                }
            }
            other => problems.add(format!(
                "{name}: state {other:?} is neither completed nor failed"
            )),
        }
        Ok(report)
    }

    /// The document of a transaction.
    pub(super) fn status(&mut self, id: &str) -> Result<Value> {
        self.run(&["status", id, "--json"])?
            .json()
            .with_context(|| format!("status of {id}"))
    }

    /// How many events of a type the history holds.
    pub(super) fn events(&mut self, kind: &str) -> Result<usize> {
        let source = format!("local:{}", self.data_dir().display());
        let ended = self.run(&["events", "--source", &source, "--type", kind])?;
        anyhow::ensure!(
            ended.code == Some(0),
            "events --type {kind} ended with {:?}: {}",
            ended.code,
            ended.stderr.trim()
        );
        Ok(ended.stdout.lines().filter(|line| !line.is_empty()).count())
    }

    /// Every card number found in what was printed or lies in the data directory.
    pub(super) fn leaks(&self) -> Result<Vec<String>> {
        let mut found = leak::search("the output", &self.printed, &self.known);
        let mut folders = vec![self.data_dir()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&self.folder)?.display().to_string();
                found.extend(leak::search(
                    "the name of a file",
                    name.as_bytes(),
                    &self.known,
                ));
                found.extend(leak::search(&name, &fs::read(&path)?, &self.known));
            }
        }
        Ok(found)
    }

    pub(super) fn remove(&self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.folder)?)
    }
}

pub(super) fn count(value: &Value, key: &str) -> u64 {
    value
        .get(key)
        .and_then(Value::as_u64)
        .unwrap_or(u64::MAX / 8)
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
