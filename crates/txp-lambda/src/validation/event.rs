//! What this function is told, in whatever form it comes.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use txp_aws::s3::key;
use txp_aws::s3::notification::{ObjectCreated, created};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;

/// What this function is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Value")]
pub enum ValidationEvent {
    /// Objects were put; those that are none of ours are left out, and counted.
    Created(Vec<Arrival>, usize),
    /// A file is to be read on.
    Continue(Continuation),
    /// The time has come to look for what was left lying.
    Tick,
    /// S3 tried whether somebody listens.
    Test,
    /// Nothing that this function knows.
    Unknown,
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The bucket that it lies in.
    pub bucket: String,
    /// What is to be read.
    pub task: Continuation,
    /// When it was put, as far as S3 told.
    pub at: Option<Timestamp>,
}

/// A file that is to be read, from its start or on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    /// The upload.
    pub upload_id: UploadId,
    /// The object's key.
    pub key: String,
    /// The object's version.
    pub version: String,
    /// How often it was stopped for want of time.
    #[serde(default)]
    pub hop: u32,
}

#[derive(Serialize)]
struct Message<'a> {
    r#continue: &'a Continuation,
}

impl Continuation {
    /// The event that asks for it.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn to_event(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Message { r#continue: self })
    }
}

impl From<Value> for ValidationEvent {
    fn from(event: Value) -> Self {
        if let Some(continuation) = event.get("continue") {
            return Continuation::deserialize(continuation).map_or(Self::Unknown, Self::Continue);
        }
        if let Some(records) = event.get("Records").and_then(Value::as_array) {
            let arrivals: Vec<_> = records
                .iter()
                .filter_map(created)
                .filter_map(arrival)
                .collect();
            let others = records.len() - arrivals.len();
            return Self::Created(arrivals, others);
        }
        let text = |name| event.get(name).and_then(Value::as_str);
        if text("Event") == Some("s3:TestEvent") {
            Self::Test
        } else if text("detail-type") == Some("Scheduled Event") {
            Self::Tick
        } else {
            Self::Unknown
        }
    }
}

/// `None` for an object that is no upload's.
fn arrival(object: ObjectCreated) -> Option<Arrival> {
    Some(Arrival {
        bucket: object.bucket,
        at: object.at,
        task: Continuation {
            upload_id: key::upload_of(&object.key)?,
            key: object.key,
            version: object.version,
            hop: 0,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(event: Value) -> ValidationEvent {
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn events_are_told_apart() {
        for (event, expected) in [
            (
                json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}),
                ValidationEvent::Test,
            ),
            (
                json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}),
                ValidationEvent::Tick,
            ),
            (
                json!({"Records": []}),
                ValidationEvent::Created(Vec::new(), 0),
            ),
            (
                json!({"Records": [1, null, {"eventName": "ObjectRemoved:Delete"}]}),
                ValidationEvent::Created(Vec::new(), 3),
            ),
            (
                json!({"continue": {"upload_id": "x"}}),
                ValidationEvent::Unknown,
            ),
            (json!({"Records": 7}), ValidationEvent::Unknown),
            (json!(null), ValidationEvent::Unknown),
            (json!([]), ValidationEvent::Unknown),
        ] {
            assert_eq!(read(event.clone()), expected, "{event}");
        }
    }

    #[test]
    fn a_continuation_is_read_back() {
        let continuation = Continuation {
            upload_id: UploadId::new(1, [2; 6]),
            key: "uploads/c/ä b.csv".to_owned(),
            version: "v".to_owned(),
            hop: 3,
        };
        let event = continuation.to_event().unwrap();
        let read: ValidationEvent = serde_json::from_slice(&event).unwrap();
        assert_eq!(read, ValidationEvent::Continue(continuation));
    }

    #[test]
    fn only_files_of_uploads_arrive() {
        let id = UploadId::new(1, [2; 6]);
        let record = |key: String| {
            json!({"eventName": "ObjectCreated:Put", "eventTime": "2026-11-22T10:00:00Z",
                   "s3": {"bucket": {"name": "b"}, "object": {"key": key, "versionId": "v"}}})
        };
        let event = json!({"Records": [
            record(format!("uploads/a+client/{id}.csv")),
            record("uploads/notes.txt".to_owned()),
        ]});
        let ValidationEvent::Created(arrivals, 1) = read(event) else {
            panic!("one of two is an upload")
        };
        let [arrival] = &arrivals[..] else {
            panic!("{arrivals:?}")
        };
        assert_eq!(arrival.task.upload_id, id);
        assert_eq!(arrival.task.key, format!("uploads/a client/{id}.csv"));
    }
}
