//! Checks of source files: length, headers, purity of the domain, nothing unfinished.

use super::tree::Tree;

const FOLDERS: &[&str] = &[
    ".cargo",
    ".ci",
    "crates",
    "dashboards",
    "pulumi",
    "schemas",
    "sql",
    "tests",
];

/// Lines at which a file is split.
const LINES_MAX: usize = 600;

/// Lines of code that a lib.rs may hold beside docs, modules and re-exports.
const LIB_CODE_LINES_MAX: usize = 5;

/// What would end a function early, hide a test or make it wait for the clock. Written in two
/// parts, or this file would be its own finding.
const UNFINISHED: &[(&str, &str, &str)] = &[
    ("todo", "!(", "finish it"),
    ("unimplemented", "!(", "finish it"),
    ("dbg", "!(", "remove it"),
    ("#[ign", "ore", "a skipped test is a failure"),
    (SLEEP, "eep(", "wait on a condition with a limit"),
];
const SLEEP: &str = "thread::sl";

/// What the pure core has not: clock, files, network, environment, randomness, async.
const IMPURE: &[&str] = &[
    "SystemTime",
    "Instant",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "rand::",
    "getrandom",
    "async ",
    ".await",
];

pub(super) fn top_level(tree: &Tree) -> Vec<String> {
    let mut folders: Vec<&str> = tree
        .files()
        .filter_map(|(path, _)| path.split_once('/'))
        .map(|(folder, _)| folder)
        .collect();
    folders.dedup();
    folders
        .into_iter()
        .filter(|folder| !FOLDERS.contains(folder))
        .map(|folder| format!("{folder}/ is not one of {}", FOLDERS.join(", ")))
        .collect()
}

pub(super) fn length(tree: &Tree) -> Vec<String> {
    tree.files()
        .filter(|(path, _)| path.ends_with(".rs") || path.ends_with(".py"))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{path} has {lines} lines: split it, {LINES_MAX} is the most"))
        .collect()
}

pub(super) fn headers(tree: &Tree) -> Vec<String> {
    tree.rust()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| {
            format!("{path} does not start with a `//!` header that says what it is and why")
        })
        .collect()
}

pub(super) fn lib_files(tree: &Tree) -> Vec<String> {
    tree.rust()
        .filter(|(path, _)| path.ends_with("/src/lib.rs"))
        .filter_map(|(path, text)| {
            let code = code_lines_of_lib(text);
            (code > LIB_CODE_LINES_MAX).then(|| {
                format!("{path} holds {code} lines of code: it is docs, modules and re-exports")
            })
        })
        .collect()
}

fn code_lines_of_lib(text: &str) -> usize {
    let (mut in_use, mut in_attribute) = (false, false);
    text.lines()
        .map(str::trim)
        .filter(|line| {
            let starts_use = ["use ", "pub use ", "pub(crate) use "]
                .iter()
                .any(|start| line.starts_with(start));
            let part_of_use = in_use || starts_use;
            if part_of_use {
                in_use = !line.ends_with(';');
            }
            let part_of_attribute = in_attribute || line.starts_with("#![");
            if part_of_attribute {
                in_attribute = !line.ends_with(']');
            }
            let module = line.ends_with(';')
                && ["mod ", "pub mod ", "pub(crate) mod "]
                    .iter()
                    .any(|start| line.starts_with(start));
            !(part_of_use
                || part_of_attribute
                || module
                || line.is_empty()
                || line.starts_with("//")
                || line.starts_with('#'))
        })
        .count()
}

pub(super) fn unfinished(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.rust() {
        for (number, line) in code(text) {
            for (head, tail, advice) in UNFINISHED {
                // Where the product waits, clippy asks for the reason.
                let may_wait = *head == SLEEP && !is_test_file(path);
                if !may_wait && line.contains(&format!("{head}{tail}")) {
                    problems.push(format!("{path}:{number}: `{head}{tail}`: {advice}"));
                }
            }
        }
    }
    problems
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("tests.rs")
}

