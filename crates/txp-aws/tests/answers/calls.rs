//! One call of each kind that the adapters make.

use aws_config::SdkConfig;
use std::future::Future;
use std::pin::Pin;
use txp_aws::clock::SystemClock;
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::alerts::{ActiveRules, Alerts, SharedCooldowns};
use txp_aws::dynamodb::clients::Clients;
use txp_aws::dynamodb::profiles::Profiles;
use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::uploads::{DueKind, Fence, Uploads};
use txp_aws::invoke::Invoker;
use txp_aws::kinesis::put::{PutEntry, PutRecords as _, StreamWriter};
use txp_aws::kinesis::read::{Place, ReadShards as _, StreamReader};
use txp_aws::quarantine::S3Quarantine;
use txp_aws::rules::{RULES_OBJECT, RulesObject};
use txp_aws::s3::Bucket;
use txp_aws::s3::archive::Archive;
use txp_aws::s3::report::RejectsReport;
use txp_aws::secrets::SecretKey;
use txp_aws::sns::Topic;
use txp_domain::alert::{Decision, Message, Notice};
use txp_domain::card::Fingerprint;
use txp_domain::money::Currency;
use txp_domain::position;
use txp_domain::profile::Profile;
use txp_domain::transaction::Transaction;
use txp_domain::upload::ClassCounts;
use txp_pipeline::history::archive::ArchiveSource;
use txp_pipeline::port::{
    Advance, AlertLedger as _, AlertSink as _, ArchiveSink as _, Handed, Poison, PortError,
    ProfileKey, ProfileStore as _, Quarantine as _, ReportSink as _, ReportStore as _,
    TransactionStore as _, UploadStore as _, Window,
};
use txp_pipeline::retry::RetryPolicy;
use txp_pipeline::stage::alert::CooldownStore as _;
use txp_pipeline::stage::rulebook::{RuleRegistry as _, RuleSource as _};
use txp_tests::conformance::{NOW, alerts, position as at, sale, upload_id, uploads, valid};

/// How a service says that it does not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    /// JSON, its throttle by this code.
    Json(&'static str),
    /// JSON, the code in a header.
    Rest,
    /// S3's XML.
    Objects,
    /// The older services' XML.
    Query,
}

type Made = Pin<Box<dyn Future<Output = Result<(), PortError>>>>;

pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) protocol: Protocol,
    /// Whether an answer has a body that can name a code.
    pub(crate) has_body: bool,
    /// Whether any body is fine, since none is looked at.
    pub(crate) takes_any_body: bool,
    pub(crate) make: fn(SdkConfig) -> Made,
}

const TABLE: Protocol = Protocol::Json("ProvisionedThroughputExceededException");
const STREAM: Protocol = Protocol::Json("ProvisionedThroughputExceededException");
const SECRET: Protocol = Protocol::Json("ThrottlingException");

macro_rules! call {
    ($name:literal, $protocol:expr, |$config:ident| $made:expr) => {
        Call {
            name: $name,
            protocol: $protocol,
            has_body: true,
            takes_any_body: false,
            make: |$config| Box::pin(async move { $made.map(|_| ()) }),
        }
    };
}

/// Once: a topic tries again by itself what may pass.
const ONCE: RetryPolicy = RetryPolicy {
    first_wait_millis: 1,
    max_wait_millis: 1,
    attempts_max: 1,
};

fn connection(config: &SdkConfig) -> Connection {
    Connection::new(aws_sdk_dynamodb::Client::new(config))
}

fn transactions(config: &SdkConfig) -> Transactions {
    Transactions::new(connection(config), "t")
}

fn store(config: &SdkConfig) -> Uploads {
    Uploads::new(connection(config), "t")
}

fn profiles(config: &SdkConfig) -> Profiles {
    Profiles::new(connection(config), "t")
}

fn ledger(config: &SdkConfig) -> Alerts {
    Alerts::new(connection(config), "t")
}

pub(crate) fn bucket(config: &SdkConfig) -> Bucket {
    Bucket::new(txp_aws::config::s3_client(config), "b")
}

pub(crate) fn reader(config: &SdkConfig) -> StreamReader {
    StreamReader::new(aws_sdk_kinesis::Client::new(config), "s")
}

pub(crate) fn topic(config: &SdkConfig, retry: RetryPolicy) -> Topic<SystemClock> {
    let client = aws_sdk_sns::Client::new(config);
    Topic::new(client, "arn:aws:sns:us-east-1:1:t", SystemClock, retry)
}

