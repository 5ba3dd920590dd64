//! What an item is to be where another one stands.

use super::*;
use txp_domain::event::{RejectedRow, RowEvent, RowOutcome};
use txp_domain::id::{EventId, UploadId};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::time::Timestamp;

fn item(line: u64, sequence: u64) -> Transaction {
    let row = RowEvent {
        upload_id: UploadId::new(1, [1; 6]),
        uploaded_at: Timestamp(0),
        record: sequence,
        line,
        outcome: RowOutcome::Rejected(RejectedRow {
            ids: Some(("m", "t")),
            violations: "[]",
        }),
    };
    let position = Position {
        bucket: Bucket(1),
        sequence: Sequence::from(sequence),
        subsequence: 0,
    };
    let mut item = Transaction::empty("m", "t");
    item.writer = Writer::Replay("b".into());
    item.apply_row(&row, &position, 1);
    item
}

fn event(record: u64) -> EventId {
    EventId {
        upload_id: UploadId::new(2, [2; 6]),
        record,
    }
}

#[test]
fn only_what_says_something_else_is_written() {
    let mut live = item(2, 5);
    live.writer = Writer::Live;
    assert!(matches!(mended(&item(2, 5), &live), Mended::Same));
    live.link_dispute(event(1));
    assert!(matches!(mended(&item(2, 5), &live), Mended::Same));
    assert!(matches!(mended(&item(2, 4), &live), Mended::Ahead));
    assert!(matches!(
        mended(&Transaction::empty("m", "t"), &live),
        Mended::Ahead
    ));
}

#[test]
fn what_is_mended_keeps_links_that_another_writer_has_made() {
    let mut stored = item(9, 5);
    stored.link_dispute(event(1));
    let mut wanted = item(2, 5);
    wanted.link_dispute(event(2));
    let Mended::Other(found) = mended(&wanted, &stored) else {
        panic!("the line differs");
    };
    assert_eq!(found.disputes, [event(1), event(2)]);
    assert_eq!(found.rejection, wanted.rejection);
    assert_eq!(found.revision, 3);
    assert!(matches!(mended(&wanted, &found), Mended::Same));
}

#[test]
fn a_placeholder_gives_way_to_what_was_folded() {
    let mut placeholder = Transaction::empty("m", "t");
    placeholder.link_dispute(event(1));
    let Mended::Other(found) = mended(&item(2, 5), &placeholder) else {
        panic!("its own event is missing");
    };
    assert_eq!((found.disputes.len(), found.revision), (1, 2));
}
