//! What the later stages are run with, made while the workspace compiles: the network and the disk
//! do it, so it costs the compiler nothing.

use super::{node, python};
use crate::tally::Tally;
use anyhow::Result;

pub(super) fn run() -> Result<Tally> {
    let mut total = Tally::default();
    for requirements in [
        python::PULUMI,
        python::FAULTS,
        python::API,
        python::METRICS,
        python::ANALYSTS,
    ] {
        python::interpreter(requirements)?;
        total += Tally::of(true);
    }
    for folder in [node::INTEROP, node::BROWSER] {
        node::modules(folder)?;
        total += Tally::of(true);
    }
    Ok(total)
}
