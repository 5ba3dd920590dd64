//! Where suppressions are kept: in the data directory, or in a deployment's table of alerts.

use super::At;
use crate::command::{Globals, Refusal};
use txp_domain::alert::{Suppression, TooManySuppressions};
use txp_domain::time::Timestamp;
use txp_local::control::{ControlError, Suppressions};

/// The one that was named.
pub(super) enum Store {
    /// On this host.
    Here(Suppressions),
    /// In a deployment.
    #[cfg(feature = "aws")]
    There(deployed::Table),
}

impl Store {
    /// The directory is made if it is new.
    pub(super) fn to_change(globals: &Globals, at: &At, now: Timestamp) -> anyhow::Result<Self> {
        match &at.env {
            Some(environment) => Self::deployed(environment, at),
            None => Ok(Self::Here(Suppressions::open(&globals.data_dir, now)?)),
        }
    }

    pub(super) fn to_read(globals: &Globals, at: &At) -> anyhow::Result<Self> {
        if let Some(environment) = &at.env {
            return Self::deployed(environment, at);
        }
        txp_local::format::read(&globals.data_dir)?;
        Ok(Self::Here(Suppressions::to_read(&globals.data_dir)))
    }

    #[cfg(feature = "aws")]
    fn deployed(environment: &str, at: &At) -> anyhow::Result<Self> {
        let table = at.alerts_table.clone();
        let table = table.unwrap_or_else(|| format!("alerts-{environment}"));
        Ok(Self::There(deployed::Table::open(table)?))
    }

    #[cfg(not(feature = "aws"))]
    fn deployed(environment: &str, at: &At) -> anyhow::Result<Self> {
        let _unused = &at.alerts_table;
        let what = format!("--env {environment}");
        Err(crate::command::source::without_aws(&what))
    }

    pub(super) fn list(&self) -> anyhow::Result<Vec<Suppression>> {
        match self {
            Self::Here(kept) => Ok(kept.list()?),
            #[cfg(feature = "aws")]
            Self::There(table) => table.list(),
        }
    }

    pub(super) fn add(&self, new: &Suppression, now: Timestamp) -> anyhow::Result<()> {
        match self {
            Self::Here(kept) => match kept.add(new.clone(), now) {
                Err(ControlError::TooManySuppressions(why)) => Err(too_many(why)),
                added => Ok(added?),
            },
            #[cfg(feature = "aws")]
            Self::There(table) => table.add(new, now),
        }
    }

    pub(super) fn end(
        &self,
        merchant_id: Option<&str>,
        rule: Option<&str>,
        now: Timestamp,
    ) -> anyhow::Result<usize> {
        match self {
            Self::Here(kept) => Ok(kept.remove(merchant_id, rule, now)?),
            #[cfg(feature = "aws")]
            Self::There(table) => table.end(merchant_id, rule, now),
        }
    }
}

fn too_many(why: TooManySuppressions) -> anyhow::Error {
    Refusal::problem(why.to_string())
}

#[cfg(feature = "aws")]
mod deployed {
    use super::too_many;
    use crate::command::source;
    use tokio::runtime::Runtime;
    use txp_aws::config;
    use txp_aws::dynamodb::Connection;
    use txp_aws::dynamodb::alerts::{Alerts, SharedSuppressions};
    use txp_domain::alert::Suppression;
    use txp_domain::time::Timestamp;

    /// A table of alerts; region and credentials as for every AWS tool.
    pub(in super::super) struct Table {
        runtime: Runtime,
        kept: SharedSuppressions,
    }

    impl Table {
        pub(super) fn open(table: String) -> anyhow::Result<Self> {
            let runtime = source::runtime()?;
            let config = runtime.block_on(config::load());
            let connection = Connection::new(config::dynamodb_client(&config));
            let kept = SharedSuppressions::new(Alerts::new(connection, table));
            Ok(Self { runtime, kept })
        }

        pub(super) fn list(&self) -> anyhow::Result<Vec<Suppression>> {
            Ok(self.runtime.block_on(self.kept.read())?.suppressions)
        }

        pub(super) fn add(&self, new: &Suppression, now: Timestamp) -> anyhow::Result<()> {
            let added = self.kept.change(now, |list| list.add(new.clone(), now));
            self.runtime.block_on(added)?.map_err(too_many)
        }

        pub(super) fn end(
            &self,
            merchant_id: Option<&str>,
            rule: Option<&str>,
            now: Timestamp,
        ) -> anyhow::Result<usize> {
            let ended = self
                .kept
                .change(now, |list| Ok(list.end(merchant_id, rule, now)));
            self.runtime.block_on(ended)?.map_err(too_many)
        }
    }
}
