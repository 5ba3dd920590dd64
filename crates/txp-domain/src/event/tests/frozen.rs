//! The frozen files: what is in histories, for ever. A file here is added to, never changed.

use super::samples;
use crate::event::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The event in a file, without the newline that ends it.
pub(super) fn frozen(name: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(folder().join(name)).unwrap();
    assert_eq!(bytes.pop(), Some(b'\n'), "{name}");
    bytes
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn rows_are_written_and_read_as_frozen() {
    for (name, row, record, line) in samples::rows() {
        let frozen = frozen(name);
        let violations = row.violations();
        let event = row.event(record, line, &violations);
        let (mut by_hand, mut by_serde) = (Vec::new(), Vec::new());
        row.encode(record, line, &mut by_hand);
        encode(&event, &mut by_serde).unwrap();
        assert_eq!(text(&by_hand), text(&frozen), "{name}");
        assert_eq!(text(&by_serde), text(&frozen), "{name}");
        assert_eq!(decode(&frozen).unwrap().event(), event, "{name}");
    }
}

#[test]
fn other_events_are_written_and_read_as_frozen() {
    for (name, event) in samples::others() {
        let frozen = frozen(name);
        let mut written = Vec::new();
        encode(&event, &mut written).unwrap();
        assert_eq!(text(&written), text(&frozen), "{name}");
        assert_eq!(decode(&frozen).unwrap().event(), event, "{name}");
    }
}

#[test]
fn every_frozen_file_is_read_and_every_type_and_version_has_one() {
    let mut expected: BTreeSet<String> = samples::rows().iter().map(|r| r.0.to_owned()).collect();
    expected.extend(samples::others().iter().map(|(name, _)| (*name).to_owned()));
    let found: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected);
    for event_type in EventType::ALL {
        for version in 1..=event_type.version() {
            let name = format!("{event_type}.{version}.json");
            assert!(found.contains(&name), "{name}");
        }
    }
}
