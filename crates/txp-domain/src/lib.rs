//! The pure core of the transaction processor: no clock, no randomness, no I/O, no async.
//!
//! Everything here is a value or a function of values. The history of events is the truth; the
//! state of a transaction ([`transaction`]) and of an upload ([`upload`]) are folds of it, and a
//! finding ([`rule`]) is a judgement over it.

mod text;

pub mod alert;
pub mod card;
pub mod event;
pub mod finding;
pub mod id;
pub mod letters;
pub mod money;
pub mod position;
pub mod profile;
pub mod redact;
pub mod row;
pub mod rule;
pub mod terminal;
pub mod time;
pub mod trace;
pub mod transaction;
pub mod upload;
pub mod violation;
