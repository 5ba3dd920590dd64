//! A reader's place, written down.

use super::shards::{Shards, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use txp_pipeline::port::{ErrorKind, PortError};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    stream: String,
    shards: BTreeMap<String, ShardDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShardDocument {
    /// The last sequence number read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    /// Up to when all that had arrived was read, Unix milliseconds: what tells later whether the
    /// stream still has what comes behind. Places of before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read_to: Option<i64>,
    /// All of it was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

pub(super) fn write(stream: &str, shards: &Shards) -> String {
    let document = |shard: &super::Shard| {
        let ended = shard.state == State::Ended;
        // Of one that has ended nothing is read again.
        let last = shard.last.clone().filter(|_| !ended);
        let is_begun = ended || last.is_some();
        let read_to = shard.read_to_millis.filter(|_| last.is_some());
        let document = ShardDocument {
            last,
            read_to,
            ended,
        };
        is_begun.then(|| (shard.id.clone(), document))
    };
    let document = Document {
        stream: stream.to_owned(),
        shards: shards.all().filter_map(document).collect(),
    };
    // Texts and flags: nothing of it can fail to be JSON.
    serde_json::to_string(&document).unwrap_or_default()
}

pub(super) fn read(place: &str, stream: &str) -> Result<Shards, PortError> {
    let document: Option<Document> = serde_json::from_str(place).ok();
    let Some(document) = document.filter(|document| document.stream == stream) else {
        let context = format!(
            "the place to go on from is not one of the stream {stream}; begin again without it"
        );
        return Err(PortError::new(ErrorKind::Permanent, context));
    };
    let mut shards = Shards::default();
    for (id, document) in document.shards {
        let ShardDocument {
            last,
            read_to,
            ended,
        } = document;
        shards.resume(id, last, read_to, ended);
    }
    Ok(shards)
}
