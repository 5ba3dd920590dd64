//! Rows that were rejected by mistake, read again by the function: from the same file, once, under
//! their old numbers.

use crate::world::{World, terms};
use serde_json::Value;
use std::path::Path;
use txp_aws::clock::SystemClock;
use txp_aws::redrive::{ROWS_MAX, RedriveError, Redrives};
use txp_domain::card::Fingerprinter;
use txp_domain::event::UploadReceived;
use txp_domain::id::UploadId;
use txp_pipeline::redrive::{
    Overrides, RowsAsked, RowsError, RowsPlan, Unjudged, check_file, plan,
};

/// Two with a zone, three without, one of these with no card.
const FILE: &str = "transaction_id,amount,merchant_id,card_number,timestamp\n\
    t1,1.00,m1,4242424242424242,2026-11-01T10:00:00Z\n\
    t2,2.00,m1,4242424242424242,2026-11-01T10:00:00\n\
    t3,3.00,m1,4242424242424242,2026-11-01T10:00:00Z\n\
    t4,4.00,m1,1234,2026-11-01T10:00:00\n\
    t5,5.00,m1,4242424242424242,2026-11-01T10:00:00\n";

fn asked(upload_id: UploadId, file: &Path) -> RowsAsked<'_> {
    RowsAsked {
        upload_id,
        file,
        overrides: Overrides {
            time_zone: Some("+01:00".to_owned()),
            ..Overrides::default()
        },
        max: 1_000,
        fingerprinter: Fingerprinter::new([0; 32]),
    }
}

async fn planned(
    redrives: &Redrives<SystemClock>,
    asked: &RowsAsked<'_>,
    number: u8,
) -> Result<RowsPlan, RowsError> {
    let rejected = redrives.rejected(asked.upload_id, &[]).await.unwrap();
    let new_id = UploadId::new(1_790_000_100_000, [number; 6]);
    plan(asked, &rejected, new_id, &mut Unjudged).await
}

/// Has the function read what was put; every row of it in the history, the bucket left out.
async fn read(world: &mut World, received: &UploadReceived) -> Vec<Value> {
    let event = world.arrival(received.upload_id).await;
    world.take(event, 60_000).await.unwrap();
    world.told(received.upload_id).await;
    let events = world.events().await.into_values().flatten();
    let events = events.map(|json| serde_json::from_str::<Value>(&json).unwrap());
    let of_it = format!("{}:", received.upload_id);
    let mut rows: Vec<_> = events
        .filter(|event| event["id"].as_str().unwrap().starts_with(&of_it))
        .filter(|event| event["type"].as_str().unwrap().starts_with("transaction."))
        .collect();
    rows.sort_by_key(|event| event["data"]["record"].as_u64());
    rows
}

#[tokio::test]
async fn rejected_rows_are_read_again_once_and_keep_number_and_arrival() {
    let mut world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sales.csv");
    std::fs::write(&file, FILE).unwrap();
    let first = world.announce(1, &terms()).await;
    let event = world.put(first, FILE.as_bytes()).await;
    world.take(event, 60_000).await.unwrap();
    let arrived_at = world.told(first).await["received_at"].clone();
    assert!(arrived_at.is_string());

    let redrives = world.redrives();
    let asked = asked(first, &file);
    let rejected = redrives.rejected(first, &[]).await.unwrap();
    assert_eq!(rejected.records, [2, 4, 5]);
    let card = redrives.rejected(first, &["card_length".to_owned()]).await;
    assert_eq!(card.unwrap().records, [4]);
    let plan = planned(&redrives, &asked, 1).await.unwrap();
    let found = (plan.rejected, plan.tried, plan.valid, plan.classes);
    assert_eq!(found, (3, 3, 2, None));
    assert_eq!(plan.received.file.bytes, Some(FILE.len() as u64));

    // Begun, and cut short before the file was put: nobody else begins, the same goes on. A call that is
    // sent again because its answer was lost is no other.
    for _ in 0..2 {
        redrives.begin(&rejected, &plan.received).await.unwrap();
    }
    let mut other = plan.received.clone();
    other.upload_id = UploadId::new(1_790_000_100_000, [9; 6]);
    let refused = redrives.begin(&rejected, &other).await;
    assert!(matches!(refused, Err(RedriveError::Conflict(_))));
    let refused = planned(&redrives, &asked, 2).await;
    assert!(matches!(refused, Err(RowsError::Unfinished(_))));
    let rejected = redrives.rejected(first, &[]).await.unwrap();
    let unfinished = rejected.unfinished.as_ref().unwrap();
    assert_eq!(*unfinished, plan.received);
    let sha256 = rejected.sha256().unwrap();
    check_file(&asked, unfinished, &sha256).await.unwrap();
    for _ in 0..2 {
        redrives.put(unfinished, &sha256, &file).await.unwrap();
    }

    let rows = read(&mut world, unfinished).await;
    let field = |name: &str| rows.iter().map(|row| row["data"][name].clone()).collect();
    let records: Vec<Value> = field("record");
    let ids: Vec<Value> = field("transaction_id");
    assert_eq!(
        (records, ids),
        (vec![2.into(), 5.into()], vec!["t2".into(), "t5".into()])
    );
    let told = world.told(unfinished.upload_id).await;
    assert_eq!(told["redrive_of"], first.as_str());
    assert_eq!(told["received_at"], arrived_at);
}

