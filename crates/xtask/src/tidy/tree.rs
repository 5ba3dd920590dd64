//! The files that git tracks, with their text.

use crate::process::{capture, program, root};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;

/// Path and text of every tracked file; a file that is no text has the text that can be read of it.
pub(super) struct Tree(BTreeMap<String, String>);

impl Tree {
    pub(super) fn of_git() -> Result<Self> {
        let root = root()?;
        // New files count too, so that tidy says the same before and after a commit.
        let mut git = program("git")?;
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let listed = capture(&mut git).context("tidy reads the files that git tracks")?;
        let mut files = BTreeMap::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // A file deleted and not yet committed is listed and is not there.
            if let Ok(bytes) = fs::read(root.join(path)) {
                files.insert(
                    path.to_owned(),
                    String::from_utf8_lossy(&bytes).into_owned(),
                );
            }
        }
        Ok(Self(files))
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self(
            files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect(),
        )
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Rust files with their text.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Whether a file or folder is in the tree.
    pub(super) fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files().any(|(file, _)| {
            file.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}
