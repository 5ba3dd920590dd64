//! The fingerprint key, from Secrets Manager: the same text as the embedded host's file.

use crate::error::port_error;
use aws_sdk_secretsmanager::Client;
use txp_domain::card::Fingerprinter;
use txp_pipeline::port::{ErrorKind, PortError};

/// The variable that names the secret, or holds its ARN.
pub const FINGERPRINT_KEY_SECRET: &str = "FINGERPRINT_KEY_SECRET";

/// Makes fingerprints under the key that a secret holds.
///
/// # Errors
/// The secret cannot be read, or holds no key. What it holds is never told.
pub async fn fingerprinter(client: &Client, secret: &str) -> Result<Fingerprinter, PortError> {
    let context = || format!("reading the fingerprint key from the secret {secret} failed");
    let answer = client.get_secret_value().secret_id(secret).send().await;
    let output = answer.map_err(|error| port_error(context(), error))?;
    let text = match (output.secret_string(), output.secret_binary()) {
        (Some(text), _) => text.as_bytes(),
        (None, Some(blob)) => blob.as_ref(),
        (None, None) => &[],
    };
    Fingerprinter::of_hexadecimal(text).ok_or_else(|| {
        let why = "it must hold 64 hexadecimal digits and nothing else";
        PortError::new(ErrorKind::Permanent, format!("{}: {why}", context()))
    })
}
