//! What S3 tells of new objects, as far as it is of use: read leniently, since fields are added.

use serde::Deserialize;
use serde_json::Value;
use txp_domain::time::Timestamp;

/// The version of an object in a bucket that keeps no versions.
pub const NO_VERSION: &str = "null";

/// Every event of a new object begins so.
const CREATED: &str = "ObjectCreated:";

/// An object that was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectCreated {
    /// The bucket.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// The version; [`NO_VERSION`] if the bucket keeps none.
    pub version: String,
    /// When it was put; the same however often it is told.
    pub at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    event_time: Option<String>,
    s3: Entity,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Named,
    object: Object,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    version_id: Option<String>,
}

/// One record of a notification; `None` if it does not tell of a new object.
#[must_use]
pub fn created(record: &Value) -> Option<ObjectCreated> {
    let record = Record::deserialize(record).ok()?;
    // The event's name has "s3:" before it in configurations, not in notifications.
    let name = record.event_name.strip_prefix("s3:");
    if !name.unwrap_or(&record.event_name).starts_with(CREATED) {
        return None;
    }
    let time = record.event_time.as_deref();
    Some(ObjectCreated {
        bucket: record.s3.bucket.name,
        key: decode_key(&record.s3.object.key)?,
        version: record
            .s3
            .object
            .version_id
            .filter(|version| !version.is_empty())
            .unwrap_or_else(|| NO_VERSION.to_owned()),
        at: time.and_then(|time| Timestamp::parse(time.as_bytes())),
    })
}

/// A key as notifications write it: as in a form, blanks as `+`. `None` if it is not UTF-8 then.
#[must_use]
pub fn decode_key(key: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        decoded.push(match (byte, behind) {
            (b'+', _) => b' ',
            (b'%', [high, low, behind @ ..]) => match (hexadecimal(*high), hexadecimal(*low)) {
                (Some(high), Some(low)) => {
                    rest = behind;
                    high << 4 | low
                }
                _ => b'%',
            },
            _ => *byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hexadecimal(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_new_object_is_told_of_with_its_version() {
        let mut record = json!({
            "eventVersion": "2.1", "awsRegion": "us-east-1", "more": {"unknown": [1]},
            "eventName": "ObjectCreated:Put", "eventTime": "2026-11-22T10:00:00.123Z",
            "s3": {"bucket": {"name": "b", "arn": "a"},
                   "object": {"key": "uploads/a+b/%C3%A4%2B.csv", "size": 5, "versionId": "v1"}},
        });
        let mut expected = ObjectCreated {
            bucket: "b".to_owned(),
            key: "uploads/a b/ä+.csv".to_owned(),
            version: "v1".to_owned(),
            at: Timestamp::parse(b"2026-11-22T10:00:00.123Z"),
        };
        assert_eq!(created(&record), Some(expected.clone()));
        record["s3"]["object"]["versionId"] = Value::Null;
        expected.version = NO_VERSION.to_owned();
        assert_eq!(created(&record), Some(expected));
        record["eventName"] = json!("ObjectRemoved:Delete");
        assert_eq!(created(&record), None);
        for other in [
            json!(null),
            json!({}),
            json!({"eventName": "ObjectCreated:Put"}),
        ] {
            assert_eq!(created(&other), None);
        }
    }

    proptest! {
        #[test]
        fn keys_are_decoded(key in "\\PC{0,40}", broken: String) {
            let encoded: String = key.bytes().map(|byte| match byte {
                b' ' => "+".to_owned(),
                b'a'..=b'z' | b'/' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            }).collect();
            prop_assert_eq!(decode_key(&encoded), Some(key));
            let _decoded = decode_key(&broken);
        }
    }
}
