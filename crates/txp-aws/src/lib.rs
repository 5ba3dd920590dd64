//! AWS adapters of the pipeline's ports: the history on Kinesis, state on DynamoDB.
//!
//! - [`clock`]: the time;
//! - [`config`]: the clients, built once, and what the environment says;
//! - [`error`]: what an SDK error means for whoever might try again;
//! - [`kinesis`]: aggregated records, in and out;
//! - [`dynamodb`]: the tables as stores;
//! - [`rules`]: the operator's rule file;
//! - [`s3`]: objects in buckets;
//! - [`sns`]: alerts to people.
//!
//! Deliberately absent: stages (they are the pipeline's), the functions that call them, the creation
//! of resources.

pub mod clock;
pub mod config;
pub mod dynamodb;
pub mod error;
pub mod kinesis;
pub mod rules;
pub mod s3;
pub mod sns;
