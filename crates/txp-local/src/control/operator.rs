//! The operator's token: what the page of `txp serve` asks for before it shows data.
//!
//! One per data directory, kept as it is in a file of mode 0600, so that whoever may read the
//! directory can look it up again (`txp operator-token`) instead of making a new one at night and
//! locking a colleague out. It protects nothing that stands outside that directory. A running serve
//! looks at the file at each request: a new token counts at once.

use super::letters::random_letters;
use super::{ControlError, file};
use crate::format;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;
use txp_domain::letters::from_letters;
use txp_domain::time::Timestamp;

const TOKEN_FILE: &str = "operator.token";
const SECRET_BYTES: usize = 32;
/// Tells a token from an API key, for people and for scanners of secrets.
const PREFIX: &str = "operator.";

/// The operator's token of a data directory.
#[derive(Debug)]
pub struct OperatorToken {
    path: PathBuf,
}

impl OperatorToken {
    /// The token of a data directory; made at first use, as the directory is.
    ///
    /// # Errors
    /// It is no data directory, cannot be read or written, or the file holds no token.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, ControlError> {
        let token = Self::of(dir, now)?;
        if token.stored()?.is_none() {
            file::create(&token.path, new_token()?.as_bytes())?;
        }
        token.show()?;
        Ok(token)
    }

    /// The token.
    ///
    /// # Errors
    /// It cannot be read, or the file holds none.
    pub fn show(&self) -> Result<String, ControlError> {
        let stored = self.stored()?.unwrap_or_default();
        let secret = stored.strip_prefix(PREFIX).unwrap_or_default();
        match from_letters::<SECRET_BYTES>(secret) {
            Some(_) => Ok(stored),
            None => Err(ControlError::OperatorToken {
                path: self.path.clone(),
            }),
        }
    }

    /// Puts a new token in its place: the one before is refused from now on.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn rotate(dir: &Path, now: Timestamp) -> Result<Self, ControlError> {
        let token = Self::of(dir, now)?;
        file::replace(&token.path, new_token()?.as_bytes())?;
        Ok(token)
    }

    fn of(dir: &Path, now: Timestamp) -> Result<Self, ControlError> {
        format::ensure(dir, &now.to_string())?;
        let path = file::folder(dir)?.join(TOKEN_FILE);
        Ok(Self { path })
    }

    /// Whether this is the token; takes as long whether or not it is.
    ///
    /// # Errors
    /// It cannot be read: then nothing is the token.
    pub fn is(&self, presented: &str) -> Result<bool, ControlError> {
        let kept = Sha256::digest(self.show()?.as_bytes());
        let presented = Sha256::digest(presented.as_bytes());
        Ok(kept.ct_eq(&presented).into())
    }

    fn stored(&self) -> Result<Option<String>, ControlError> {
        let bytes = file::read(&self.path)?;
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim_ascii().to_owned());
        Ok(text.filter(|text| !text.is_empty()))
    }
}

fn new_token() -> Result<String, ControlError> {
    Ok(format!("{PREFIX}{}", random_letters::<SECRET_BYTES>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_made_once_for_its_owner_only_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let token = OperatorToken::open(dir.path(), crate::now()).unwrap();
        let shown = token.show().unwrap();
        let again = OperatorToken::open(dir.path(), crate::now()).unwrap();
        assert_eq!(again.show().unwrap(), shown);
        let mode = fs::metadata(&token.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(again.is(&shown).unwrap());
        for wrong in ["", "operator.", &shown[1..], &format!("{shown} ")] {
            assert!(!again.is(wrong).unwrap(), "{wrong}");
        }
    }

    #[test]
    fn a_new_one_counts_at_once_where_the_old_one_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let serving = OperatorToken::open(dir.path(), crate::now()).unwrap();
        let old = serving.show().unwrap();
        let new = OperatorToken::rotate(dir.path(), crate::now())
            .unwrap()
            .show()
            .unwrap();
        assert!(serving.is(&new).unwrap() && !serving.is(&old).unwrap());
    }

    #[test]
    fn without_its_file_or_with_a_damaged_one_nothing_is_the_token() {
        let dir = tempfile::tempdir().unwrap();
        let token = OperatorToken::open(dir.path(), crate::now()).unwrap();
        for content in [Some("operator.short"), Some(""), None] {
            match content {
                Some(content) => fs::write(&token.path, content).unwrap(),
                None => fs::remove_file(&token.path).unwrap(),
            }
            for presented in ["", "operator.", "operator.short"] {
                assert!(token.is(presented).is_err(), "{content:?} {presented}");
            }
        }
    }
}
