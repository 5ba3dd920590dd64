//! The history on a Kinesis stream: many events in one record, written in order, read again.
//!
//! - [`hash_key`]: where a bucket and a record stand in the stream's hash space;
//! - [`aggregate`]: several events as one record, in the format of the Kinesis Producer Library (KPL);
//! - [`deaggregate`]: that format read again, ours and others';
//! - [`put`]: the one call that writes, as a small trait, and the SDK's client as one;
//! - [`producer`]: the pipeline's sink: gathers, sends, sends again, keeps the order of a bucket;
//! - [`source`]: the position of what was read;
//! - [`read`]: the calls that read, as a small trait as well;
//! - [`reader`]: the pipeline's source: all shards, across resharding;
//! - [`delivered`]: what Lambda hands a function of a stream.
//!
//! Deliberately absent: decoding events (the domain's codec), and polling for the stages (Lambda does
//! that).

pub mod aggregate;
pub mod deaggregate;
pub mod delivered;
pub mod hash_key;
pub mod producer;
pub mod put;
pub mod read;
pub mod reader;
pub mod source;
