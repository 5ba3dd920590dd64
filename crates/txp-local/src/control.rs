//! Control records: clients and their keys, upload links, the key that signs links, the operator's
//! token.
//!
//! Durable on their own, no folds of the history, and not verified against it. Clients and the token
//! may be changed beside a running serve, which notices; links are written by the one serve that
//! holds the directory's lock, and read beside it. Nothing here holds a secret that a client was
//! given: only its hash.
//!
//! Everything is written in letters where it could hold a long run of digits.

mod clients;
mod error;
mod file;
mod kept;
mod keyring;
mod keys;
mod known;
mod letters;
mod links;
mod operator;
mod record;
pub mod rules;
mod signing;
mod suppressions;
mod webhooks;

pub use clients::{Client, ClientKey, Clients, NewClient};
pub use error::ControlError;
pub use keyring::{Caller, KeyRing};
pub use keys::IssuedKey;
pub use known::{Known, read_links};
pub use letters::random_letters;
pub use links::{Issued, Link, Links};
pub use operator::OperatorToken;
pub use record::Arrival;
pub use signing::Signer;
pub use suppressions::Suppressions;
pub use webhooks::Webhooks;

/// Where control records lie in a data directory.
pub const CONTROL_DIR: &str = "control";

#[cfg(test)]
mod tests;
