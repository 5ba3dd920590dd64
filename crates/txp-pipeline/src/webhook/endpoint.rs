//! An address that an operator has set, and the secrets that are shared with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use txp_domain::time::Timestamp;

/// How long an old secret signs beside its successor.
pub const SECRET_OVERLAP_SECONDS: i64 = 24 * 3600;

/// What Standard Webhooks puts before a secret.
const SECRET_PREFIX: &str = "whsec_";
/// Bytes of a secret.
const SECRET_BYTES: usize = 32;
/// Bytes of a secret that an operator gives: what Standard Webhooks allows.
const GIVEN_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The longest URL.
const URL_BYTES_MAX: usize = 2000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// What an endpoint wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// An upload was completed or failed.
    Uploads,
    /// A finding, or a digest of findings.
    Alerts,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name here: letters.
    pub id: String,
    /// Where messages go.
    pub url: String,
    /// What it wants to be told.
    pub topics: Vec<Topic>,
    /// An operator's exception, for trying things out: loopback addresses, and http there.
    #[serde(default)]
    pub loopback_allowed: bool,
    /// What came before it was set it is not told.
    pub added_at: Timestamp,
    /// Newest first.
    pub secrets: Vec<Secret>,
}

/// A secret that is shared with an endpoint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// `whsec_` and base64.
    text: String,
    /// Until when it signs; `None` for the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Of random bytes.
    #[must_use]
    pub fn new(bytes: &[u8; SECRET_BYTES]) -> Self {
        Self {
            text: format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes)),
            until: None,
        }
    }

    /// As an operator has it: `whsec_` and base64, of 24 to 64 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
        GIVEN_BYTES.contains(&bytes.len()).then(|| Self {
            text: text.to_owned(),
            until: None,
        })
    }

    /// As it is shown, once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    fn sign(&self, content: &[u8]) -> Option<String> {
        let bytes = STANDARD
            .decode(self.text.strip_prefix(SECRET_PREFIX)?)
            .ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&bytes).ok()?;
        mac.update(content);
        Some(format!(
            "v1,{}",
            STANDARD.encode(mac.finalize().into_bytes())
        ))
    }
}

impl Endpoint {
    /// Takes a new secret; those of before sign for a while longer.
    pub fn rotate(&mut self, secret: Secret, now: Timestamp) {
        let until = Timestamp(
            now.0
                .saturating_add(SECRET_OVERLAP_SECONDS * NANOS_PER_SECOND),
        );
        self.secrets
            .retain(|old| old.until.is_none_or(|end| end > now));
        for old in &mut self.secrets {
            old.until = Some(old.until.map_or(until, |end| end.min(until)));
        }
        self.secrets.insert(0, secret);
    }

    /// The header `webhook-signature`: one signature per valid secret.
    #[must_use]
    pub fn signatures(&self, id: &str, seconds: i64, body: &[u8], now: Timestamp) -> String {
        let mut content = format!("{id}.{seconds}.").into_bytes();
        content.extend_from_slice(body);
        let valid = self.secrets.iter();
        let valid = valid.filter(|secret| secret.until.is_none_or(|until| until > now));
        let signatures = valid.filter_map(|secret| secret.sign(&content));
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// Why a URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Something that is no URL of HTTP.
    #[error("it is no address such as https://example.com/hook")]
    Form,
    /// http where https must be.
    #[error("it must begin with https://: what is told must not be read on the way")]
    NotHttps,
    /// A name and password, which would stand in logs of others.
    #[error("it must hold no user name or password: messages are signed")]
    Credentials,
}

/// Checks what can be checked of a URL before it is connected to.
///
/// # Errors
/// It is none that messages are sent to.
pub fn check_url(url: &str, loopback_allowed: bool) -> Result<(), BadUrl> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
    if url.len() > URL_BYTES_MAX || !url.bytes().all(is_plain) {
        return Err(BadUrl::Form);
    }
    let rest = match url.split_once("://") {
        Some(("https", rest)) => rest,
        Some(("http", rest)) if loopback_allowed => rest,
        Some(("http", _)) => return Err(BadUrl::NotHttps),
        _ => return Err(BadUrl::Form),
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(BadUrl::Credentials);
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if host.is_empty() || !is_port {
        return Err(BadUrl::Form);
    }
    Ok(())
}
