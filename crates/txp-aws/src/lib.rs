//! AWS adapters of the pipeline's ports: the history on Kinesis, state on DynamoDB, files and
//! quarantine on S3, alerts on SNS.
//!
//! - [`config`]: the clients, built once, and what the environment says;
//! - [`error`]: what an SDK error means for whoever might try again;
//! - [`kinesis`]: aggregated records, in and out;
//! - [`dynamodb`]: the tables as stores.
//!
//! Deliberately absent: stages (they are the pipeline's), Lambda (its crate has the entries), the
//! creation of resources (Pulumi's).

pub mod config;
pub mod dynamodb;
pub mod error;