/// Whether a line uses a name, which is not only the end of a longer one.
fn uses(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line.get(..at).and_then(|start| start.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

pub(super) fn pure_domain(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree
        .rust()
        .filter(|(path, _)| path.starts_with("crates/txp-domain/src/"))
    {
        if is_test_file(path) {
            continue;
        }
        // What is only for tests comes last in a file.
        let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
        for (number, line) in code(product) {
            for impure in IMPURE.iter().filter(|impure| uses(line, impure)) {
                problems.push(format!(
                    "{path}:{number}: `{}`: the domain has no clock, randomness, I/O or async",
                    impure.trim()
                ));
            }
        }
    }
    problems
}

pub(super) fn lints(tree: &Tree) -> Vec<String> {
    tree.files()
        .filter(|(path, _)| path.ends_with("/Cargo.toml"))
        .filter(|(_, text)| !text.contains("[lints]\nworkspace = true"))
        .map(|(path, _)| {
            format!("{path} does not inherit the lints: add `[lints]` with `workspace = true`")
        })
        .collect()
}

/// Numbered lines without what comes after `//`.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_fault_and_nothing_else() {
        type Case<'a> = (fn(&Tree) -> Vec<String>, &'a str, String, usize);
        let dotted = format!("//! A.\nfn f() {{ {}{}x) }}\n", "dbg", "!(");
        let slept = format!("//! A.\nfn f() {{ {}{}d) }}\n", "std::thread::sl", "eep(");
        let cases: [Case<'_>; 18] = [
            (top_level, "crates/a.rs", String::new(), 0),
            (top_level, "README.md", String::new(), 0),
            (top_level, "scratch/a.rs", String::new(), 1),
            (length, "crates/a.rs", "//! A.\n".repeat(600), 0),
            (length, "crates/a.py", "#\n".repeat(601), 1),
            (headers, "crates/a.rs", "//! A.\n".to_owned(), 0),
            (headers, "crates/a.rs", "use a;\n".to_owned(), 1),
            (
                lib_files,
                "crates/a/src/lib.rs",
                "//! A.\nmod b;\npub use b::{\n    C,\n    D,\n    E,\n    F,\n    G,\n};\n"
                    .to_owned(),
                0,
            ),
            (
                lib_files,
                "crates/a/src/lib.rs",
                "fn f() {\n1;\n2;\n3;\n4;\n}\n".to_owned(),
                1,
            ),
            (unfinished, "crates/a.rs", dotted, 1),
            (unfinished, "tests/a.rs", slept, 1),
            (
                unfinished,
                "crates/a.rs",
                "fn f() {} // nothing left".to_owned(),
                0,
            ),
            (
                pure_domain,
                "crates/txp-domain/src/a.rs",
                "use std::time::SystemTime;\n".to_owned(),
                1,
            ),
            (
                pure_domain,
                "crates/txp-domain/src/a.rs",
                "//! No std::fs here.\n".to_owned(),
                0,
            ),
            (
                pure_domain,
                "crates/txp-domain/src/a.rs",
                "#[cfg(test)]\nmod tests {\nuse std::fs;\n}\n".to_owned(),
                0,
            ),
            (
                pure_domain,
                "crates/txp-local/src/a.rs",
                "use std::fs;\n".to_owned(),
                0,
            ),
            (
                lints,
                "crates/a/Cargo.toml",
                "[lints]\nworkspace = true\n".to_owned(),
                0,
            ),
            (lints, "crates/a/Cargo.toml", "[package]\n".to_owned(), 1),
        ];
        for (index, (check, path, text, expected)) in cases.into_iter().enumerate() {
            let problems = check(&Tree::of(&[(path, &text)]));
            assert_eq!(problems.len(), expected, "case {index}: {problems:?}");
        }
    }
}
