//! What lies in quarantine, read again.

use super::{Document, PREFIX};
use crate::error::port_error;
use crate::s3::Bucket;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use txp_domain::position::{Bucket as EventBucket, Position};
use txp_pipeline::history::position_of;
use txp_pipeline::port::{ErrorKind, PortError};

/// Objects read at the same time.
const IN_FLIGHT_MAX: usize = 16;
/// The most bytes of one: it tells of a thousand stretches at some 200 bytes each.
const OBJECT_BYTES_MAX: u64 = 1 << 20;

/// The events of one record of a stream that a stage could not process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where the object is.
    pub key: String,
    /// The stage.
    pub stage: String,
    /// How many events they are.
    pub events: u64,
    /// Neighbours with one reason, as far as they are told apart: all of them may be fewer than
    /// [`Self::events`].
    pub stretches: Vec<KeptStretch>,
}

/// Events of one bucket, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptStretch {
    /// The first.
    pub position: Position,
    /// How many.
    pub events: u64,
    /// Why they are there.
    pub reason: String,
}

impl KeptStretch {
    /// Where each of them stands.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        let first = &self.position;
        (0..self.events).map_while(|at| {
            let subsequence = first.subsequence.checked_add(at)?;
            Some(Position {
                subsequence,
                ..first.clone()
            })
        })
    }
}

/// Everything in the quarantine, by name: of no more than so many records. The second is whether there
/// are more.
///
/// # Errors
/// It cannot be read, or holds what is no such object.
pub async fn kept(bucket: &Bucket, records_max: usize) -> Result<(Vec<Kept>, bool), PortError> {
    let (keys, has_more) = keys(bucket, records_max).await?;
    let read = keys.into_iter().map(|key| read(bucket, key));
    let read = stream::iter(read).buffered(IN_FLIGHT_MAX);
    let kept: Vec<Option<Kept>> = read.try_collect().await?;
    Ok((kept.into_iter().flatten().collect(), has_more))
}

async fn keys(bucket: &Bucket, records_max: usize) -> Result<(Vec<String>, bool), PortError> {
    let mut keys = Vec::new();
    let mut next = None;
    loop {
        let list = bucket.client().list_objects_v2().bucket(bucket.name());
        let list = list.prefix(PREFIX).set_continuation_token(next).send();
        let page = list.await.map_err(|error| {
            let context = format!("listing s3://{}/{PREFIX} failed", bucket.name());
            port_error(context, error)
        })?;
        let found = page.contents().iter().filter_map(|object| object.key());
        keys.extend(found.map(str::to_owned));
        next = page.next_continuation_token().map(str::to_owned);
        if keys.len() > records_max {
            keys.truncate(records_max);
            return Ok((keys, true));
        }
        if next.is_none() {
            return Ok((keys, false));
        }
    }
}

/// None, if it is gone by now.
async fn read(bucket: &Bucket, key: String) -> Result<Option<Kept>, PortError> {
    let Some(json) = bucket.get(&key, OBJECT_BYTES_MAX).await? else {
        return Ok(None);
    };
    match kept_of(&key, &json) {
        Some(kept) => Ok(Some(kept)),
        None => {
            let context = format!("s3://{}/{key} is nothing of a quarantine", bucket.name());
            Err(PortError::new(ErrorKind::Permanent, context))
        }
    }
}

fn kept_of(key: &str, json: &[u8]) -> Option<Kept> {
    let document: Document<'_> = serde_json::from_slice(json).ok()?;
    let first = position_of(&document.position)?;
    let mut stretches = Vec::with_capacity(document.stretches.len().max(1));
    for stretch in &document.stretches {
        let more = stretch
            .last_subsequence
            .checked_sub(stretch.first_subsequence)?;
        stretches.push(KeptStretch {
            position: Position {
                bucket: EventBucket(stretch.bucket),
                subsequence: stretch.first_subsequence,
                ..first.clone()
            },
            events: more.checked_add(1)?,
            reason: stretch.reason.clone(),
        });
    }
    if stretches.is_empty() {
        stretches.push(KeptStretch {
            position: first,
            events: 1,
            reason: document.reason,
        });
    }
    Some(Kept {
        key: key.to_owned(),
        stage: document.stage.into_owned(),
        events: document.events,
        stretches,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever lies there, nothing panics, and what is told of stays within what was written.
        #[test]
        fn no_object_is_a_panic(json in ".{0,200}", number in any::<[u64; 3]>()) {
            prop_assert!(kept_of("k", json.as_bytes()).is_none());
            let [events, first, last] = number;
            let json = format!(
                r#"{{"stage":"s","position":{{"bucket":1,"sequence":"7","subsequence":{first}}},"reason":"r","events":{events},"stretches":[{{"bucket":2,"first_subsequence":{first},"last_subsequence":{last},"reason":"r"}}]}}"#
            );
            if let Some(kept) = kept_of("k", json.as_bytes()) {
                let positions: Vec<_> = kept.stretches[0].positions().take(3).collect();
                prop_assert!(positions.iter().all(|at| (first..=last).contains(&at.subsequence)));
                prop_assert!(!positions.is_empty());
            }
        }
    }
}