pub(crate) fn message(number: u64) -> Message {
    Message::of(
        &alerts::record(number, "m-1", Decision::Send)
            .flagged
            .finding,
    )
}

fn profile_key() -> ProfileKey {
    ProfileKey {
        fingerprint: Fingerprint([7; 16]),
        currency: Currency::USD,
    }
}

pub(crate) fn item() -> Transaction {
    let mut item = Transaction::empty("m-1", "t-1");
    let row = valid(upload_id(1), 1, sale("m-1", "t-1", 5));
    item.apply_row(&row, &at(1, 1), 1);
    item
}

fn step() -> Advance {
    Advance {
        upload_id: upload_id(1),
        bucket: position::Bucket(4),
        from: 0,
        to: 7,
        counts: ClassCounts::default(),
    }
}

fn entry() -> PutEntry {
    PutEntry {
        bucket: position::Bucket(4),
        partition_key: "k".to_owned(),
        data: b"x".to_vec(),
    }
}

fn poison() -> Poison {
    Poison {
        position: at(1, 1),
        stage: "aggregate",
        reason: "none".to_owned(),
    }
}

async fn inserted(config: &SdkConfig) -> Result<(), PortError> {
    let row = valid(upload_id(1), 1, sale("m-1", "t-1", 5));
    let position = at(1, 1);
    let fresh = txp_domain::transaction::FreshTransaction::of(&row, &position, 1).unwrap();
    let mut store = transactions(config);
    store.insert_new(&[fresh], &mut Vec::new()).await
}

async fn decided(config: &SdkConfig) -> Result<(), PortError> {
    let notice = Notice::of(&alerts::record(1, "m-1", Decision::Send).flagged.finding);
    let mut cooldowns = SharedCooldowns::new(ledger(config));
    let decided = cooldowns.decide(&alerts::POLICY, &notice, alerts::at(1));
    decided.await.map(|_| ())
}

async fn archived(config: &SdkConfig) -> Result<(), PortError> {
    let opened = ArchiveSource::open(Archive::new(bucket(config), ""), Window::default());
    opened.await.map(|_| ())
}

async fn in_parts(config: &SdkConfig) -> Result<(), PortError> {
    let mut report = RejectsReport::new(bucket(config), upload_id(1));
    report.take(&mut vec![0; 6 << 20]).await
}

async fn as_a_whole(config: &SdkConfig) -> Result<(), PortError> {
    let mut report = RejectsReport::new(bucket(config), upload_id(1));
    report.take(&mut b"report".to_vec()).await?;
    report.publish().await
}

async fn kept(config: &SdkConfig) -> Result<(), PortError> {
    let mut report = RejectsReport::new(bucket(config), upload_id(1));
    report.take(&mut b"report".to_vec()).await?;
    report.save().await.map(|_| ())
}

async fn ruled(config: &SdkConfig) -> Result<(), PortError> {
    let client = txp_aws::config::s3_client(config);
    let mut object = RulesObject::new(client, "s3://b/k", RULES_OBJECT).unwrap();
    object.read().await.map(|_| ())
}

async fn keyed(config: &SdkConfig) -> Result<(), PortError> {
    let client = aws_sdk_secretsmanager::Client::new(config);
    let key = SecretKey::of_fingerprints(client, "s".to_owned());
    key.get().await.map(|_| ())
}

async fn invoked(config: &SdkConfig) -> Result<(), PortError> {
    let invoker = Invoker::new(aws_sdk_lambda::Client::new(config), "f");
    invoker.invoke_later(b"{}".to_vec()).await
}

async fn written(config: &SdkConfig) -> Result<(), PortError> {
    let writer = StreamWriter::new(aws_sdk_kinesis::Client::new(config), "s");
    writer.put_records(&[entry()]).await.map(|_| ())
}

fn marked() -> [Handed; 1] {
    [Handed::Alert { id: alerts::id(1) }]
}

