//! The fingerprint key and the key of receipts, from Secrets Manager: the same text as the embedded
//! host's files.

use crate::error::port_error;
use aws_sdk_secretsmanager::Client;
use txp_domain::card::Fingerprinter;
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::receipt::ReceiptKey;

/// The variable that names the secret, or holds its ARN.
pub const FINGERPRINT_KEY_SECRET: &str = "FINGERPRINT_KEY_SECRET";

/// The variable that names the secret of the key that signs receipts.
pub const RECEIPT_KEY_SECRET: &str = "RECEIPT_KEY_SECRET";

/// Makes fingerprints under the key that a secret holds.
///
/// # Errors
/// The secret cannot be read, or holds no key. What it holds is never told.
pub async fn fingerprinter(client: &Client, secret: &str) -> Result<Fingerprinter, PortError> {
    let of = Fingerprinter::of_hexadecimal;
    read(client, secret, "the fingerprint key", of).await
}

/// Signs receipts with the key that a secret holds.
///
/// # Errors
/// The secret cannot be read, or holds no key. What it holds is never told.
pub async fn receipt_key(client: &Client, secret: &str) -> Result<ReceiptKey, PortError> {
    let of = ReceiptKey::of_hexadecimal;
    read(client, secret, "the receipt key", of).await
}

async fn read<K>(
    client: &Client,
    secret: &str,
    name: &str,
    of: impl Fn(&[u8]) -> Option<K>,
) -> Result<K, PortError> {
    of(&content(client, secret, name).await?).ok_or_else(|| {
        let context = reading(secret, name);
        let why = "it must hold 64 hexadecimal digits and nothing else";
        PortError::new(ErrorKind::Permanent, format!("{context}: {why}"))
    })
}

/// What a secret holds.
pub(crate) async fn content(
    client: &Client,
    secret: &str,
    name: &str,
) -> Result<Vec<u8>, PortError> {
    let answer = client.get_secret_value().secret_id(secret).send().await;
    let output = answer.map_err(|error| port_error(reading(secret, name), error))?;
    Ok(match (output.secret_string, output.secret_binary) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(blob)) => blob.into_inner(),
        (None, None) => Vec::new(),
    })
}

pub(crate) fn reading(secret: &str, name: &str) -> String {
    format!("reading {name} from the secret {secret} failed")
}
