//! Aggregates to and from files, for tests that hold them to other libraries.
//!
//! `aggregates write USER_RECORDS OUT`: aggregates user records bucket by bucket;
//! `aggregates read KINESIS_RECORDS OUT`: reads Kinesis records' user records.
//!
//! One record a line, fields by tabs, keys and data in hexadecimal:
//! user record: partition key, data; Kinesis record: partition key, explicit hash key, data;
//! what was read: line of the Kinesis record from 0, subsequence, partition key, explicit hash key
//! or `-`, bucket, data.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use txp_aws::kinesis::aggregate::Aggregate;
use txp_aws::kinesis::deaggregate::deaggregate;
use txp_aws::kinesis::source::bucket_of;
use txp_domain::position::Bucket;

/// Small, so that a bucket has several aggregates.
const AGGREGATE_BYTES: usize = 5_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, from, to] = arguments.as_slice() else {
        return Err("usage: aggregates write|read IN OUT".into());
    };
    let text = std::fs::read_to_string(from)?;
    match command.as_str() {
        "write" => write(&text, Path::new(to)),
        "read" => read(&text, Path::new(to)),
        _ => Err("usage: aggregates write|read IN OUT".into()),
    }
}

fn write(text: &str, to: &Path) -> Result<(), Box<dyn Error>> {
    let mut aggregates: BTreeMap<Bucket, Aggregate> = BTreeMap::new();
    let mut out = String::new();
    for line in text.lines() {
        let (key, data) = line
            .split_once('\t')
            .ok_or("a user record has two fields")?;
        let (key, data) = (String::from_utf8(from_hex(key)?)?, from_hex(data)?);
        let bucket = Bucket::of(key.as_bytes());
        let aggregate = aggregates
            .entry(bucket)
            .or_insert_with(|| Aggregate::new(bucket));
        if aggregate.size_bytes_with(&key, &data) > AGGREGATE_BYTES {
            put(&mut out, aggregate)?;
        }
        aggregate.push(&key, &data);
    }
    for aggregate in aggregates.values_mut() {
        put(&mut out, aggregate)?;
    }
    Ok(std::fs::write(to, out)?)
}

fn put(out: &mut String, aggregate: &mut Aggregate) -> Result<(), Box<dyn Error>> {
    let Some(entry) = aggregate.finish() else {
        return Ok(());
    };
    let key = to_hex(entry.partition_key.as_bytes());
    let hash_key = entry.explicit_hash_key();
    writeln!(out, "{key}\t{hash_key}\t{}", to_hex(&entry.data))?;
    Ok(())
}

fn read(text: &str, to: &Path) -> Result<(), Box<dyn Error>> {
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [key, _hash_key, data] = fields.as_slice() else {
            return Err("a Kinesis record has three fields".into());
        };
        let (key, data) = (String::from_utf8(from_hex(key)?)?, from_hex(data)?);
        let mut users = Vec::new();
        deaggregate(&data, &key, &mut users);
        for user in &users {
            writeln!(
                out,
                "{number}\t{}\t{}\t{}\t{}\t{}",
                user.subsequence,
                to_hex(user.partition_key.as_bytes()),
                user.explicit_hash_key.unwrap_or("-"),
                bucket_of(user).0,
                to_hex(user.data)
            )?;
        }
    }
    Ok(std::fs::write(to, out)?)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err("hexadecimal digits come in pairs".into());
    }
    let byte = |pair: &[u8; 2]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    pairs.iter().map(byte).collect()
}
