//! API keys: an id, and a secret of 256 bits of which only the hash is kept.

use super::ControlError;
use super::letters::random_letters;
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use txp_domain::letters::{from_letters, to_letters};

/// A key's id: 64 bits.
const KEY_ID_BYTES: usize = 8;
/// A key's secret: 256 bits, so its hash needs no salt and no stretching.
const SECRET_BYTES: usize = 32;

/// A key as it is shown, once.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct IssuedKey {
    /// Names the key; no secret.
    pub key_id: String,
    /// The secret.
    pub secret: String,
    /// What the client sends: `{key_id}.{secret}`.
    pub key: String,
}

impl std::fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IssuedKey({})", self.key_id)
    }
}

/// A new key, and the hash of its secret.
pub(super) fn issue() -> Result<(IssuedKey, [u8; 32]), ControlError> {
    let key_id = random_letters::<KEY_ID_BYTES>()?;
    let secret = random_letters::<SECRET_BYTES>()?;
    let hash = hash(&secret);
    let key = format!("{key_id}.{secret}");
    Ok((
        IssuedKey {
            key_id,
            secret,
            key,
        },
        hash,
    ))
}

/// A key that a client sent, not yet compared with anything.
pub(super) struct Presented {
    pub(super) key_id: String,
    hash: [u8; 32],
}

impl Presented {
    /// Reads `{key_id}.{secret}`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (key_id, secret) = text.split_once('.')?;
        let id: [u8; KEY_ID_BYTES] = from_letters(key_id)?;
        let _secret: [u8; SECRET_BYTES] = from_letters(secret)?;
        Some(Self {
            key_id: to_letters(&id),
            hash: hash(secret),
        })
    }

    /// Compares with the hash that is kept, in a time that does not depend on either.
    pub(super) fn matches(&self, kept: &[u8; 32]) -> bool {
        self.hash.ct_eq(kept).into()
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
