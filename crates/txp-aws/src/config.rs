//! The clients' common configuration, built once per process, and names from the environment.

use aws_config::{BehaviorVersion, SdkConfig};
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

/// Region, credentials and endpoint as the environment gives them.
pub async fn load() -> SdkConfig {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(Builder::new().tls_provider(ring).build_https())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts)
        .load()
        .await
}

/// A client of S3. Where an endpoint is given, buckets are in the path: no name of a host has them.
#[must_use]
pub fn s3_client(config: &SdkConfig) -> aws_sdk_s3::Client {
    let builder = aws_sdk_s3::config::Builder::from(config);
    let is_elsewhere = config.endpoint_url().is_some();
    aws_sdk_s3::Client::from_conf(builder.force_path_style(is_elsewhere).build())
}

/// A name that the environment must give.
///
/// # Errors
/// It does not; the message names the variable.
pub fn name(variable: &'static str) -> Result<String, MissingVariable> {
    std::env::var(variable).map_err(|_| MissingVariable(variable))
}

/// A variable of the environment that is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {0} is not set; the deployment sets it")]
pub struct MissingVariable(&'static str);
