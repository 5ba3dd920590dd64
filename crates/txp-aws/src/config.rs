//! The clients' common configuration, built once per process, and names from the environment.

pub use aws_config::SdkConfig;

use crate::cost::Counting;
use aws_config::BehaviorVersion;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::time::Duration;

/// A connection that takes longer is tried anew.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// An attempt that takes longer is tried anew: the largest request is 5 MiB.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts by the SDK; what still fails then is the stage's to try again, with its own backoff.
const ATTEMPTS: u32 = 3;

/// The variable of S3's own endpoint.
const S3_ENDPOINT: &str = "AWS_ENDPOINT_URL_S3";

/// Region, credentials and endpoint as the environment gives them.
pub async fn load() -> SdkConfig {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(Counting(Builder::new().tls_provider(ring).build_https()))
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts)
        .load()
        .await
}

/// The client of S3: by path where an endpoint is set, since that serves no names of buckets, and
/// without checksums that nobody asked for: they would be a part of what a link is bound to.
#[must_use]
pub fn s3_client(config: &SdkConfig) -> aws_sdk_s3::Client {
    let has_endpoint = config.endpoint_url().is_some() || std::env::var_os(S3_ENDPOINT).is_some();
    let config = aws_sdk_s3::config::Builder::from(config)
        .force_path_style(has_endpoint)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// For a call that takes as long as its body takes: only connecting has a limit.
pub(crate) fn unhurried() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .disable_operation_attempt_timeout()
        .build()
}

/// A client of DynamoDB.
#[must_use]
pub fn dynamodb_client(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(config)
}

/// A client of Kinesis.
#[must_use]
pub fn kinesis_client(config: &SdkConfig) -> aws_sdk_kinesis::Client {
    aws_sdk_kinesis::Client::new(config)
}

/// A name that the environment must give.
///
/// # Errors
/// It does not; the message names the variable.
pub fn name(variable: &'static str) -> Result<String, MissingVariable> {
    std::env::var(variable).map_err(|_| MissingVariable(variable))
}

/// The name that a variable of the environment gives to something that may be missing.
#[must_use]
pub fn optional_name(variable: &'static str) -> Option<String> {
    let name = std::env::var(variable).ok();
    name.filter(|name| !name.is_empty())
}

/// A variable of the environment that is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {0} is not set; the deployment sets it")]
pub struct MissingVariable(&'static str);
