//! What is too much, too slow or not there: a problem document each, and nothing kept.

use super::harness::{Server, file, receive, wait_for};
use std::time::Duration;

/// More than the system holds of a connection on its own.
const BIG: usize = 32 << 20;

#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn wrong_requests_are_told_what_is_wrong() {
    let server = Server::start();
    let key = server.client("shop", &["m"]);
    let large = format!(r#"{{"filename":"{}"}}"#, "x".repeat(70_000));
    let header = "x".repeat(20_000);
    let key_header = ("x-api-key", key.key.as_str());
    let json = ("content-type", "application/json");
    for (method, path, headers, body, status, problem) in [
        ("GET", "/nowhere", &[key_header][..], "", 404, "not_found"),
        ("OPTIONS", "/nowhere", &[], "", 404, "not_found"),
        (
            "DELETE",
            "/upload",
            &[key_header],
            "",
            405,
            "method_not_allowed",
        ),
        (
            "TRACE",
            "/uploads",
            &[key_header],
            "",
            405,
            "method_not_allowed",
        ),
        ("POST", "/health", &[], "", 405, "method_not_allowed"),
        ("POST", "/upload", &[key_header, json], "{", 400, "bad_json"),
        (
            "POST",
            "/upload",
            &[key_header, json],
            "[]",
            422,
            "invalid_body",
        ),
        (
            "POST",
            "/upload",
            &[key_header, json],
            &large,
            413,
            "too_large",
        ),
        (
            "POST",
            "/upload",
            &[key_header],
            "{}",
            415,
            "unsupported_media_type",
        ),
        ("POST", "/upload", &[json], "{}", 403, "key_refused"),
        (
            "POST",
            "/upload",
            &[key_header, key_header],
            "",
            403,
            "key_refused",
        ),
        (
            "GET",
            "/uploads",
            &[("x-api-key", "a.b")],
            "",
            403,
            "key_refused",
        ),
        (
            "GET",
            "/uploads",
            &[key_header, ("x-long", &header)],
            "",
            431,
            "headers_too_large",
        ),
        (
            "GET",
            "/uploads?limit=0",
            &[key_header],
            "",
            400,
            "invalid_parameter",
        ),
        (
            "GET",
            "/uploads?cursor=%ff",
            &[key_header],
            "",
            400,
            "invalid_parameter",
        ),
        (
            "GET",
            "/status/t?merchant_id=",
            &[key_header],
            "",
            400,
            "invalid_parameter",
        ),
        (
            "GET",
            "/status/%ff",
            &[key_header],
            "",
            404,
            "transaction_not_found",
        ),
        (
            "GET",
            "/status/a%2fb",
            &[key_header],
            "",
            404,
            "transaction_not_found",
        ),
        (
            "GET",
            "/uploads/x",
            &[key_header],
            "",
            404,
            "upload_not_found",
        ),
        (
            "GET",
            "/uploads/x/rejects",
            &[key_header],
            "",
            404,
            "upload_not_found",
        ),
    ] {
        let answer = server.send(method, path, headers, body);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{method} {path}"
        );
        assert_eq!(
            answer.header("allow").is_some(),
            status == 405,
            "{method} {path}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let preflight = server.send(
        "OPTIONS",
        "/uploads",
        &[("origin", "https://a.example")],
        "",
    );
    assert_eq!(
        (preflight.status, preflight.header("allow")),
        (204, Some("GET, OPTIONS"))
    );
    server.running.stop().unwrap();
}

#[test]
fn what_needs_no_key_answers_without_one() {
    let server = Server::start();
    let openapi = server.send("GET", "/openapi.json", &[], "").json();
    assert_eq!(openapi, txp_pipeline::api::openapi());
    assert_eq!(
        server.send("GET", "/health", &[], "").json()["status"],
        "ok"
    );
    let page = server.send("GET", "/", &[], "");
    assert!(page.body.contains("holds no data"));
    let metrics = server.send("GET", "/metrics", &[], "").body;
    assert!(
        metrics.contains("txp_requests_total{route=\"/health\",status=\"200\"} 1"),
        "{metrics}"
    );
    server.running.stop().unwrap();
}

