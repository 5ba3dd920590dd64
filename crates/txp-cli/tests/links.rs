//! Links that were given out are shown beside a serve and after it, used or not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use serde_json::{Value, json};
use support::merchant::Merchant;
use support::{HEADER, Place, Server, VISA};

/// Ids and states, newest first.
fn listed(place: &Place, args: &[&str]) -> Vec<(String, String)> {
    let (code, document) = place.json([&["uploads"], args].concat());
    assert_eq!(code, Some(0), "{document}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let uploads = document["uploads"].as_array().unwrap().iter();
    uploads
        .map(|upload| (text(&upload["upload_id"]), text(&upload["state"])))
        .collect()
}

#[test]
fn links_that_nobody_used_are_listed_without_the_server() {
    let place = Place::new();
    let server = Server::start(&place);
    let shop = Merchant::new(&place, &server);
    let first = shop.link_for(&json!({ "filename": "first.csv" }));
    let used = shop.link();
    let dry = shop.link_for(&json!({ "dry_run": true }));
    let last = shop.link();
    let row = format!("{HEADER}t1,5.00,m1,{VISA},\n");
    for link in [&used, &dry] {
        shop.put(link, row.as_bytes());
        shop.completed(link);
    }
    let id = |link: &Value| link["upload_id"].as_str().unwrap().to_owned();
    let pending = |link: &Value| (id(link), "pending".to_owned());
    // What was put may be younger than the last checkpoint.
    let beside = listed(&place, &[]);
    assert_eq!(beside.len(), 4, "{beside:?}");
    assert_eq!(
        (&beside[0], &beside[3]),
        (&pending(&last), &pending(&first))
    );
    assert_eq!(server.end(), Some(0));

    let expected = [
        pending(&last),
        (String::new(), "dry_run".to_owned()),
        (id(&used), "completed".to_owned()),
        pending(&first),
    ];
    assert_eq!(listed(&place, &[]), expected);
    assert_eq!(listed(&place, &["--client", "shop"]), expected);
    assert_eq!(listed(&place, &["--client", "other"]), []);
    assert_eq!(listed(&place, &["--limit", "2"]), expected[..2]);
    let (_, page) = place.json(["uploads", "--limit", "2"]);
    let before = page["next_before"].as_str().unwrap();
    assert_eq!(listed(&place, &["--before", before]), expected[2..]);
    assert_eq!(listed(&place, &[&id(&first)]), expected[3..]);
    assert_eq!(listed(&place, &[&id(&dry)]), expected[1..2]);
    let (_, one) = place.json(["uploads", &id(&first)]);
    let one = &one["uploads"][0];
    assert_eq!(one["file"], "first.csv");
    assert_eq!(one["client_id"], "shop");
    assert_eq!(one["expires_at"], first["expires_at"]);
    let text = place.run(["uploads", &id(&first)]).stdout;
    assert!(
        text.contains("no file came yet: the link can be used until"),
        "{text}"
    );
}