#[tokio::test]
async fn a_redrive_from_another_file_is_refused_by_us_and_by_s3() {
    let mut world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sales.csv");
    let first = world.announce(1, &terms()).await;
    let redrives = world.redrives();
    let unknown = redrives.rejected(UploadId::default(), &[]).await;
    assert!(matches!(unknown, Err(RedriveError::Unknown(_))));
    let early = redrives.rejected(first, &[]).await;
    assert!(matches!(
        early,
        Err(RedriveError::Rows(RowsError::NotEnded(_)))
    ));
    let event = world.put(first, FILE.as_bytes()).await;
    world.take(event, 60_000).await.unwrap();
    world.told(first).await;
    std::fs::write(&file, FILE).unwrap();
    let plan = planned(&redrives, &asked(first, &file), 1).await.unwrap();
    let rejected = redrives.rejected(first, &[]).await.unwrap();

    std::fs::write(&file, FILE.replace("2.00", "2.01")).unwrap();
    let refused = planned(&redrives, &asked(first, &file), 1).await;
    assert!(matches!(refused, Err(RowsError::OtherFile { .. })));
    redrives.begin(&rejected, &plan.received).await.unwrap();
    let sha256 = rejected.sha256().unwrap();
    let put = redrives.put(&plan.received, &sha256, &file).await;
    assert!(matches!(put, Err(RedriveError::Port(_))), "{put:?}");

    // The report is kept for a while only.
    world.delete_report(first).await;
    let gone = redrives.rejected(first, &[]).await;
    assert!(matches!(gone, Err(RedriveError::NoReport(_))));
}

/// As many rows as may be taken at once, none beside another: their numbers fit into the items, the
/// event and a record of the stream.
#[tokio::test]
async fn as_many_rows_as_may_be_are_taken_at_once() {
    use std::fmt::Write as _;

    let mut world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sales.csv");
    let mut text = FILE.lines().next().unwrap().to_owned();
    for row in 0..ROWS_MAX + 1 {
        let sale = "1.00,m1,4242424242424242,2026-11-01T10:00:00";
        write!(text, "\nz{row},{sale}Z\nn{row},{sale}").unwrap();
    }
    std::fs::write(&file, &text).unwrap();
    let first = world.announce(1, &terms()).await;
    let event = world.put(first, text.as_bytes()).await;
    world.take(event, 600_000).await.unwrap();
    world.told(first).await;

    let redrives = world.redrives();
    let mut asked = asked(first, &file);
    asked.max = ROWS_MAX;
    let plan = planned(&redrives, &asked, 1).await.unwrap();
    assert_eq!((plan.valid, plan.left_out), (ROWS_MAX as u64, 1));
    let rejected = redrives.rejected(first, &[]).await.unwrap();
    let sha256 = rejected.sha256().unwrap();
    redrives.begin(&rejected, &plan.received).await.unwrap();
    redrives.put(&plan.received, &sha256, &file).await.unwrap();
    let rows = read(&mut world, &plan.received).await;
    assert_eq!(rows.len(), ROWS_MAX);
    let last = rows.last().unwrap();
    assert_eq!(last["data"]["record"], 2 * ROWS_MAX);
}
