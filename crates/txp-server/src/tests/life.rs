//! A link's life, what becomes of a file, repeats, keys that change, and restarts.

use super::harness::{CARD, Server, file, link_of, receive, wait_for};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn hex_digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bodies_left(server: &Server) -> usize {
    std::fs::read_dir(server.path().join("uploads"))
        .unwrap()
        .count()
}

#[test]
fn a_file_goes_from_link_to_status() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let text = file(&[
        ("t1", "12.30", "m"),
        ("t1", "12.30", "m"),
        ("t2", "20000.00", "m"),
        ("t3", "1e5", "m"),
    ]);
    let body =
        json!({"filename": "sales.csv", "content_length": text.len(), "sha256": hex_digest(&text)});
    let answer = server.post(&key, &[], &body.to_string());
    let link = answer.json();
    assert_eq!(link["method"], "PUT");
    assert_eq!(link["headers"]["if-none-match"], "*");
    assert_eq!(link["max_bytes"], text.len());
    let (id, path) = link_of(&answer);
    assert_eq!(link["key"], format!("uploads/shop/{id}.csv"));
    let pending = server.get(&key, &format!("/uploads/{id}")).json();
    assert_eq!(
        (&pending["state"], &pending["percent"]),
        (&json!("pending"), &json!(0))
    );

    let arrived = server.put(&path, &text);
    assert_eq!(arrived.status, 200, "{}", arrived.body);
    assert_eq!(arrived.json()["sha256"], hex_digest(&text));
    let document = server.ended(&key, &id);
    assert_eq!(document["state"], "completed");
    assert_eq!(document["file"], "sales.csv");
    let counts = json!({"accepted": 2, "rejected": 1, "duplicates": 1, "conflicts": 0});
    assert_eq!(document["counts"], counts);
    assert_eq!(document["receipt"]["counts"], counts);
    assert_eq!(document["receipt"]["sha256"], hex_digest(&text));
    assert_eq!(document["errors"][0]["codes"], json!(["amount_exponent"]));
    assert_eq!(document["percent"], 100);

    let rejects = server.get(&key, document["rejects_url"].as_str().unwrap());
    assert_eq!(rejects.status, 200);
    let announced: usize = rejects.header("content-length").unwrap().parse().unwrap();
    assert_eq!(announced, rejects.body.len());
    assert!(rejects.body.contains("card_masked"), "{}", rejects.body);
    let status = server.get(&key, "/status/t1").json();
    assert_eq!(
        (&status["status"], &status["card_last4"]),
        (&json!("validated"), &json!("4242"))
    );
    assert_eq!(status["source_file"], document["file"]);
    assert!(document["file"].is_string(), "{document}");
    let flagged = wait_for(|| {
        let status = server.get(&key, "/status/t2").json();
        (status["status"] == "flagged").then_some(status)
    });
    assert_eq!(flagged["flags"][0]["rule"], "amount_high");

    let again = server.put(&path, &text);
    assert_eq!(
        (again.status, again.problem().as_str()),
        (412, "already_arrived")
    );
    wait_for(|| (bodies_left(&server) == 0).then_some(()));
    let listed = server.get(&key, "/uploads").json();
    assert_eq!(listed["uploads"][0]["upload_id"], id.as_str());
    assert_eq!(listed["uploads"].as_array().unwrap().len(), 1);
    server.running.stop().unwrap();
}

#[test]
fn a_link_takes_what_it_is_bound_to_and_nothing_else() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let text = file(&[("t1", "12.30", "m")]);
    let body = json!({"content_length": text.len(), "sha256": hex_digest(&text)}).to_string();
    let (id, path) = server.link(&key, &body);
    let (_, other) = server.link(&key, "");
    let signature = path.rsplit_once("signature=").unwrap().1;
    let foreign = other.replace(other.rsplit_once("signature=").unwrap().1, signature);
    let later = path.replace("expires=1", "expires=2");
    for (path, headers, body, status, problem) in [
        (
            foreign.as_str(),
            &[("if-none-match", "*")][..],
            text.as_str(),
            403,
            "link_refused",
        ),
        (
            &later,
            &[("if-none-match", "*")],
            &text,
            403,
            "link_refused",
        ),
        (
            &format!("/uploads/{id}/content"),
            &[("if-none-match", "*")],
            &text,
            403,
            "link_refused",
        ),
        (
            "/uploads/x/content?expires=1&signature=b",
            &[("if-none-match", "*")],
            &text,
            403,
            "link_refused",
        ),
        (&path, &[], &text, 428, "precondition_required"),
        (
            &path,
            &[("if-none-match", "*")],
            &text[1..],
            400,
            "length_mismatch",
        ),
        (
            &path,
            &[("if-none-match", "*")],
            &text.replace("12", "13"),
            400,
            "digest_mismatch",
        ),
    ] {
        let answer = server.send("PUT", path, headers, body);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{path}"
        );
        assert_eq!(bodies_left(&server), 0);
    }
    server.running.stop().unwrap();
}

