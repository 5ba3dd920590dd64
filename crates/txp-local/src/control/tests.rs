//! Keys and links over their whole lives, and after restarts.

use super::*;
use std::fs;
use std::path::Path;
use txp_domain::event::{Defaults, Merchants, SourceFile, UploadOptions, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_pipeline::api::Idempotency;
use txp_pipeline::document::StateName;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_795_478_343 + seconds).unwrap()
}

fn client(name: &str) -> NewClient {
    NewClient {
        name: name.to_owned(),
        merchants: Merchants::Only(vec!["b".to_owned(), "a".to_owned(), "b".to_owned()]),
        defaults: Defaults::default(),
        long_number_ids_allowed: false,
    }
}

fn is_valid(ring: &KeyRing, key: &IssuedKey) -> bool {
    ring.authenticate(&key.key, at(5)).unwrap().is_some()
}

#[test]
fn two_keys_are_valid_while_rotating_and_none_once_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let clients = Clients::open(dir.path(), at(0)).unwrap();
    let ring = KeyRing::open(dir.path()).unwrap();
    let first = clients.add(client("shop"), at(0)).unwrap();
    assert!(is_valid(&ring, &first));
    let second = clients.rotate("shop", at(1)).unwrap();
    assert!(is_valid(&ring, &first) && is_valid(&ring, &second));
    let third = clients.rotate("shop", at(2)).unwrap();
    assert!(!is_valid(&ring, &first) && is_valid(&ring, &second) && is_valid(&ring, &third));
    clients.revoke(&second.key_id, at(3)).unwrap();
    assert!(!is_valid(&ring, &second) && is_valid(&ring, &third));
    clients.revoke("shop", at(4)).unwrap();
    assert!(!is_valid(&ring, &third));
    assert!(ring.client("shop").unwrap().is_none());
    let rotated = clients.rotate("shop", at(5));
    assert!(matches!(rotated, Err(ControlError::UnknownClient)));
    let again = clients.add(client("shop"), at(6));
    assert!(matches!(again, Err(ControlError::NameTaken)));
}

#[test]
fn only_the_right_secret_is_a_key_and_only_its_hash_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let clients = Clients::open(dir.path(), at(0)).unwrap();
    let key = clients.add(client("shop"), at(0)).unwrap();
    let other = clients.add(client("other"), at(0)).unwrap();
    let ring = KeyRing::open(dir.path()).unwrap();
    for wrong in [
        String::new(),
        key.key_id.clone(),
        format!("{}.", key.key_id),
        format!("{}.{}", key.key_id, other.secret),
        format!("{}.{}", other.key_id, key.secret),
        format!("{}b", key.key),
        key.key.to_uppercase(),
    ] {
        assert!(
            ring.authenticate(&wrong, at(1)).unwrap().is_none(),
            "{wrong}"
        );
    }
    let caller = ring.authenticate(&key.key, at(1)).unwrap().unwrap();
    assert_eq!(caller.client.who.client_id, "shop");
    let merchants = Merchants::Only(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(caller.client.who.merchants, merchants);
    ring.flush().unwrap();
    let listed = clients.list().unwrap();
    assert_eq!(listed[1].keys[0].last_used_at, Some(at(1)));
    assert_eq!(listed[0].keys[0].last_used_at, None);
    for entry in fs::read_dir(dir.path().join(CONTROL_DIR)).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(&key.secret), "{text}");
    }
    assert!(
        key.key
            .bytes()
            .all(|byte| byte == b'.' || byte.is_ascii_lowercase())
    );
    assert_eq!(format!("{key:?}"), format!("IssuedKey({})", key.key_id));
}

#[test]
fn names_that_could_hold_a_card_number_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let clients = Clients::open(dir.path(), at(0)).unwrap();
    for name in [
        "",
        "local",
        "Shop",
        "a b",
        "-a",
        "a/b",
        "4111111111111111",
        "a1-2-3-4-5-6-7-8-9-0-1-2",
    ] {
        let refused = clients.add(client(name), at(0)).unwrap_err();
        assert!(matches!(refused, ControlError::Name), "{name}");
        assert!(!refused.to_string().contains("4111"));
    }
    let none = NewClient {
        merchants: Merchants::Only(Vec::new()),
        ..client("a")
    };
    assert!(matches!(
        clients.add(none, at(0)),
        Err(ControlError::NoMerchants)
    ));
    let odd = NewClient {
        defaults: Defaults {
            currency: Some("usd".to_owned()),
            time_zone: None,
        },
        ..client("a")
    };
    assert!(matches!(
        clients.add(odd, at(0)),
        Err(ControlError::Defaults)
    ));
}

fn link(number: u8, key: Option<(u8, u8)>) -> Link {
    Link {
        upload_id: UploadId::new(u64::from(number), [number; 6]),
        client_id: "shop".to_owned(),
        issued_at: at(0),
        expires_at: at(900),
        file_name: None,
        content_length: Some(10),
        sha256: Some([number; 32]),
        strict: false,
        dry_run: false,
        defaults: Defaults::default(),
        columns: Default::default(),
        idempotency: key.map(|(key, body)| Idempotency {
            key: [key; 32],
            body: [body; 32],
        }),
    }
}

fn arrival(link: &Link) -> Arrival {
    let received = UploadReceived {
        upload_id: link.upload_id,
        uploaded_at: at(30),
        trace: None,
        client_id: link.client_id.clone(),
        file: SourceFile::default(),
        options: UploadOptions::default(),
        merchants: Merchants::All,
    };
    Arrival::new(received, link.dry_run)
}

