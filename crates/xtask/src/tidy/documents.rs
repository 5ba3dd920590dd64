//! ARCHITECTURE.md: short, and everything that it names exists.

use super::tree::Tree;

const PAGE: &str = "ARCHITECTURE.md";
const LINES_MAX: usize = 250;
const INVARIANTS: u32 = 8;
/// Stands in the row of an invariant of something that does not exist yet.
const NOT_BUILT: &str = "| none yet: there is no ";

/// Length, and every path under crates/ and tests/ that stands in backticks.
pub(super) fn architecture(tree: &Tree) -> Vec<String> {
    let Some(page) = tree.text(PAGE) else {
        return vec![format!(
            "{PAGE} is missing: it is the living description of the design"
        )];
    };
    let mut problems = Vec::new();
    let lines = page.lines().count();
    if lines > LINES_MAX {
        problems.push(format!("{PAGE} has {lines} lines: {LINES_MAX} is the most"));
    }
    for (number, code) in backticked(page) {
        let path = code.split(['#', ':']).next().unwrap_or(code);
        let is_path = ["crates/", "tests/", "schemas/"]
            .iter()
            .any(|start| path.starts_with(start))
            && !path.contains(['*', '{', '<', ' ']);
        if is_path && !tree.holds(path) {
            problems.push(format!("{PAGE}:{number}: `{path}` does not exist"));
        }
    }
    problems
}

/// Every numbered row of the invariants table (`| 1 | ... | test |`) names a test that exists.
pub(super) fn invariants(tree: &Tree) -> Vec<String> {
    let Some(page) = tree.text(PAGE) else {
        return vec![format!("{PAGE} is missing: it holds the invariants table")];
    };
    (1..=INVARIANTS)
        .filter_map(|number| {
            let row = page.lines().find(|line| {
                line.trim()
                    .trim_start_matches('|')
                    .trim()
                    .split('|')
                    .next()
                    .map(str::trim)
                    == Some(number.to_string().as_str())
                    && line.trim().starts_with('|')
            });
            let Some(row) = row else {
                return Some(format!(
                    "{PAGE}: no row `| {number} | ...` in the invariants table"
                ));
            };
            // What the invariant is about may not be built; the page then says so.
            if row.contains(NOT_BUILT) {
                return None;
            }
            let named: Vec<&str> = backticked(row).map(|(_, code)| function_of(code)).collect();
            let missing: Vec<&str> = named
                .iter()
                .copied()
                .filter(|name| !is_test(tree, name))
                .collect();
            if named.iter().any(|name| is_test(tree, name)) {
                return None;
            }
            Some(format!(
                "{PAGE}: invariant {number} names no test that exists{}",
                if missing.is_empty() {
                    String::new()
                } else {
                    format!(" (looked for {})", missing.join(", "))
                }
            ))
        })
        .collect()
}

fn function_of(code: &str) -> &str {
    code.rsplit("::")
        .next()
        .unwrap_or(code)
        .trim_end_matches("()")
}

/// Whether a function of that name stands below a test attribute or inside `proptest!`.
fn is_test(tree: &Tree, name: &str) -> bool {
    let declaration = format!("fn {name}(");
    tree.rust().any(|(_, text)| {
        text.split(&declaration)
            .zip(text.split(&declaration).skip(1))
            .any(|(before, _)| {
                before
                    .lines()
                    .rev()
                    .map(str::trim)
                    .skip_while(|line| line.is_empty() || *line == "async")
                    .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
                    .any(|line| {
                        line.starts_with("#[test]")
                            || line.contains("test]")
                            || line.contains("test(")
                    })
            })
    })
}

/// Line number and content of everything in backticks.
fn backticked(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        line.split('`')
            .skip(1)
            .step_by(2)
            .map(move |code| (index + 1, code))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: (&str, &str) = (
        "tests/src/lib.rs",
        "#[test]\nfn counts_add_up() {}\nfn helper() {}\n",
    );

    #[test]
    fn paths_in_backticks_exist() {
        let page = "see `tests/src/lib.rs` and `crates/gone.rs` and `txp-domain`\n";
        let problems = architecture(&Tree::of(&[(PAGE, page), TEST]));
        assert_eq!(
            problems,
            [format!("{PAGE}:1: `crates/gone.rs` does not exist")]
        );
        assert_eq!(architecture(&Tree::of(&[TEST])).len(), 1);
        assert_eq!(
            architecture(&Tree::of(&[(PAGE, &"\n".repeat(251))])).len(),
            1
        );
    }

    #[test]
    fn invariants_name_tests() {
        let rows: String = (1..=8)
            .map(|n| format!("| {n} | words | `counts_add_up` |\n"))
            .collect();
        assert!(invariants(&Tree::of(&[(PAGE, &rows), TEST])).is_empty());
        let other = rows.replace(
            "| 3 | words | `counts_add_up` |",
            "| 3 | words | `helper` |",
        );
        assert_eq!(invariants(&Tree::of(&[(PAGE, &other), TEST])).len(), 1);
        assert_eq!(invariants(&Tree::of(&[(PAGE, ""), TEST])).len(), 8);
    }
}