#[test]
fn a_body_that_is_cut_short_leaves_nothing_behind() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let text = file(&[("t1", "12.30", "m")]);
    let (id, path) = server.link(&key, "");
    let head = Server::head("PUT", &path, &[("if-none-match", "*")], Some(text.len()));
    let cut = server.raw(&[head.as_bytes(), &text.as_bytes()[..9]].concat());
    cut.shutdown(std::net::Shutdown::Both).unwrap();
    let answer = wait_for(|| {
        let answer = server.put(&path, &text);
        (answer.status != 409).then_some(answer)
    });
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(server.ended(&key, &id)["state"], "completed");
    server.running.stop().unwrap();
}

#[test]
fn a_link_expires() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let (id, path) = server.link(&key, "");
    server.ahead.store(899, Ordering::SeqCst);
    assert_eq!(
        server.get(&key, &format!("/uploads/{id}")).json()["state"],
        "pending"
    );
    server.ahead.store(901, Ordering::SeqCst);
    assert_eq!(
        server.get(&key, &format!("/uploads/{id}")).json()["state"],
        "expired"
    );
    let answer = server.put(&path, &file(&[]));
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (403, "link_refused")
    );
    server.running.stop().unwrap();
}

#[test]
fn an_idempotency_key_gives_one_link_for_a_day() {
    let server = Server::start();
    let (key, other) = (
        server.client("shop", &["m"]),
        server.client("other", &["m"]),
    );
    let idem = [("idempotency-key", "order-1")];
    let first = server.post(&key, &idem, r#"{"strict":true}"#);
    let again = server.post(&key, &idem, r#"{ "strict": true }"#);
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());
    let odd = server.post(&key, &idem, "{}");
    assert_eq!(
        (odd.status, odd.problem().as_str()),
        (422, "idempotency_key_reused")
    );
    let theirs = server.post(&other, &idem, "{}");
    assert_eq!(theirs.status, 201);
    // Once its link has expired too: then another key is needed, and the refused PUT says so.
    server.ahead.store(15 * 60, Ordering::SeqCst);
    let expired = server.post(&key, &idem, r#"{"strict":true}"#);
    assert_eq!((expired.status, expired.json()), (201, first.json()));
    let refused = server.put(&link_of(&expired).1, "");
    assert_eq!(refused.problem(), "link_refused");
    let hint = refused.json()["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("with another Idempotency-Key"), "{hint}");
    let new = server.post(
        &key,
        &[("idempotency-key", "order-1b")],
        r#"{"strict":true}"#,
    );
    assert_ne!(new.json()["upload_id"], first.json()["upload_id"]);
    server.ahead.store(24 * 3600, Ordering::SeqCst);
    let next_day = server.post(&key, &idem, "{}");
    assert_eq!(next_day.status, 201);
    assert_ne!(next_day.json()["upload_id"], first.json()["upload_id"]);
    let odd = server.post(&key, &[("idempotency-key", "a b")], "");
    assert_eq!(
        (odd.status, odd.problem().as_str()),
        (400, "invalid_parameter")
    );
    server.running.stop().unwrap();
}

#[test]
fn a_dry_run_leaves_no_transaction_and_a_strict_one_refuses() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let text = file(&[("t1", "12.30", "m"), ("t1", "12.30", "m"), ("t2", "x", "m")]);
    let (id, document) = server.upload(&key, r#"{"dry_run":true}"#, &text);
    assert_eq!(
        (&document["state"], &document["upload_id"]),
        (&json!("dry_run"), &json!(null))
    );
    assert_eq!(
        document["counts"],
        json!({"accepted": 1, "rejected": 1, "duplicates": 1, "conflicts": 0})
    );
    assert_eq!(document["errors"][0]["line"], 4);
    assert_eq!(
        server.get(&key, &format!("/uploads/{id}/rejects")).status,
        200
    );
    assert_eq!(server.get(&key, "/status/t1").status, 404);

    let (_, document) = server.upload(&key, r#"{"strict":true}"#, &text);
    assert_eq!(document["state"], "failed");
    assert_eq!(document["failure"]["code"], "strict_refused");
    assert_eq!(server.get(&key, "/status/t1").status, 404);

    let (id, document) = server.upload(&key, "", "no header here");
    assert_eq!(document["state"], "failed");
    let answer = server.get(&key, &format!("/uploads/{id}/rejects"));
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (404, "rejects_not_found")
    );
    server.running.stop().unwrap();
}

#[test]
fn a_report_of_many_pieces_comes_whole_and_shows_ten_rows() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let rows: Vec<_> = (0..5000).map(|n| (format!("t{n}"), "1e5", "m")).collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|(id, a, m)| (id.as_str(), *a, *m))
        .collect();
    let (id, document) = server.upload(&key, "", &file(&rows));
    assert_eq!(document["counts"]["rejected"], 5000);
    assert_eq!(document["errors"].as_array().unwrap().len(), 10);
    let report = server.get(&key, &format!("/uploads/{id}/rejects")).body;
    assert!(report.len() > 5 * 64 * 1024, "{}", report.len());
    assert_eq!(report.lines().count(), 5001);
    server.running.stop().unwrap();
}

#[test]
fn keys_change_while_it_serves() {
    let server = Server::start();
    let first = server.client("shop", &["m"]);
    let (_, path) = server.link(&first, "");
    let second = server.clients().rotate("shop", txp_local::now()).unwrap();
    for key in [&first, &second] {
        assert_eq!(server.get(key, "/uploads").status, 200);
    }
    let third = server.clients().rotate("shop", txp_local::now()).unwrap();
    assert_eq!(server.get(&first, "/uploads").status, 403);
    assert_eq!(server.get(&third, "/uploads").status, 200);
    server.clients().revoke("shop", txp_local::now()).unwrap();
    for key in [&second, &third] {
        assert_eq!(server.get(key, "/uploads").problem(), "key_refused");
    }
    assert_eq!(server.put(&path, &file(&[])).problem(), "link_refused");
    server.running.stop().unwrap();
}

#[test]
fn what_arrived_is_processed_after_a_restart_and_what_did_not_is_deleted() {
    let server = Server::with(|options| options.ingests_max = 0);
    let key = server.client("shop", &["m"]);
    let (id, path) = server.link(&key, "");
    assert_eq!(
        server.put(&path, &file(&[("t1", "12.30", "m")])).status,
        200
    );
    let waiting = server.get(&key, &format!("/uploads/{id}")).json();
    assert_eq!(waiting["state"], "processing");
    assert_eq!(waiting["file"], format!("{id}.csv"), "as once it is read");
    let (_, dry) = server.link(&key, r#"{"dry_run":true}"#);
    assert_eq!(server.put(&dry, &file(&[("t1", "12.30", "m")])).status, 200);
    let (dir, spool) = (Arc::clone(&server.dir), server.path().join("uploads"));
    server.running.stop().unwrap();
    std::fs::write(spool.join("bcdfghjklmnpqrstbcdfghjk.part"), CARD).unwrap();
    std::fs::write(spool.join("bcdfghjklmnpqrstbcdfghjk.csv"), CARD).unwrap();

    let server = Server::on(dir, |_| {});
    let ended = server.ended(&key, &id);
    assert_eq!(ended["counts"]["accepted"], 1);
    assert_eq!(ended["file"], waiting["file"]);
    wait_for(|| (bodies_left(&server) == 0).then_some(()));
    assert_eq!(server.put(&path, &file(&[])).status, 412);
    let used = server.clients().list().unwrap();
    assert!(used[0].keys[0].last_used_at.is_some());
    server.running.stop().unwrap();
}

/// The file of links emptied or gone, as a damaged disk leaves it: what was acknowledged is read all
/// the same where the history knows it, and kept where nothing does.
#[test]
fn a_body_that_was_acknowledged_outlives_the_loss_of_the_links() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let (id, path) = server.link(&key, "");
    let ids: Vec<_> = (0..12_000).map(|n| format!("t{n}")).collect();
    let rows: Vec<_> = ids.iter().map(|id| (id.as_str(), "12.30", "m")).collect();
    assert_eq!(server.put(&path, &file(&rows)).status, 200);
    wait_for(|| {
        let document = server.get(&key, &format!("/uploads/{id}")).json();
        document["percent"].as_u64().filter(|percent| *percent > 0)
    });
    let dir = Arc::clone(&server.dir);
    server.running.stop().unwrap();
    assert_eq!(
        std::fs::read_dir(dir.path().join("uploads"))
            .unwrap()
            .count(),
        1,
        "cut off"
    );
    std::fs::remove_file(dir.path().join("control/links.jsonl")).unwrap();
    let unknown = dir.path().join("uploads/bcdfghjklmnpqrstbcdfghjk.csv");
    std::fs::write(&unknown, CARD).unwrap();

    let server = Server::on(dir, |_| {});
    let document = server.ended(&key, &id);
    assert_eq!(
        (&document["state"], &document["counts"]["accepted"]),
        (&json!("completed"), &json!(12_000))
    );
    wait_for(|| (bodies_left(&server) == 1).then_some(()));
    assert!(unknown.exists());
    server.running.stop().unwrap();
}

#[test]
fn a_running_request_ends_before_the_server_does() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let (id, path) = server.link(&key, "");
    let text = file(&[("t1", "12.30", "m")]);
    let head = Server::head("PUT", &path, &[("if-none-match", "*")], Some(text.len()));
    let mut stream = server.raw(head.as_bytes());
    // It is being received once its part is there.
    wait_for(|| (bodies_left(&server) == 1).then_some(()));
    let (dir, addr) = (Arc::clone(&server.dir), server.addr());
    let stopping = std::thread::spawn(move || server.running.stop());
    wait_for(|| std::net::TcpStream::connect(addr).is_err().then_some(()));
    stream.write_all(text.as_bytes()).unwrap();
    assert_eq!(receive(stream).status, 200);
    stopping.join().unwrap().unwrap();

    let server = Server::on(dir, |_| {});
    assert_eq!(server.ended(&key, &id)["state"], "completed");
    server.running.stop().unwrap();
}