fn open(dir: &Path, seconds: u64) -> Links {
    crate::format::ensure(dir, "now").unwrap();
    Links::open(dir, at(seconds)).unwrap()
}

#[test]
fn a_repeated_request_gets_its_link_again_for_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let links = open(dir.path(), 0);
    let first = Issued::Link(Box::new(link(1, Some((7, 7)))));
    assert_eq!(links.issue(link(1, Some((7, 7))), at(0)).unwrap(), first);
    assert_eq!(links.issue(link(2, Some((7, 7))), at(1)).unwrap(), first);
    assert_eq!(
        links.issue(link(3, Some((7, 8))), at(1)).unwrap(),
        Issued::KeyReused
    );
    let other = links.issue(link(4, Some((8, 8))), at(1)).unwrap();
    assert_eq!(other, Issued::Link(Box::new(link(4, Some((8, 8))))));
    drop(links);
    let links = open(dir.path(), 2);
    assert_eq!(
        links.issue(link(2, Some((7, 7))), at(86_399)).unwrap(),
        first
    );
    let later = links.issue(link(2, Some((7, 8))), at(86_400)).unwrap();
    assert_eq!(later, Issued::Link(Box::new(link(2, Some((7, 8))))));
}

#[test]
fn what_arrived_waits_until_it_ended_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let links = open(dir.path(), 0);
    for number in 1..=3 {
        links.issue(link(number, None), at(0)).unwrap();
    }
    links.arrive(arrival(&link(2, None))).unwrap();
    links.arrive(arrival(&link(3, None))).unwrap();
    drop(links);
    let links = open(dir.path(), 100_000);
    let waiting = links.waiting();
    assert_eq!(waiting.len(), 2);
    assert_eq!(waiting[0].received().upload_id, link(2, None).upload_id);
    assert_eq!(waiting[0].received().uploaded_at, at(30));
    assert!(links.get(link(1, None).upload_id).is_none());
    links.end(link(2, None).upload_id, at(40), None).unwrap();
    drop(links);
    let links = open(dir.path(), 100_000);
    assert_eq!(links.waiting().len(), 1);
    assert_eq!(links.newest(Some("shop"), None, 9).len(), 1);
    assert_eq!(links.newest(Some("other"), None, 9).len(), 0);
}

#[test]
fn a_line_cut_by_a_crash_is_taken_off_and_a_damaged_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let links = open(dir.path(), 0);
    links.issue(link(1, None), at(0)).unwrap();
    links.issue(link(2, None), at(0)).unwrap();
    drop(links);
    let path = dir.path().join(CONTROL_DIR).join("links.jsonl");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    let links = open(dir.path(), 1);
    assert!(links.get(link(1, None).upload_id).is_some());
    assert!(links.get(link(2, None).upload_id).is_none());
    drop(links);
    fs::write(&path, [b"{}\n", whole.as_slice()].concat()).unwrap();
    let refused = Links::open(dir.path(), at(1)).unwrap_err();
    assert!(refused.to_string().contains("in line 1"), "{refused}");
}

#[test]
fn the_file_is_written_anew_when_most_of_it_is_stale() {
    let dir = tempfile::tempdir().unwrap();
    let links = open(dir.path(), 0);
    links.issue(link(1, None), at(0)).unwrap();
    let path = dir.path().join(CONTROL_DIR).join("links.jsonl");
    let mut most = 0;
    for _ in 0..4200 {
        links.arrive(arrival(&link(1, None))).unwrap();
        most = most.max(fs::metadata(&path).unwrap().len());
    }
    assert!(fs::metadata(&path).unwrap().len() < most / 10);
}

#[test]
fn a_signature_is_of_one_link_only() {
    let dir = tempfile::tempdir().unwrap();
    let signer = Signer::open(dir.path()).unwrap();
    let good = link(1, None);
    let signature = signer.sign(&good);
    assert!(Signer::open(dir.path()).unwrap().verify(&good, &signature));
    let later = Link {
        expires_at: at(901),
        ..good.clone()
    };
    let longer = Link {
        content_length: None,
        ..good.clone()
    };
    let free = Link {
        sha256: None,
        ..good.clone()
    };
    for other in [later, longer, free, link(2, None)] {
        assert!(!signer.verify(&other, &signature));
    }
    for wrong in ["", "b", &signature[1..], &signature.to_uppercase()] {
        assert!(!signer.verify(&good, wrong), "{wrong}");
    }
}

#[test]
fn a_reader_sees_links_as_they_are_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read_links(dir.path(), at(0)).unwrap().count(), 0);
    assert!(!dir.path().join(CONTROL_DIR).exists());
    let links = Links::open(dir.path(), at(0)).unwrap();
    let first = link(1, None);
    links.issue(first.clone(), at(0)).unwrap();
    let path = dir.path().join(CONTROL_DIR).join("links.jsonl");
    let mut written = fs::read(&path).unwrap();
    written.extend_from_slice(b"{\"step\":\"iss");
    fs::write(&path, &written).unwrap();
    let states = |seconds: u64| -> Vec<_> {
        let now = Timestamp(first.expires_at.0 + i64::try_from(seconds).unwrap() * 1_000_000_000);
        read_links(dir.path(), now)
            .unwrap()
            .map(|known| known.document(now).state)
            .collect()
    };
    let before = read_links(dir.path(), at(0)).unwrap().next().unwrap();
    assert_eq!(before.document(at(0)).state, StateName::Pending);
    assert_eq!(before.document(at(0)).expires_at, Some(first.expires_at));
    assert_eq!(states(0), [StateName::Expired]);
    assert_eq!(states(2 * 60 * 60), [], "forgotten");
    assert_eq!(fs::read(&path).unwrap(), written);
}
