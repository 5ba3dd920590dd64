//! Counts from what Rust's test runner prints.

use crate::tally::Tally;

/// Adds up the `test result:` lines. An ignored test counts as failed: nothing is skipped.
pub(super) fn tally(output: &str) -> Tally {
    let mut total = Tally::default();
    for line in output
        .lines()
        .filter_map(|line| line.strip_prefix("test result: "))
    {
        total += Tally {
            passed: count(line, " passed"),
            failed: count(line, " failed") + count(line, " ignored"),
        };
    }
    total
}

fn count(line: &str, unit: &str) -> u64 {
    line.split(';')
        .filter_map(|part| part.trim().strip_suffix(unit))
        .filter_map(|part| part.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_added() {
        let output = "running 3 tests\n\
            test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.5s\n";
        assert_eq!(
            tally(output),
            Tally {
                passed: 13,
                failed: 3
            }
        );
    }
}
