//! What an archive holds: its days, and the objects of a day.

use super::Archive;
use crate::error::port_error;
use txp_domain::position::Sequence;
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::stage::archive::{DATE_PREFIX, SUFFIX};

/// An object by what its name says. In the order of its first record: a child shard's records have
/// higher numbers than its parents'.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Object {
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
}

impl Archive {
    /// The days from `from` on, `YYYY-MM-DD`, in order.
    pub(super) async fn days(&self, from: Option<&str>) -> Result<Vec<String>, PortError> {
        let prefix = format!("{}{DATE_PREFIX}", self.prefix);
        let mut pages = self
            .bucket
            .client()
            .list_objects_v2()
            .bucket(self.bucket.name())
            .prefix(&prefix)
            .delimiter("/")
            .into_paginator()
            .send();
        let mut days = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(self.listing(), error))?;
            let found = page.common_prefixes().iter().filter_map(|p| p.prefix());
            let found = found.filter_map(|day| day.strip_prefix(&*prefix)?.strip_suffix('/'));
            days.extend(found.map(str::to_owned));
        }
        days.retain(|day| from.is_none_or(|from| &**day >= from));
        days.sort_unstable();
        Ok(days)
    }

    /// The objects of a day, in order.
    pub(super) async fn objects(&self, day: &str) -> Result<Vec<Object>, PortError> {
        let prefix = format!("{}{DATE_PREFIX}{day}/", self.prefix);
        let mut pages = self
            .bucket
            .client()
            .list_objects_v2()
            .bucket(self.bucket.name())
            .prefix(prefix)
            .into_paginator()
            .send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(self.listing(), error))?;
            // Others may keep things of their own beside; what ends as ours must be ours.
            let keys = page.contents().iter().filter_map(|object| object.key());
            for key in keys.filter(|key| key.ends_with(SUFFIX)) {
                objects.push(Object::of(key).ok_or_else(|| self.foreign(key))?);
            }
        }
        objects.sort_unstable();
        Ok(objects)
    }

    fn listing(&self) -> String {
        let name = self.bucket.name();
        format!("listing the archive s3://{name}/{} failed", self.prefix)
    }

    fn foreign(&self, key: &str) -> PortError {
        let context = format!(
            "s3://{}/{key} is not named as the archiver names its objects; move it out of the archive",
            self.bucket.name()
        );
        PortError::new(ErrorKind::Corrupt, context)
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
