//! The alert table of the embedded host: one JSON-lines file, appended and synced before anyone is
//! told, and the sinks beside it.
//!
//! A control record, not a fold: what was handed to whom cannot be computed again.

mod ledger;
mod sink;

pub use ledger::{AlertEntry, Delivery, Ledger, read_entries};
pub use sink::{Sinks, Terminal};
