//! Lists of uploads: the newest first, page by page, without reading the rest.

use super::{State, StateView, UploadPage};
use crate::block_on::block_on;
use crate::runs::StateError;
use std::fs;
use std::path::Path;
use txp_domain::event::{
    Merchants, SourceFile, UploadEvent, UploadOptions, UploadParsed, UploadReceived, UploadTally,
};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::upload::Upload;
use txp_pipeline::port::UploadStore as _;

/// Enough for some hundred blocks.
const UPLOADS: u64 = 6000;

/// Three in a second, so that neighbours share a hash.
fn id_of(number: u64) -> UploadId {
    UploadId::new(1_700_000_000_000 + number * 300, [7; 6])
}

fn client_of(number: u64) -> String {
    format!("client-{}", number % 3)
}

fn receive(state: &mut State, number: u64) {
    let received = UploadReceived {
        upload_id: id_of(number),
        uploaded_at: Timestamp(1),
        trace: None,
        client_id: client_of(number),
        file: SourceFile::default(),
        options: UploadOptions::default(),
        merchants: Merchants::All,
    };
    block_on(state.apply(&UploadEvent::Received(received), 1)).unwrap();
}

fn end(state: &mut State, number: u64) {
    let parsed = UploadParsed {
        upload_id: id_of(number),
        uploaded_at: Timestamp(1),
        trace: None,
        tally: UploadTally::default(),
    };
    block_on(state.apply(&UploadEvent::Parsed(parsed), 2)).unwrap();
}

/// Some in runs of several checkpoints, some pending, some open.
fn fill(dir: &Path) -> State {
    let mut state = State::open(dir).unwrap();
    for number in 1..=UPLOADS {
        receive(&mut state, number);
        if number + 20 < UPLOADS {
            end(&mut state, number);
        }
        if number % 1900 == 0 {
            state.checkpoint(b"").unwrap();
        }
    }
    state
}

fn page(client_id: Option<&str>, before: Option<UploadId>, limit: usize) -> UploadPage<'_> {
    UploadPage {
        client_id,
        before,
        limit,
    }
}

type Asked<'a> = &'a mut dyn FnMut(UploadPage<'_>) -> Result<Vec<Upload>, StateError>;

fn check_pages(uploads: Asked<'_>) {
    for client in [None, Some("client-0"), Some("client-2"), Some("client-9")] {
        let expected: Vec<_> = (1..=UPLOADS)
            .rev()
            .filter(|number| client.is_none_or(|client| client == client_of(*number)))
            .map(id_of)
            .collect();
        let mut found = Vec::new();
        loop {
            let ids = uploads(page(client, found.last().copied(), 700)).unwrap();
            assert!(ids.len() <= 700);
            if ids.is_empty() {
                break;
            }
            found.extend(ids.iter().map(|upload| upload.id));
        }
        assert!(found == expected, "{client:?}: {} found", found.len());
    }
}

#[test]
fn pages_of_uploads_come_newest_first_and_leave_none_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = fill(dir.path());
    check_pages(&mut |page| state.uploads(page));
    state.checkpoint(b"").unwrap();
    check_pages(&mut |page| state.uploads(page));
    let mut view = StateView::open(dir.path()).unwrap();
    check_pages(&mut |page| view.uploads(page));
}

/// Every block that is read is checked, so damage elsewhere shows what a page reads.
#[test]
fn a_page_of_uploads_reads_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = fill(dir.path());
    state.checkpoint(b"").unwrap();
    drop(state);
    let middle: Vec<u8> = id_of(UPLOADS / 2).as_bytes().iter().map(|b| !b).collect();
    let mut damaged = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let found = bytes.windows(middle.len()).position(|part| part == middle);
        if let Some(at) = found {
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1, "the entry lies in one run");
    let client = client_of(UPLOADS / 2);
    for client in [None, Some(&*client)] {
        let mut view = StateView::open(dir.path()).unwrap();
        for before in [None, Some(id_of(UPLOADS - 300)), Some(id_of(300))] {
            let found = view.uploads(page(client, before, 20)).unwrap();
            assert_eq!(found.len(), 20, "{client:?} {before:?}");
        }
    }
    let mut view = StateView::open(dir.path()).unwrap();
    let before = Some(id_of(UPLOADS / 2 + 1));
    assert!(matches!(
        view.uploads(page(None, before, 20)),
        Err(StateError::Corrupt { .. })
    ));
}
