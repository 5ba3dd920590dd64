//! What an object's name says.

use crate::port::{ErrorKind, PortError};
use crate::stage::archive::SUFFIX;
use txp_domain::position::Sequence;

/// An object by what its name says. In the order of its first record: a child shard's records have
/// higher numbers than its parents'.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    pub(super) first: Sequence,
    pub(super) last: Sequence,
    pub(super) shard: String,
    pub(super) key: String,
}

impl Object {
    /// Reads a name; `None` if the archiver does not make such.
    fn of(key: &str) -> Option<Self> {
        let (_, name) = key.rsplit_once('/')?;
        let mut parts = name.strip_suffix(SUFFIX)?.rsplitn(3, '-');
        let last = Sequence::parse(parts.next()?)?;
        let first = Sequence::parse(parts.next()?)?;
        Some(Self {
            first,
            last,
            shard: parts.next()?.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Takes a name for an object's, if it ends as one: others may keep things of their own beside,
    /// but what ends as ours must be ours.
    ///
    /// # Errors
    /// It ends as one and is none; `name_of` says where it is.
    pub fn among(
        key: &str,
        name_of: impl FnOnce(&str) -> String,
    ) -> Result<Option<Self>, PortError> {
        if !key.ends_with(SUFFIX) {
            return Ok(None);
        }
        Self::of(key).map(Some).ok_or_else(|| {
            let context = format!(
                "{} is not named as the archiver names its objects; move it out of the archive",
                name_of(key)
            );
            PortError::new(ErrorKind::Corrupt, context)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_known_by_its_name() {
        let object = Object::of("a/date=2026-01-31/shardId-000000000003-100-2000.ndjson.gz");
        let object = object.unwrap();
        assert_eq!(object.shard, "shardId-000000000003");
        assert_eq!(object.first, Sequence::from(100));
        assert_eq!(object.last, Sequence::from(2_000));
        for key in [
            "x.ndjson.gz",
            "d/x.ndjson.gz",
            "d/s-1.ndjson.gz",
            "d/s-1-x.ndjson.gz",
            "d/s-1-2.ndjson",
        ] {
            assert_eq!(Object::of(key), None, "{key}");
        }
    }
}
