//! Sources on AWS: region, credentials and endpoint come from the environment and the profile, as
//! for every AWS tool.

use super::{Opened, Place, Source};
use crate::command::Refusal;
use txp_aws::clock::SystemClock;
use txp_aws::config::{self, SdkConfig};
use txp_aws::dynamodb::{Connection, transactions::Transactions};
use txp_aws::history::JoinedSource;
use txp_aws::kinesis::{read::StreamReader, reader::StreamSource};
use txp_aws::s3::Bucket;
use txp_aws::s3::archive::Archive;
use txp_domain::transaction::Transaction;
use txp_pipeline::history::archive::ArchiveSource;
use txp_pipeline::port::Window;

pub(super) async fn open(source: &Source, window: Window) -> anyhow::Result<Opened> {
    let config = config::load().await;
    match source {
        Source::Stream(stream) => {
            let calls = StreamReader::new(config::kinesis_client(&config), stream);
            let source = StreamSource::open(calls, SystemClock, window).await?;
            Ok(Opened::Stream(Box::new(source)))
        }
        Source::Archive(place) => {
            let source = ArchiveSource::open(archive(&config, place), window).await?;
            Ok(Opened::Archive(Box::new(source)))
        }
        Source::Joined(place, stream) => {
            let calls = StreamReader::new(config::kinesis_client(&config), stream);
            let archive = archive(&config, place);
            let source = JoinedSource::open(archive, calls, SystemClock, window).await?;
            Ok(Opened::Joined(Box::new(source)))
        }
        Source::Local(_) | Source::File(_) | Source::Table(_) => {
            Err(Refusal::wrong_use("this is no history on AWS"))
        }
    }
}

fn archive(config: &SdkConfig, place: &Place) -> Archive {
    let bucket = Bucket::new(config::s3_client(config), &place.bucket);
    Archive::new(bucket, &place.prefix)
}

/// Every transaction of a table, a page of it after the other.
pub(in crate::command) async fn each_transaction(
    table: &str,
    each: impl FnMut(Transaction) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let client = config::dynamodb_client(&config::load().await);
    let table = Transactions::new(Connection::new(client), table);
    table.for_each(each).await
}

/// The transactions of one id in a table, of every merchant.
pub(in crate::command) async fn transactions(
    table: &str,
    transaction_id: &str,
) -> anyhow::Result<Vec<Transaction>> {
    let client = config::dynamodb_client(&config::load().await);
    let table = Transactions::new(Connection::new(client), table);
    Ok(table.of_id(transaction_id).await?)
}
