//! Two clients cannot see or change each other's anything: on every route.

use super::harness::{Server, file, link_of};
use serde_json::json;
use txp_pipeline::api::Route;

#[test]
#[expect(clippy::too_many_lines, reason = "one arm per route")]
fn invariant_6_clients_are_apart() {
    let server = Server::start();
    let (a, b) = (server.client("a", &["ma"]), server.client("b", &["mb"]));
    let (id, _) = server.upload(
        &a,
        "",
        &file(&[("only-of-a", "12.30", "ma"), ("t2", "x", "ma")]),
    );
    let idem = [("idempotency-key", "same")];
    let first = server.post(&a, &idem, "");
    let (pending, path) = link_of(&first);
    for route in Route::ALL {
        match route {
            Route::PostUpload => {
                // The same Idempotency-Key is another one for another client.
                let theirs = server.post(&b, &idem, "{\"strict\":true}");
                assert_eq!(theirs.status, 201);
                assert_ne!(theirs.json()["upload_id"], first.json()["upload_id"]);
                assert!(
                    theirs.json()["key"]
                        .as_str()
                        .unwrap()
                        .starts_with("uploads/b/")
                );
            }
            Route::PutContent => {
                // A signature is of one upload; b's own opens nothing of a's.
                let (_, own) = server.link(&b, "");
                let forged = format!(
                    "/uploads/{pending}/content?{}",
                    own.split_once('?').unwrap().1
                );
                assert_eq!(server.put(&forged, "x").status, 403);
            }
            Route::GetStatus => {
                for path in [
                    "/status/only-of-a",
                    "/status/only-of-a?merchant_id=ma",
                    "/status/t2",
                ] {
                    let answer = server.get(&b, path);
                    assert_eq!(
                        (answer.status, answer.problem().as_str()),
                        (404, "transaction_not_found")
                    );
                    assert_eq!(
                        without_instance(&answer),
                        without_instance(&server.get(&b, "/status/none"))
                    );
                    assert_eq!(server.get(&a, path).status, 200);
                }
            }
            Route::GetUpload | Route::GetRejects => {
                let end = if route == Route::GetRejects {
                    "/rejects"
                } else {
                    ""
                };
                for id in [&id, &pending] {
                    let answer = server.get(&b, &format!("/uploads/{id}{end}"));
                    let unknown =
                        server.get(&b, &format!("/uploads/bcdfghjklmnpqrstbcdfghjk{end}"));
                    assert_eq!(
                        (answer.status, answer.problem().as_str()),
                        (404, "upload_not_found")
                    );
                    assert_eq!(without_instance(&answer), without_instance(&unknown));
                }
                assert_eq!(server.get(&a, &format!("/uploads/{id}{end}")).status, 200);
            }
            Route::GetUploads => {
                let page = server.get(&b, "/uploads?limit=100");
                assert!(
                    !page.body.contains(&id) && !page.body.contains(&pending),
                    "{}",
                    page.body
                );
                let later = server.get(&b, "/uploads?cursor=tttttttttttttttttttttttt");
                assert!(!later.body.contains(&id), "{}", later.body);
                assert!(server.get(&a, "/uploads").body.contains(&id));
            }
            Route::GetOpenapi
            | Route::GetReceiptKey
            | Route::GetHealth
            | Route::GetMetrics
            | Route::GetShell => {
                let answer = server.send("GET", route.path(), &[], "");
                assert_eq!(answer.status, 200);
                for secret in [id.as_str(), &pending, "only-of-a", "\"ma\""] {
                    assert!(!answer.body.contains(secret), "{route:?} {secret}");
                }
            }
        }
    }
    // b sending for a's merchant changes nothing of a's.
    let before = server.get(&a, "/status/only-of-a").json();
    let (_, refused) = server.upload(
        &b,
        "",
        &file(&[("only-of-a", "99.00", "ma"), ("t3", "1.00", "ma")]),
    );
    assert_eq!(refused["counts"]["rejected"], 2);
    let after = server.get(&a, "/status/only-of-a").json();
    assert_eq!(
        (&before["amount"], &before["revision"]),
        (&after["amount"], &after["revision"])
    );
    assert_eq!(server.get(&a, "/status/t3").status, 404);
    assert_eq!(server.put(&path, &file(&[])).status, 200);
    server.running.stop().unwrap();
}

fn without_instance(answer: &super::harness::Response) -> serde_json::Value {
    let mut problem = answer.json();
    problem.as_object_mut().unwrap().remove("instance");
    problem
}

#[test]
fn an_ambiguous_id_lists_the_client_s_own_merchants_only() {
    let server = Server::start();
    let (all, two) = (
        server.client("all", &["*"]),
        server.client("two", &["m1", "m2"]),
    );
    let one = server.client("one", &["m3"]);
    server.upload(
        &all,
        "",
        &file(&[
            ("t", "1.00", "m1"),
            ("t", "2.00", "m2"),
            ("t", "3.00", "m3"),
        ]),
    );
    let answer = server.get(&two, "/status/t");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (409, "ambiguous_transaction")
    );
    assert_eq!(
        answer.json()["choices"],
        json!([{"merchant_id": "m1"}, {"merchant_id": "m2"}])
    );
    assert_eq!(
        server.get(&two, "/status/t?merchant_id=m2").json()["amount"],
        "2.00"
    );
    assert_eq!(server.get(&two, "/status/t?merchant_id=m3").status, 404);
    assert_eq!(server.get(&one, "/status/t").json()["merchant_id"], "m3");
    assert_eq!(
        server.get(&all, "/status/t").json()["choices"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    server.running.stop().unwrap();
}

#[test]
fn uploads_are_paged_newest_first() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let mut ids = vec![server.upload(&key, "", &file(&[("t", "1.00", "m")])).0];
    for _ in 0..4 {
        ids.push(server.link(&key, "").0);
    }
    ids.reverse();
    let mut found = Vec::new();
    let mut path = "/uploads?limit=2".to_owned();
    loop {
        let page = server.get(&key, &path).json();
        let uploads = page["uploads"].as_array().unwrap();
        assert!(uploads.len() <= 2);
        found.extend(
            uploads
                .iter()
                .map(|u| u["upload_id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/uploads?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, ids);
    server.running.stop().unwrap();
}
