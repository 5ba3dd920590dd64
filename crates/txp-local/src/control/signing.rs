//! The signature of upload links: HMAC-SHA-256 over all that a link is bound to.

use super::letters::random_letters;
use super::{ControlError, Link, file};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::path::Path;
use txp_domain::letters::{from_letters, to_letters};

const KEY_FILE: &str = "links.key";
const KEY_BYTES: usize = 32;

/// Signs links and checks their signatures.
#[derive(Clone)]
pub struct Signer {
    mac: Hmac<Sha256>,
}

impl Signer {
    /// The signer of a data directory; its key is made at first use.
    ///
    /// # Errors
    /// The key cannot be read or made, or is none.
    pub fn open(dir: &Path) -> Result<Self, ControlError> {
        let path = file::folder(dir)?.join(KEY_FILE);
        let text = match file::read(&path)? {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => {
                let text = random_letters::<KEY_BYTES>()?;
                file::replace(&path, text.as_bytes())?;
                text
            }
        };
        let odd = || ControlError::SigningKey { path: path.clone() };
        let key: [u8; KEY_BYTES] = from_letters(text.trim_ascii()).ok_or_else(odd)?;
        let mac = Hmac::new_from_slice(&key).map_err(|_| odd())?;
        Ok(Self { mac })
    }

    /// The signature of a link.
    #[must_use]
    pub fn sign(&self, link: &Link) -> String {
        to_letters(&self.of(link).finalize().into_bytes())
    }

    /// Whether this is the link's signature; takes as long either way.
    #[must_use]
    pub fn verify(&self, link: &Link, signature: &str) -> bool {
        let presented: Option<[u8; 32]> = from_letters(signature);
        let verified = self.of(link).verify_slice(&presented.unwrap_or_default());
        presented.is_some() && verified.is_ok()
    }

    fn of(&self, link: &Link) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        let expires = link.expires_at.unix_seconds();
        mac.update(format!("PUT\n{}\n{expires}\n", link.upload_id).as_bytes());
        let length = link.content_length.map(|bytes| bytes.to_string());
        mac.update(length.unwrap_or_default().as_bytes());
        mac.update(b"\n");
        mac.update(link.sha256.as_ref().map_or(&[][..], |digest| digest));
        mac
    }
}
