//! The fingerprint key and the key of receipts, from Secrets Manager: the same text as the embedded
//! host's files.

use crate::error::port_error;
use aws_sdk_secretsmanager::Client;
use std::fmt;
use tokio::sync::OnceCell;
use txp_domain::card::Fingerprinter;
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::receipt::ReceiptKey;

/// The variable that names the secret, or holds its ARN.
pub const FINGERPRINT_KEY_SECRET: &str = "FINGERPRINT_KEY_SECRET";

/// The variable that names the secret of the key that signs receipts.
pub const RECEIPT_KEY_SECRET: &str = "RECEIPT_KEY_SECRET";

/// A key in a secret, read when it is first needed and kept as long as the process lives: a function
/// starts without waiting for it.
pub struct SecretKey<K> {
    client: Client,
    secret: String,
    /// What the key is called in an error.
    name: &'static str,
    of_hexadecimal: fn(&[u8]) -> Option<K>,
    kept: OnceCell<K>,
}

impl SecretKey<Fingerprinter> {
    /// The key that cards' fingerprints are made with.
    #[must_use]
    pub fn of_fingerprints(client: Client, secret: String) -> Self {
        let of = Fingerprinter::of_hexadecimal;
        Self::new(client, secret, "the fingerprint key", of)
    }
}

impl SecretKey<ReceiptKey> {
    /// The key that receipts are signed with.
    #[must_use]
    pub fn of_receipts(client: Client, secret: String) -> Self {
        Self::new(
            client,
            secret,
            "the receipt key",
            ReceiptKey::of_hexadecimal,
        )
    }
}

impl<K> SecretKey<K> {
    fn new(
        client: Client,
        secret: String,
        name: &'static str,
        of_hexadecimal: fn(&[u8]) -> Option<K>,
    ) -> Self {
        Self {
            client,
            secret,
            name,
            of_hexadecimal,
            kept: OnceCell::new(),
        }
    }

    /// The key. What could not be read is read again the next time.
    ///
    /// # Errors
    /// The secret cannot be read, or holds no key. What it holds is never told.
    pub async fn get(&self) -> Result<&K, PortError> {
        self.kept.get_or_try_init(|| self.read()).await
    }

    async fn read(&self) -> Result<K, PortError> {
        let content = content(&self.client, &self.secret, self.name).await?;
        (self.of_hexadecimal)(&content).ok_or_else(|| {
            let context = reading(&self.secret, self.name);
            let why = "it must hold 64 hexadecimal digits and nothing else";
            PortError::new(ErrorKind::Permanent, format!("{context}: {why}"))
        })
    }
}

impl<K> fmt::Debug for SecretKey<K> {
    /// Which secret, and nothing of what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("secret", &self.secret)
            .field("is_read", &self.kept.initialized())
            .finish_non_exhaustive()
    }
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
