//! A table on AWS, compared item by item.

use super::Work;
use crate::output;
use txp_aws::config;
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::rebuild::Rebuild;
use txp_local::verify::{ItemSorter, VerifyError};
use txp_pipeline::verify::{Drift, DriftKind, Report};

impl Work<'_> {
    /// The table is read first and the history after it: what an item has met by then, the history
    /// holds, as far as it is up to date.
    pub(super) async fn with_table(&self, name: &str) -> anyhow::Result<Report> {
        let up_to = self.each_item();
        let client = config::dynamodb_client(&config::load().await);
        let table = Rebuild::new(Connection::new(client), name);
        let mut items = ItemSorter::new(self.dir.path());
        let mut unreadable = Vec::new();
        let mut count = 0_u64;
        let mut bar = output::bar("table", self.quiet);
        let scanned = table.scan::<VerifyError>(self.read_units, |scanned| {
            count += 1;
            bar.show(count, count);
            match scanned {
                Ok(item) => items.push(&item)?,
                Err(key) => unreadable.push(key),
            }
            Ok(())
        });
        scanned.await?;
        drop(bar);
        let mut collected = self.collect(None, None).await?;
        for key in unreadable {
            let (kind, report) = (DriftKind::Unreadable, &mut collected.report);
            report.transactions += 1;
            report.tell(Drift::of(
                kind,
                &key.merchant_id,
                &key.transaction_id,
                None,
                None,
            ));
        }
        let mut found = items.finish()?;
        let report = self.compare(collected, &mut found, up_to)?;
        self.with_missing_records(report, None).await
    }
}
