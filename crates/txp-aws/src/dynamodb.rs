//! The state of design section 5 on DynamoDB: one table per port, one item per thing.
//!
//! Every write is conditional, on a revision, a watermark or a fence, so a write whose answer was
//! lost and that the SDK sends again is refused the second time; the callers read again and find
//! their own change. Reads that a condition is built on are strongly consistent.
//!
//! - [`tables`]: names, keys, indexes; what the deployment must create;
//! - [`transactions`], [`uploads`], [`profiles`], [`alerts`]: the ports;
//! - [`clients`]: who may ask;
//! - [`stream`]: what changed in the transactions, as judgements that are due;
//! - [`rebuild`]: a table made again from the history, and read through;
//! - [`State`]: transactions and uploads together, as the aggregator takes them.
//!
//! Deliberately absent: transactions over several items (no step needs one: what comes first is
//! harmless alone), and the creation of tables but for a replay's.

mod attributes;
mod batch_get;
mod connection;
mod position;
mod state;

pub mod alerts;
pub mod clients;
pub mod profiles;
pub mod rebuild;
pub mod stream;
pub mod tables;
pub mod transactions;
pub mod uploads;

pub use attributes::Damage;
pub use connection::Connection;
pub use state::State;
