//! A bucket of its own for each test.

use crate::emulator::Emulator;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_http_client::Builder;
use txp_aws::s3::Bucket;

pub(crate) async fn create(emulator: &Emulator, name: &str) -> Bucket {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(emulator.endpoint())
        .force_path_style(true)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "emulator"))
        .http_client(Builder::new().build_http())
        .build();
    let client = Client::from_conf(config);
    client.create_bucket().bucket(name).send().await.unwrap();
    Bucket::new(client, name)
}
