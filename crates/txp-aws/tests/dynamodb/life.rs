//! Links, lists, and uploads that a crash left half completed.

use crate::uploads;
use aws_sdk_dynamodb::types::AttributeValue;
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::tables;
use txp_aws::dynamodb::uploads::{Announcement, Due, DueKind, Uploads};
use txp_domain::event::{Redrive, UploadEvent};
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::upload::{ClassCounts, UploadState};
use txp_emulator::Emulator;
use txp_pipeline::port::{Advance, UploadStore as _, Written};
use txp_pipeline::webhook::Outgoing;
use txp_tests::conformance::alerts::at;
use txp_tests::conformance::upload_id;
use txp_tests::conformance::uploads::{CLIENT, failed, parsed, received};

fn announcement(number: u8, client: &str) -> Announcement {
    Announcement {
        upload_id: upload_id(number),
        client_id: client.to_owned(),
        expires_at: at(900),
        terms: r#"{"strict":true}"#.to_owned(),
    }
}

async fn state(store: &Uploads, id: UploadId) -> UploadState {
    store.load(id).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_link_is_announced_once_and_used_or_expired() {
    let emulator = Emulator::shared().await;
    let mut store = uploads(&emulator).await;
    let (used, unused) = (announcement(1, CLIENT), announcement(2, CLIENT));
    assert_eq!(store.load(used.upload_id).await.unwrap(), None);
    for link in [&used, &unused] {
        assert_eq!(store.announce(link).await.unwrap(), Written::Stored);
        assert_eq!(store.announce(link).await.unwrap(), Written::Conflict);
        let view = store.load(link.upload_id).await.unwrap().unwrap();
        assert_eq!(view.state, UploadState::Pending);
        assert_eq!(view.client_id.as_deref(), Some(CLIENT));
        assert_eq!(view.terms.as_ref(), Some(&link.terms));
    }
    // Reading begins: the link does not wait any more.
    store
        .claim(used.upload_id, "v1", "a", at(5), 60)
        .await
        .unwrap();
    assert_eq!(state(&store, used.upload_id).await, UploadState::Processing);
    let due = store.due(DueKind::Link, at(900), 9).await.unwrap();
    let expected = Due {
        upload_id: unused.upload_id,
        at: at(900),
    };
    assert_eq!(due, [expected]);
    for (id, now, written) in [
        (unused.upload_id, 899, Written::Conflict),
        (unused.upload_id, 900, Written::Stored),
        (unused.upload_id, 900, Written::Conflict),
        (used.upload_id, 900, Written::Conflict),
    ] {
        assert_eq!(store.expire(id, at(now)).await.unwrap(), written);
    }
    assert_eq!(state(&store, unused.upload_id).await, UploadState::Expired);
    assert_eq!(store.due(DueKind::Link, at(9_000), 9).await.unwrap(), []);
    // It came after all, a moment too late for the sweeper: it is read.
    store.apply(&received(unused.upload_id), 1).await.unwrap();
    assert_eq!(
        state(&store, unused.upload_id).await,
        UploadState::Processing
    );
}

#[tokio::test]
async fn a_client_lists_its_own_newest_first() {
    let emulator = Emulator::shared().await;
    let mut store = uploads(&emulator).await;
    for number in 1..=120 {
        let client = if number % 2 == 0 { "even" } else { "odd" };
        let announced = store.announce(&announcement(number, client)).await;
        assert_eq!(announced.unwrap(), Written::Stored);
    }
    store.apply(&received(upload_id(118)), 3).await.unwrap();
    let (mut before, mut listed) = (None, Vec::new());
    loop {
        let page = store.list("even", before, 25).await.unwrap();
        listed.extend(page.uploads);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let ids: Vec<_> = listed.iter().map(|view| view.upload.id).collect();
    let expected: Vec<_> = (1..=60).rev().map(|n| upload_id(2 * n)).collect();
    assert_eq!(ids, expected);
    let state_of = |at: usize| listed.get(at).map(|view| view.state);
    assert_eq!(state_of(0), Some(UploadState::Pending));
    assert_eq!(state_of(1), Some(UploadState::Processing));
    let nobody = store.list("nobody", None, 10).await.unwrap();
    assert_eq!((nobody.uploads, nobody.next), (Vec::new(), None));
}

/// Whoever looks for the oldest file that is not completed finds it, at each stage of its life.
#[tokio::test]
async fn a_file_is_unfinished_from_its_arrival_to_its_last_row() {
    let emulator = Emulator::shared().await;
    let mut store = uploads(&emulator).await;
    let (link, other) = (announcement(1, CLIENT), upload_id(2));
    assert_eq!(store.announce(&link).await.unwrap(), Written::Stored);
    let id = link.upload_id;
    let unfinished = async |store: &Uploads| {
        let due = store.due(DueKind::Unfinished, at(99_999), 9).await.unwrap();
        due.into_iter().map(|due| due.upload_id).collect::<Vec<_>>()
    };
    assert_eq!(unfinished(&store).await, []);
    store.claim(id, "v1", "a", at(5), 60).await.unwrap();
    assert_eq!(unfinished(&store).await, [id]);
    store.apply(&received(id), 1).await.unwrap();
    store.apply(&received(other), 1).await.unwrap();
    assert_eq!(unfinished(&store).await.len(), 2);
    store.apply(&parsed(id, &[(8, 5)]), 2).await.unwrap();
    assert_eq!(unfinished(&store).await.len(), 2);
    let step = Advance {
        upload_id: id,
        bucket: Bucket(8),
        from: 0,
        to: 5,
        // As many as the ending tells of: with fewer, rows of it would be in quarantine.
        counts: ClassCounts {
            accepted: 10,
            ..ClassCounts::default()
        },
    };
    assert_eq!(store.advance(&step, 3).await.unwrap(), Written::Stored);
    assert_eq!(state(&store, id).await, UploadState::Completed);
    assert_eq!(unfinished(&store).await, [other]);
}

/// Of two who have rows of an upload read again at once, one begins; each later one knows of those before.
#[tokio::test]
async fn redrives_of_an_upload_begin_one_after_the_other() {
    let emulator = Emulator::shared().await;
    let mut store = uploads(&emulator).await;
    let [first, a, b, unknown] = [1, 2, 3, 9].map(upload_id);
    store.apply(&received(first), 1).await.unwrap();
    for (id, known, new, written) in [
        (unknown, &[][..], a, Written::Conflict),
        (first, &[], a, Written::Stored),
        (first, &[], b, Written::Conflict),
        (first, &[b], b, Written::Conflict),
        (first, &[a], b, Written::Stored),
    ] {
        assert_eq!(store.redrive(id, known, new).await.unwrap(), written);
    }
    assert_eq!(store.load(unknown).await.unwrap(), None);
    let view = store.load(first).await.unwrap().unwrap();
    assert_eq!(view.redrives, [a, b]);
}

/// Rows that are read again keep the arrival of the first time; nobody waits for them since then.
#[tokio::test]
async fn a_redrive_is_unfinished_since_it_began() {
    let emulator = Emulator::shared().await;
    let mut store = uploads(&emulator).await;
    let began = at(80);
    let millis = u64::try_from(began.unix_millis()).unwrap();
    let id = UploadId::new(millis, [1; 6]);
    let UploadEvent::Received(mut again) = received(id) else {
        panic!("it is received")
    };
    assert!(again.uploaded_at != began);
    again.options.redrive = Some(Redrive::default());
    let again = UploadEvent::Received(again);
    store.apply(&again, 1).await.unwrap();
    let due = store.due(DueKind::Unfinished, at(99_999), 9).await;
    let expected = Due {
        upload_id: id,
        at: began,
    };
    assert_eq!(due.unwrap(), [expected]);
}

/// Where ends are told, an upload is due to be told in the write that ends it, until somebody has.
#[tokio::test]
async fn an_upload_that_ends_is_due_to_be_told_once() {
    let emulator = Emulator::shared().await;
    let mut store = uploads(&emulator).await.telling_ends();
    let (completed, failing) = (upload_id(1), upload_id(2));
    let ended = async |store: &Uploads| {
        let due = store.due(DueKind::Ended, at(99_999), 9).await.unwrap();
        let mut ids: Vec<_> = due.into_iter().map(|due| due.upload_id).collect();
        ids.sort();
        ids
    };
    for id in [completed, failing] {
        store.apply(&received(id), 1).await.unwrap();
    }
    store.apply(&parsed(completed, &[(8, 5)]), 2).await.unwrap();
    assert_eq!(ended(&store).await, []);
    let step = Advance {
        upload_id: completed,
        bucket: Bucket(8),
        from: 0,
        to: 5,
        counts: ClassCounts {
            accepted: 10,
            ..ClassCounts::default()
        },
    };
    assert_eq!(store.advance(&step, 3).await.unwrap(), Written::Stored);
    store.apply(&failed(failing), 4).await.unwrap();
    assert_eq!(ended(&store).await, [completed, failing]);
    assert_eq!(
        store.due(DueKind::Unfinished, at(99_999), 9).await.unwrap(),
        []
    );
    let view = store.load(completed).await.unwrap().unwrap();
    let message = Outgoing::of_upload(&view.upload, at(3)).unwrap();
    assert_eq!(message.id, format!("{completed}:completed"));
    store.told(completed).await.unwrap();
    assert_eq!(ended(&store).await, [failing]);
    // What is delivered again does not make it news again.
    store.forget();
    for event in [received(completed), parsed(completed, &[(8, 5)])] {
        store.apply(&event, 9).await.unwrap();
    }
    store.apply(&failed(failing), 9).await.unwrap();
    store.told(failing).await.unwrap();
    store.told(failing).await.unwrap();
    assert_eq!(ended(&store).await, []);
    // Nobody is to be told: nothing is due.
    let mut quiet = uploads(&emulator).await;
    quiet.apply(&received(failing), 1).await.unwrap();
    quiet.apply(&failed(failing), 2).await.unwrap();
    assert_eq!(ended(&quiet).await, []);
}

/// The last row was folded, and then came a crash: whoever is given the batch again completes it.
#[tokio::test]
async fn what_a_crash_left_open_is_completed_by_the_redelivery() {
    let emulator = Emulator::shared().await;
    let table = emulator.table(&tables::UPLOADS).await;
    let client = emulator.dynamodb();
    let open = || Uploads::new(Connection::new(emulator.dynamodb()), &*table);
    let id = upload_id(7);
    let mut store = open();
    store.apply(&received(id), 1).await.unwrap();
    store.apply(&parsed(id, &[(8, 5)]), 2).await.unwrap();
    let step = Advance {
        upload_id: id,
        bucket: Bucket(8),
        from: 0,
        to: 5,
        counts: ClassCounts {
            accepted: 10,
            ..ClassCounts::default()
        },
    };
    assert_eq!(store.advance(&step, 3).await.unwrap(), Written::Stored);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    for (part, expression) in [
        ("upload", "SET #state = :parsed REMOVE unused_attribute"),
        ("progress", "REMOVE closed_at_ms"),
    ] {
        let mut update = client
            .update_item()
            .table_name(&table)
            .key("upload_id", text(id.as_str()))
            .key("part", text(part))
            .update_expression(expression);
        if part == "upload" {
            update = update
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":parsed", text("parsed"));
        }
        update.send().await.unwrap();
    }
    let mut next = open();
    assert_eq!(next.watermark(id, Bucket(8)).await.unwrap(), u64::MAX);
    let item = client
        .get_item()
        .table_name(&table)
        .key("upload_id", text(id.as_str()))
        .key("part", text("upload"))
        .send()
        .await
        .unwrap();
    assert_eq!(item.item().unwrap().get("state"), Some(&text("completed")));
    assert_eq!(state(&next, id).await, UploadState::Completed);
}