pub(crate) const ALL: [Call; 38] = [
    call!("a transaction is read", TABLE, |c| transactions(&c)
        .load("m", "t")
        .await),
    call!("transactions are inserted", TABLE, |c| inserted(&c).await),
    call!("a transaction is stored", TABLE, |c| transactions(&c)
        .store(&item(), 1)
        .await),
    call!("transactions are prepared", TABLE, |c| transactions(&c)
        .prepare(&[("m", "t")])
        .await),
    call!("an id's transactions are read", TABLE, |c| transactions(&c)
        .of_id("t")
        .await),
    call!("an upload is read", TABLE, |c| store(&c)
        .load(upload_id(1))
        .await),
    call!("uploads are listed", TABLE, |c| store(&c)
        .list("c", None, 5)
        .await),
    call!("a watermark is read", TABLE, |c| {
        store(&c).watermark(upload_id(1), position::Bucket(1)).await
    }),
    call!("a watermark is advanced", TABLE, |c| store(&c)
        .advance(&step(), 1)
        .await),
    call!("an upload's event is applied", TABLE, |c| {
        store(&c).apply(&uploads::received(upload_id(1)), 1).await
    }),
    call!("a file is claimed", TABLE, |c| {
        store(&c).claim(upload_id(1), "v", "me", NOW, 60).await
    }),
    call!("a claim is released", TABLE, |c| {
        store(&c).release(upload_id(1), Fence(1), NOW, 0).await
    }),
    call!("what is due is read", TABLE, |c| store(&c)
        .due(DueKind::Lease, NOW, 5)
        .await),
    call!("a link expires", TABLE, |c| store(&c)
        .expire(upload_id(1), NOW)
        .await),
    call!("a profile is read", TABLE, |c| profiles(&c)
        .load(profile_key())
        .await),
    call!("profiles are prepared", TABLE, |c| profiles(&c)
        .prepare(&[profile_key()])
        .await),
    call!("a profile is stored", TABLE, |c| {
        profiles(&c)
            .store(profile_key(), Profile::default(), 1)
            .await
    }),
    call!("an alert is looked up", TABLE, |c| ledger(&c)
        .look_up("a", &at(1, 1))
        .await),
    call!("an alert is recorded", TABLE, |c| {
        ledger(&c)
            .record(&[alerts::record(1, "m", Decision::Send)])
            .await
    }),
    call!("an alert is marked", TABLE, |c| ledger(&c)
        .mark(&marked(), NOW)
        .await),
    call!("unsent alerts are read", TABLE, |c| ledger(&c)
        .unsent(NOW, 5)
        .await),
    call!("a cooldown is decided", TABLE, |c| decided(&c).await),
    call!("active rules are read", TABLE, |c| ActiveRules::new(
        ledger(&c)
    )
    .latest()
    .await),
    call!("a client is read", TABLE, |c| {
        Clients::new(connection(&c), "t").of_key("k", NOW).await
    }),
    call!("records are written", STREAM, |c| written(&c).await),
    call!("shards are listed", STREAM, |c| reader(&c).shards().await),
    call!("an iterator is made", STREAM, |c| reader(&c)
        .iterator("s", Place::Beginning)
        .await),
    call!("records are read", STREAM, |c| reader(&c)
        .records("i")
        .await),
    call!("a secret is read", SECRET, |c| keyed(&c).await),
    Call {
        takes_any_body: true,
        ..call!("a function is called", Protocol::Rest, |c| invoked(&c)
            .await)
    },
    Call {
        takes_any_body: true,
        ..call!("an object is stored", Protocol::Objects, |c| {
            Archive::new(bucket(&c), "").put("n", Vec::new()).await
        })
    },
    Call {
        takes_any_body: true,
        ..call!("poison is put aside", Protocol::Objects, |c| {
            S3Quarantine::new(bucket(&c), "aggregate")
                .put(&poison())
                .await
        })
    },
    Call {
        takes_any_body: true,
        ..call!("a report is stored", Protocol::Objects, |c| as_a_whole(&c)
            .await)
    },
    Call {
        takes_any_body: true,
        ..call!("a report's end is kept", Protocol::Objects, |c| kept(&c)
            .await)
    },
    call!("a report is begun in parts", Protocol::Objects, |c| {
        in_parts(&c).await
    }),
    call!("an archive is listed", Protocol::Objects, |c| archived(&c)
        .await),
    Call {
        takes_any_body: true,
        ..call!("a rule file is read", Protocol::Objects, |c| ruled(&c)
            .await)
    },
    call!("a message is published", Protocol::Query, |c| {
        topic(&c, ONCE).send(&message(1)).await
    }),
];

/// A call whose answer has no body.
pub(crate) fn head() -> Call {
    Call {
        has_body: false,
        takes_any_body: true,
        ..call!("an object is looked at", Protocol::Objects, |c| {
            bucket(&c).head("k", "v").await
        })
    }
}
