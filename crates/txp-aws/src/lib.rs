//! AWS adapters of the pipeline's ports: the history on Kinesis, state on DynamoDB.
//!
//! - [`clock`]: the time;
//! - [`config`]: the clients, built once, and what the environment says;
//! - [`cost`]: what calls cost, as an estimate;
//! - [`deployment`]: a deployment as an operator looks at it;
//! - [`dynamodb`]: the tables as stores;
//! - [`error`]: what an SDK error means for whoever might try again;
//! - [`history`]: the archive and the stream behind it, as one;
//! - [`invoke`]: calling a function;
//! - [`kinesis`]: aggregated records, in and out;
//! - [`quarantine`]: what cannot be processed, by position;
//! - [`random`]: new upload ids;
//! - [`redrive`]: rows rejected by mistake, read again by the functions;
//! - [`rules`]: the operator's rule file;
//! - [`s3`]: objects in buckets, links to them, the archive;
//! - [`secrets`]: the fingerprint key, the key of receipts;
//! - [`sns`]: alerts to people;
//! - [`webhooks`]: who is told over webhooks.
//!
//! Deliberately absent: stages (they are the pipeline's), the functions that call them, the creation
//! of resources.

pub mod clock;
pub mod config;
pub mod cost;
pub mod deployment;
pub mod dynamodb;
pub mod error;
pub mod history;
pub mod invoke;
pub mod kinesis;
pub mod quarantine;
pub mod random;
pub mod redrive;
pub mod rules;
pub mod s3;
pub mod secrets;
pub mod sns;
pub mod webhooks;
