//! A file in a bucket, and several places that it is read into: a stream, a table, a bucket of
//! reports each. What is read from one file into two places is the same, byte for byte.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use txp_aws::clock::SystemClock;
use txp_aws::dynamodb::uploads::{Announcement, Uploads};
use txp_aws::dynamodb::{Connection, tables};
use txp_aws::kinesis::read::StreamReader;
use txp_aws::kinesis::reader::StreamSource;
use txp_aws::s3::{Bucket, key};
use txp_aws::secrets::FINGERPRINT_KEY_SECRET;
use txp_domain::event::Merchants;
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_emulator::{Emulator, Proxy, Request, Turn};
use txp_lambda::environment::{EVENTS_STREAM, REPORTS_BUCKET, UPLOADS_BUCKET};
use txp_pipeline::api::Terms;
use txp_pipeline::port::{Window, Written};
use txp_tests::conformance::source;

const CLIENT: &str = "c";
const SECRET: &str = "fingerprint-key";

/// Events by bucket, in order, repeats left out.
pub(crate) type Events = BTreeMap<u8, Vec<Vec<u8>>>;

pub(crate) struct World {
    emulator: Arc<Emulator>,
    files: Bucket,
}

/// A file that was put, and the event that tells of it.
pub(crate) struct File {
    id: UploadId,
    pub(crate) event: String,
}

/// Where a file is read into.
pub(crate) struct Place {
    stream: String,
    table: String,
    reports: Bucket,
}

impl World {
    pub(crate) async fn new() -> Self {
        let emulator = Emulator::shared().await;
        let secrets = aws_sdk_secretsmanager::Client::new(&emulator.config());
        // Another test may have made it.
        let create = secrets.create_secret().name(SECRET);
        let _made = create.secret_string("5a".repeat(32)).send().await;
        Self {
            files: emulator.versioned_bucket("files").await,
            emulator,
        }
    }

    pub(crate) async fn place(&self) -> Place {
        Place {
            stream: self.emulator.stream(2).await,
            table: self.emulator.table(&tables::UPLOADS).await,
            reports: self.emulator.bucket("reports").await,
        }
    }

    /// Puts a generated file, one row in fifty of it bad.
    pub(crate) async fn put(&self, rows: u64) -> File {
        let mut file = Vec::new();
        let options = txp_pipeline::generate::Options::default();
        txp_pipeline::generate::generate(rows, 7, options, &mut file).unwrap();
        let id = UploadId::new(1_790_000_000_000, [7; 6]);
        let key = key::of_upload(CLIENT, id);
        let client = self.files.client();
        let put = client.put_object().bucket(self.files.name()).key(&key);
        let put = put.body(file.into()).send().await.unwrap();
        let event = json!({"Records": [{
            "eventName": "ObjectCreated:Put", "eventTime": "2026-11-22T10:00:00.000Z",
            "s3": {
                "bucket": {"name": self.files.name()},
                "object": {"key": key, "versionId": put.version_id()},
            },
        }]});
        let event = event.to_string();
        File { id, event }
    }

    fn uploads(&self, place: &Place) -> Uploads {
        Uploads::new(Connection::new(self.emulator.dynamodb()), &*place.table)
    }

    pub(crate) async fn announce(&self, file: &File, place: &Place) {
        let terms = Terms::plain(CLIENT, Merchants::All);
        let announcement = Announcement {
            upload_id: file.id,
            client_id: CLIENT.to_owned(),
            expires_at: Timestamp(i64::MAX),
            terms: serde_json::to_string(&terms).unwrap(),
        };
        let written = self.uploads(place).announce(&announcement).await;
        assert_eq!(written.unwrap(), Written::Stored);
    }

    /// Something between the function and the emulator.
    pub(crate) fn before(
        &self,
        decide: impl Fn(&mut Request) -> Turn + Send + Sync + 'static,
    ) -> Proxy {
        Proxy::before(self.emulator.port, decide)
    }

    /// What the deployment sets, with what stands in front of the objects and of the stream.
    pub(crate) fn environment(
        &self,
        place: &Place,
        objects: Option<&Proxy>,
        stream: Option<&Proxy>,
    ) -> Vec<(&'static str, String)> {
        let endpoint =
            |proxy: Option<&Proxy>| proxy.map_or_else(|| self.emulator.endpoint(), Proxy::endpoint);
        vec![
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_ENDPOINT_URL", self.emulator.endpoint()),
            ("AWS_ENDPOINT_URL_S3", endpoint(objects)),
            ("AWS_ENDPOINT_URL_KINESIS", endpoint(stream)),
            (UPLOADS_BUCKET, self.files.name().to_owned()),
            (REPORTS_BUCKET, place.reports.name().to_owned()),
            (EVENTS_STREAM, place.stream.clone()),
            (tables::UPLOADS.variable, place.table.clone()),
            (FINGERPRINT_KEY_SECRET, SECRET.to_owned()),
        ]
    }

    /// The last record up to which a file is read for good.
    pub(crate) async fn record(&self, file: &File, place: &Place) -> u64 {
        let claim = self.uploads(place).claim_of(file.id).await.unwrap();
        let checkpoint = claim.and_then(|claim| claim.checkpoint);
        checkpoint.map_or(0, |checkpoint| checkpoint.record)
    }

    /// Has the claim on a file end long ago, as if nobody had been heard of since.
    pub(crate) async fn end_lease(&self, file: &File, place: &Place) {
        let update = self.emulator.dynamodb().update_item();
        update
            .table_name(&place.table)
            .key("upload_id", AttributeValue::S(file.id.to_string()))
            .key("part", AttributeValue::S("claim".to_owned()))
            .update_expression("SET lease_until = :then, due_at = :then")
            .expression_attribute_values(":then", AttributeValue::N("1".to_owned()))
            .send()
            .await
            .unwrap();
    }

    /// The events of a place, and how many are there more than once.
    pub(crate) async fn events(&self, place: &Place) -> (Events, usize) {
        let client = self.emulator.kinesis();
        let calls = StreamReader::new(client, &place.stream);
        let opened = StreamSource::open(calls, SystemClock, Window::default()).await;
        let (mut events, mut repeats) = (Events::new(), 0);
        for (bucket, given) in source::by_bucket(&source::read_all(&mut opened.unwrap()).await) {
            let of_bucket = events.entry(bucket).or_default();
            for event in given {
                if of_bucket.contains(&event.bytes) {
                    repeats += 1;
                } else {
                    of_bucket.push(event.bytes);
                }
            }
        }
        (events, repeats)
    }

    pub(crate) async fn report(&self, file: &File, place: &Place) -> Option<Vec<u8>> {
        place
            .reports
            .get(&key::of_rejects(file.id), 1 << 30)
            .await
            .unwrap()
    }
}
