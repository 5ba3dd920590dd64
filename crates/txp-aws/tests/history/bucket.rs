//! A bucket of its own for each test.

use crate::emulator::Emulator;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use txp_aws::config::{SdkConfig, s3_client};
use txp_aws::s3::Bucket;

pub(crate) async fn create(emulator: &Emulator, name: &str) -> Bucket {
    let client = s3_client(&config(emulator.endpoint()));
    client.create_bucket().bucket(name).send().await.unwrap();
    Bucket::new(client, name)
}

/// How clients of the emulator are made.
pub(crate) fn config(endpoint: String) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "emulator");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().build_http())
        .build()
}
