//! The keys of an operator: that of fingerprints, and that which signs receipts. Each is made at
//! first use in the user's configuration, outside the data directory, or given as a file.

use super::HostError;
use crate::durable::{self, PRIVATE_MODE};
use std::path::{Path, PathBuf};
use txp_domain::card::Fingerprinter;
use txp_pipeline::receipt::ReceiptKey;

/// The environment variable that names the fingerprint key's file.
pub const FINGERPRINT_KEY_FILE: &str = "TXP_FINGERPRINT_KEY_FILE";

/// The environment variable that names the file of the key that signs receipts.
pub const RECEIPT_KEY_FILE: &str = "TXP_RECEIPT_KEY_FILE";

/// One kind of key.
struct Kind {
    name: &'static str,
    file: &'static str,
    no_home: &'static str,
}

const FINGERPRINT: Kind = Kind {
    name: "the fingerprint key",
    file: "fingerprint.key",
    no_home: "neither HOME nor XDG_CONFIG_HOME is set; set TXP_FINGERPRINT_KEY_FILE to the file of the key",
};
const RECEIPT: Kind = Kind {
    name: "the receipt key",
    file: "receipt.key",
    no_home: "neither HOME nor XDG_CONFIG_HOME is set; set TXP_RECEIPT_KEY_FILE to the file of the key",
};

/// What is wrong with a file of a key.
const NO_KEY: &str = "it must hold 64 hexadecimal digits and nothing else";

/// A key has 256 bits; the file holds them as 64 hexadecimal digits.
const KEY_BYTES: usize = 32;

/// Reads the fingerprint key from the file given, or from the user's configuration, where it is made
/// if there is none yet.
///
/// # Errors
/// The file cannot be read or made, or does not hold a key.
pub fn load_or_create(given: Option<&Path>) -> Result<Fingerprinter, HostError> {
    let (path, text) = text_of(&FINGERPRINT, given)?;
    Fingerprinter::of_hexadecimal(&text).ok_or_else(|| no_key(&FINGERPRINT, &path))
}

/// Reads the key that signs receipts, in the same way.
///
/// # Errors
/// The file cannot be read or made, or does not hold a key.
pub fn load_or_create_receipt_key(given: Option<&Path>) -> Result<ReceiptKey, HostError> {
    let (path, text) = text_of(&RECEIPT, given)?;
    ReceiptKey::of_hexadecimal(&text).ok_or_else(|| no_key(&RECEIPT, &path))
}

fn no_key(kind: &Kind, path: &Path) -> HostError {
    HostError::Key {
        name: kind.name,
        path: path.to_path_buf(),
        why: NO_KEY,
    }
}

fn text_of(kind: &Kind, given: Option<&Path>) -> Result<(PathBuf, Vec<u8>), HostError> {
    let path = match given {
        Some(path) => path.to_path_buf(),
        None => {
            let path = default_path(kind)?;
            if !path.exists() {
                create(kind, &path)?;
            }
            path
        }
    };
    let text = std::fs::read(&path).map_err(|source| HostError::KeyFile {
        what: "reading",
        name: kind.name,
        path: path.clone(),
        source,
    })?;
    Ok((path, text))
}

fn default_path(kind: &Kind) -> Result<PathBuf, HostError> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let config = from("XDG_CONFIG_HOME").or_else(|| from("HOME").map(|home| home.join(".config")));
    let config = config.ok_or_else(|| HostError::Key {
        name: kind.name,
        path: PathBuf::from("~/.config"),
        why: kind.no_home,
    })?;
    Ok(config.join("txp").join(kind.file))
}

fn create(kind: &Kind, path: &Path) -> Result<(), HostError> {
    let making = || {
        move |source| HostError::KeyFile {
            what: "making",
            name: kind.name,
            path: path.to_path_buf(),
            source,
        }
    };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(making())?;
    }
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|_| HostError::Key {
        name: kind.name,
        path: path.to_path_buf(),
        why: "the system gives no random bytes to make it of",
    })?;
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    // Two first uses at a time agree on one key.
    durable::create(path, text.as_bytes(), PRIVATE_MODE).map_err(making())
}
