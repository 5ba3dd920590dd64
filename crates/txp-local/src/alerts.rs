//! The alert table of the embedded host: one JSON-lines file, appended and synced before anyone is
//! told, and the sinks beside it.
//!
//! A control record, not a fold: what was handed to whom cannot be computed again.

mod document;
mod ledger;
mod line;
mod newest;
mod sink;
mod trail;

pub use document::{AlertDocument, HitDocument};
pub use ledger::{Ledger, Waiting};
pub use line::{AlertEntry, Delivery};
pub use newest::Newest;
pub use sink::{Sinks, Terminal};
pub use trail::{Trace, Trail};

#[cfg(test)]
mod tests;
