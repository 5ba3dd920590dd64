//! Trying rules on recorded history: what they would have found, beside what other rules found.
//!
//! The stages that judge live judge here: the history is folded again, in its order, into a state of
//! its own, and every change is looked at by the rules that are tried and by those that they are
//! compared with. So a rule sees only what had arrived, and rules that were active find exactly what
//! they found then. Recorded findings are not looked at; [`parity`] holds them to a second judgement.
//!
//! What is judged streams out, sale by sale ([`Sale`]); with labels it is measured by
//! [`metrics`] on the days that [`days`] names.
//!
//! Deliberately absent: where the history, the state and the labels lie, files, and documents.

pub mod curve;
pub mod days;
mod judge;
pub mod metrics;
pub mod parity;
mod rank;
mod sale;
pub mod tally;

pub use judge::{Activated, Backtest, Baseline, Output, Span, Totals};
pub use sale::Sale;
