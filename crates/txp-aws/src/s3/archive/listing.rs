//! What an archive holds: its days, and the objects of a day.

use super::Archive;
use crate::error::port_error;
use txp_pipeline::history::archive::{ArchiveObjects, Object};
use txp_pipeline::port::PortError;
use txp_pipeline::stage::archive::DATE_PREFIX;

impl ArchiveObjects for Archive {
    /// The days from `from` on, `YYYY-MM-DD`, in order.
    async fn days(&self, from: Option<&str>) -> Result<Vec<String>, PortError> {
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
    async fn objects(&self, day: &str) -> Result<Vec<Object>, PortError> {
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
            for key in page.contents().iter().filter_map(|object| object.key()) {
                objects.extend(Object::among(key, |key| self.name_of(key))?);
            }
        }
        objects.sort_unstable();
        Ok(objects)
    }

    async fn get(&self, key: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, PortError> {
        self.bucket.get(key, bytes_max).await
    }

    fn name_of(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket.name())
    }
}

impl Archive {
    fn listing(&self) -> String {
        let name = self.bucket.name();
        format!("listing the archive s3://{name}/{} failed", self.prefix)
    }
}
