//! The fingerprint key: made at first use in the user's configuration, outside the data directory,
//! or given as a file.

use super::HostError;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use txp_domain::card::Fingerprinter;

/// The environment variable that names the key's file.
pub const FINGERPRINT_KEY_FILE: &str = "TXP_FINGERPRINT_KEY_FILE";

/// A key has 256 bits; the file holds them as 64 hexadecimal digits.
const KEY_BYTES: usize = 32;

/// Reads the key from the file given, or from the user's configuration, where it is made if there
/// is none yet.
///
/// # Errors
/// The file cannot be read or made, or does not hold a key.
pub fn load_or_create(given: Option<&Path>) -> Result<Fingerprinter, HostError> {
    match given {
        Some(path) => read(path),
        None => {
            let path = default_path()?;
            if !path.exists() {
                create(&path)?;
            }
            read(&path)
        }
    }
}

fn default_path() -> Result<PathBuf, HostError> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let config = from("XDG_CONFIG_HOME").or_else(|| from("HOME").map(|home| home.join(".config")));
    let why = "neither HOME nor XDG_CONFIG_HOME is set; set TXP_FINGERPRINT_KEY_FILE to the file of the key";
    let config = config.ok_or_else(|| HostError::Key {
        path: PathBuf::from("~/.config"),
        why,
    })?;
    Ok(config.join("txp").join("fingerprint.key"))
}

fn read(path: &Path) -> Result<Fingerprinter, HostError> {
    let text = std::fs::read(path).map_err(HostError::io("reading the fingerprint key", path))?;
    let why = "it must hold 64 hexadecimal digits and nothing else";
    Fingerprinter::of_hexadecimal(&text).ok_or_else(|| HostError::Key {
        path: path.to_path_buf(),
        why,
    })
}

fn create(path: &Path) -> Result<(), HostError> {
    let making = || HostError::io("making the fingerprint key", path);
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(making())?;
    }
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|_| HostError::Key {
        path: path.to_path_buf(),
        why: "the system gives no random bytes to make it of",
    })?;
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    // Written beside and linked into place: two first uses at a time agree on one key.
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(making())?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(making())?;
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary).map_err(making())?;
    match linked {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked.map_err(making()),
    }
}
