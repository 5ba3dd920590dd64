//! The rule file: JSON, a closed set of typed rules, no code.
//!
//! A file is read key by key, so that every fault is named with its path and all are found in one
//! run; unknown keys, keys named twice and numbers that are not whole are refused. Its canonical
//! form is what [`RuleFile::to_json`] prints: keys in a fixed order, defaults written out,
//! thresholds by currency code. The rule set's SHA-256 is that of the canonical form, so layout and
//! order of keys do not change it, and a printed file reads back as the same rule set.
//!
//! What makes a set of rules sound is checked by the domain ([`RuleSet::check`]), not here.

mod form;
mod read;
mod scorecard;

pub use form::{Alerts, Deviation, RuleEntry, RuleFile, Velocity};
pub use scorecard::{Marks, ScorecardEntry, SignalEntry};

use sha2::{Digest, Sha256};
use std::fmt;
use txp_domain::rule::{Fault, RuleSet};

/// The most bytes of a rule file: 64 rules with every currency have less than half of it.
pub const RULE_FILE_BYTES_MAX: usize = 1 << 20;

const DEFAULT: &str = include_str!("rulefile/default.json");

/// A rule file that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedRules {
    /// What the file says, defaults filled in.
    pub file: RuleFile,
    /// The rules to judge by.
    pub rules: RuleSet,
}

impl CheckedRules {
    /// The rules of a file as history holds it.
    ///
    /// # Errors
    /// With every fault found in it.
    pub fn recorded(file: &serde_json::Value) -> Result<Self, RuleFileError> {
        parse(file.to_string().as_bytes())
    }

    /// SHA-256 of the canonical file, in hexadecimal.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        let bytes = self.rules.sha256().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Why a text is no rule file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleFileError {
    /// It has too many bytes.
    #[error("rule file has {0} bytes, at most {RULE_FILE_BYTES_MAX} are read; is it a rule file?")]
    TooLong(usize),
    /// It is no JSON.
    #[error(
        "rule file is no JSON at line {line}, column {column}; `txp rules show` prints a valid one"
    )]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// It is JSON, but not a sound set of rules.
    #[error("rule file has {} fault(s): {}", .0.len(), Joined(.0))]
    Faults(Vec<Fault>),
}

struct Joined<'a>(&'a [Fault]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Reads and checks a rule file.
///
/// # Errors
/// If it is no JSON, or with every fault found in it.
pub fn parse(bytes: &[u8]) -> Result<CheckedRules, RuleFileError> {
    if bytes.len() > RULE_FILE_BYTES_MAX {
        return Err(RuleFileError::TooLong(bytes.len()));
    }
    let node = serde_json::from_slice(bytes).map_err(|error| RuleFileError::Json {
        line: error.line(),
        column: error.column(),
    })?;
    let file = read::rule_file(&node).map_err(RuleFileError::Faults)?;
    let sha256 = Sha256::digest(file.to_json().as_bytes()).into();
    let rules = RuleSet::check(file.to_parts(), sha256).map_err(RuleFileError::Faults)?;
    Ok(CheckedRules { file, rules })
}

/// The rules that judge unless others are activated.
///
/// # Errors
/// Never: the file is a part of the program, and a test reads it.
pub fn default_rules() -> Result<CheckedRules, RuleFileError> {
    parse(DEFAULT.as_bytes())
}

/// The JSON Schema of a rule file.
#[must_use]
pub fn json_schema() -> schemars::Schema {
    schemars::schema_for!(RuleFile)
}

#[cfg(test)]
mod tests;
