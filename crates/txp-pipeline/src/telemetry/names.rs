//! Names of users as dimensions: only those that the operator listed, at most [`LISTED_MAX`].
//!
//! A process of its own that took the first few names it sees would be bounded, a hundred functions
//! that each do would not. A registry of one process bounds by itself; there nothing is listed.

use std::collections::BTreeSet;
use std::sync::OnceLock;

/// What all names are together that have no metric of their own.
pub const OTHER: &str = "other";

/// The most names that have one.
pub const LISTED_MAX: usize = 20;

/// Dimensions whose values are names of users.
const OF_USERS: [&str; 2] = ["client", "merchant"];

static LISTED: OnceLock<BTreeSet<String>> = OnceLock::new();

/// Lists the names that have metrics of their own, separated by commas. Once per process; where it
/// is never called, every name has one, and the collector must bound them.
pub fn list_names(names: &str) {
    let names = names.split(',').map(str::trim).filter(|n| !n.is_empty());
    let names = names.map(str::to_owned).take(LISTED_MAX).collect();
    // The first list stands.
    LISTED.set(names).ok();
}

pub(super) fn is_of_users(dimension: &str) -> bool {
    OF_USERS.contains(&dimension)
}

pub(super) fn is_listed(name: &str) -> bool {
    LISTED.get().is_none_or(|listed| listed.contains(name))
}