#[test]
fn a_file_that_is_too_large_is_refused_however_it_comes() {
    let server = Server::with(|options| options.upload_bytes_max = 100);
    let key = server.client("shop", &["m"]);
    let announced = server.post(&key, &[], r#"{"content_length":101}"#);
    assert_eq!(announced.problem(), "too_large");
    let (_, path) = server.link(&key, "");
    let answer = server.put(&path, &"x".repeat(101));
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (413, "too_large")
    );
    let chunked = format!(
        "PUT {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nif-none-match: *\r\n\
         transfer-encoding: chunked\r\n\r\n80\r\n{}\r\n0\r\n\r\n",
        "x".repeat(128)
    );
    assert_eq!(
        receive(server.raw(chunked.as_bytes())).problem(),
        "too_large"
    );
    let left = std::fs::read_dir(server.path().join("uploads"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
    server.running.stop().unwrap();
}

#[test]
fn a_body_that_stops_coming_is_given_up() {
    let server = Server::with(|options| {
        options.body_idle_timeout = Duration::from_millis(20);
        options.body_timeout = Duration::from_millis(20);
    });
    let key = server.client("shop", &["m"]);
    let (_, path) = server.link(&key, "");
    let head = Server::head("PUT", &path, &[("if-none-match", "*")], Some(50));
    assert_eq!(
        receive(server.raw(head.as_bytes())).problem(),
        "request_timeout"
    );
    let head = Server::head("POST", "/upload", &[("x-api-key", &key.key)], Some(50));
    assert_eq!(
        receive(server.raw(head.as_bytes())).problem(),
        "request_timeout"
    );
    assert_eq!(server.put(&path, &file(&[])).status, 200);
    server.running.stop().unwrap();
}

#[test]
fn a_client_over_its_rate_is_told_when_to_come_back() {
    let server = Server::with(|options| {
        options.requests_per_second = 0;
        options.burst = 2;
    });
    let (key, other) = (
        server.client("shop", &["m"]),
        server.client("other", &["m"]),
    );
    assert_eq!(server.get(&key, "/uploads").status, 200);
    assert_eq!(server.get(&key, "/uploads").status, 200);
    let answer = server.get(&key, "/uploads");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (429, "too_many_requests")
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(server.get(&other, "/uploads").status, 200);
    server.running.stop().unwrap();
}

#[test]
fn more_at_once_than_allowed_is_refused_and_one_link_takes_one_request() {
    let server = Server::with(|options| {
        options.requests_max = 2;
        options.uploads_per_client_max = 1;
    });
    let key = server.client("shop", &["m"]);
    let (_, path) = server.link(&key, "");
    let (_, other) = server.link(&key, "");
    let head = |path| Server::head("PUT", path, &[("if-none-match", "*")], Some(5));
    let first = server.raw(head(&path).as_bytes());
    let spool = server.path().join("uploads");
    wait_for(|| (std::fs::read_dir(&spool).unwrap().count() == 1).then_some(()));
    assert_eq!(server.put(&path, "x").problem(), "upload_in_progress");
    assert_eq!(server.put(&other, "x").problem(), "too_many_requests");
    let health = |status: u16| {
        wait_for(|| (server.send("GET", "/health", &[], "").status == status).then_some(()));
    };
    health(200);
    // A second request that waits for its body takes the last place.
    let waiting =
        server.raw(Server::head("POST", "/upload", &[("x-api-key", &key.key)], Some(5)).as_bytes());
    health(429);
    drop((first, waiting));
    health(200);
    server.running.stop().unwrap();
}

#[test]
fn who_is_refused_in_the_middle_of_sending_reads_why() {
    let server = Server::with(|options| {
        options.uploads_per_client_max = 1;
        options.upload_bytes_max = BIG as u64;
    });
    let key = server.client("shop", &["m"]);
    let (_, path) = server.link(&key, "");
    let (_, other) = server.link(&key, "");
    let head = Server::head("PUT", &path, &[("if-none-match", "*")], Some(5));
    let first = server.raw(head.as_bytes());
    let spool = server.path().join("uploads");
    wait_for(|| (std::fs::read_dir(&spool).unwrap().count() == 1).then_some(()));
    let big = "x".repeat(BIG);
    let answer = server.put(&other, &big);
    assert_eq!(answer.problem(), "too_many_requests");
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop(first);
    let larger = "x".repeat(BIG + 1);
    assert_eq!(server.put(&other, &larger).problem(), "too_large");
    assert_eq!(
        server.put("/uploads/none/content", &big).problem(),
        "link_refused"
    );
    assert_eq!(server.post(&key, &[], &big).problem(), "too_large");
    // A connection that is kept is used again after what was thrown away.
    let keep = |length: usize| {
        format!(
            "PUT /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{}",
            "x".repeat(length)
        )
    };
    let last = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answers = receive(server.raw((keep(BIG) + last).as_bytes()));
    assert_eq!(answers.status, 404);
    assert!(answers.body.contains("HTTP/1.1 200"), "{}", answers.body);
    // Who waits to be asked is answered at once, and is not asked.
    let head = Server::head("PUT", &other, &[("expect", "100-continue")], Some(BIG));
    let head = head.replace("HTTP/1.0", "HTTP/1.1");
    let answer = receive(server.raw(head.as_bytes()));
    assert_eq!(answer.problem(), "precondition_required");
    server.running.stop().unwrap();
}

#[test]
fn too_many_waiting_files_are_refused_before_they_are_sent() {
    let server = Server::with(|options| {
        options.ingests_max = 0;
        options.waiting_max = 1;
    });
    let key = server.client("shop", &["m"]);
    let (_, first) = server.link(&key, "");
    let (_, second) = server.link(&key, "");
    assert_eq!(server.put(&first, &file(&[])).status, 200);
    assert_eq!(
        server.put(&second, &file(&[])).problem(),
        "too_many_requests"
    );
    server.running.stop().unwrap();
}
