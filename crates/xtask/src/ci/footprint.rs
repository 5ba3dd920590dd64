//! The packed functions: packed twice they are the same, and each holds what it should and no more.
//! The time to the first request and the memory are printed, not judged: a machine that does other
//! things besides makes them what it likes.

use crate::output::{complain, say};
use crate::process::PROFILE;
use crate::tally::Tally;
use crate::{footprint, package};
use anyhow::Result;

/// How often each function is started.
const STARTS: u32 = 5;

pub(super) fn run() -> Result<Tally> {
    let mut total = package::run(&package::Options::of_profile(PROFILE))?;
    for (name, is_same) in package::is_same_again()? {
        total += Tally::of(is_same);
        if is_same {
            say(&format!("{name:<12} is the same packed twice"));
        } else {
            complain(&format!(
                "FAILED: {name} is another file each time it is packed"
            ));
        }
    }
    total += footprint::run(STARTS)?;
    Ok(total)
}
