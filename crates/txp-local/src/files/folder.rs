//! An archive in a folder.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use txp_pipeline::history::archive::{ArchiveObjects, Object};
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::stage::archive::DATE_PREFIX;

/// The folder that an archive was copied to.
#[derive(Clone, Debug)]
pub struct FolderArchive {
    dir: PathBuf,
}

impl FolderArchive {
    /// The archive in `dir`, if that holds a day of one.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn of(dir: &Path) -> Result<Option<Self>, PortError> {
        let archive = Self {
            dir: dir.to_path_buf(),
        };
        Ok((!archive.days_there()?.is_empty()).then_some(archive))
    }

    fn days_there(&self) -> Result<Vec<String>, PortError> {
        let mut days = names(&self.dir)?;
        days.retain(|name| name.starts_with(DATE_PREFIX) && self.dir.join(name).is_dir());
        Ok(days
            .iter()
            .filter_map(|name| name.strip_prefix(DATE_PREFIX))
            .map(str::to_owned)
            .collect())
    }
}

/// The names in a folder, sorted; those that are no text are none of ours.
fn names(dir: &Path) -> Result<Vec<String>, PortError> {
    let read = || -> io::Result<Vec<String>> {
        let entries = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        let names: io::Result<Vec<Option<String>>> = entries.collect();
        Ok(names?.into_iter().flatten().collect())
    };
    let mut names = read().map_err(|error| failed(dir, error))?;
    names.sort_unstable();
    Ok(names)
}

/// The system says no.
pub(super) fn failed(path: &Path, error: io::Error) -> PortError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::Missing,
        io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        _ => ErrorKind::Permanent,
    };
    PortError::caused(kind, format!("reading {} failed", path.display()), error)
}

impl ArchiveObjects for FolderArchive {
    async fn days(&self, from: Option<&str>) -> Result<Vec<String>, PortError> {
        let mut days = self.days_there()?;
        days.retain(|day| from.is_none_or(|from| &**day >= from));
        Ok(days)
    }

    async fn objects(&self, day: &str) -> Result<Vec<Object>, PortError> {
        let day = format!("{DATE_PREFIX}{day}");
        let mut objects = Vec::new();
        for name in names(&self.dir.join(&day))? {
            let key = format!("{day}/{name}");
            objects.extend(Object::among(&key, |key| self.name_of(key))?);
        }
        objects.sort_unstable();
        Ok(objects)
    }

    async fn get(&self, key: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, PortError> {
        let path = self.dir.join(key);
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, error)),
        };
        let mut bytes = Vec::new();
        let read = file
            .take(bytes_max.saturating_add(1))
            .read_to_end(&mut bytes);
        read.map_err(|error| failed(&path, error))?;
        if bytes.len() as u64 > bytes_max {
            let context = format!("{} has more than {bytes_max} bytes", path.display());
            return Err(PortError::new(ErrorKind::Permanent, context));
        }
        Ok(Some(bytes))
    }

    fn name_of(&self, key: &str) -> String {
        self.dir.join(key).display().to_string()
    }
}
