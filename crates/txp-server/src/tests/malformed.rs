//! What is no request, or does not come in time, is told by a problem document too.

use super::harness::{Server, receive, wait_for};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

#[test]
fn what_is_no_request_is_told_by_a_problem_document() {
    let server = Server::start();
    let many = "x: y\r\n".repeat(200);
    let long = "x".repeat(200_000);
    for (request, status, problem) in [
        ("nonsense\r\n\r\n".to_owned(), 400, "bad_request"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400, "bad_request"),
        ("GET  HTTP/1.1\r\n\r\n".to_owned(), 400, "bad_request"),
        ("\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), 400, "bad_request"),
        (
            "GET / HTTP/1.1\r\nno colon here\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        (
            "POST /upload HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx".to_owned(),
            400,
            "bad_request",
        ),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        (
            format!("GET / HTTP/1.1\r\n{many}\r\n"),
            431,
            "headers_too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"),
            431,
            "headers_too_large",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\n\r\n"),
            431,
            "headers_too_large",
        ),
    ] {
        let answer = receive(server.raw(request.as_bytes()));
        let shown = request.get(..40).unwrap_or(&request);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{shown:?}"
        );
        assert_eq!(answer.header("connection"), Some("close"), "{shown:?}");
        let length = answer.body.len().to_string();
        assert_eq!(answer.header("content-length"), Some(&*length));
        assert!(answer.header("date").unwrap().ends_with(" GMT"));
        assert_eq!(answer.head.matches("HTTP/1.1 ").count(), 1);
    }
    let metrics = server.send("GET", "/metrics", &[], "").body;
    assert!(
        metrics.contains("txp_requests_total{route=\"none\",status=\"400\"} 7"),
        "{metrics}"
    );
    server.running.stop().unwrap();
}

#[test]
fn good_requests_before_a_bad_one_are_answered_first() {
    let server = Server::start();
    let good = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for sent_before in [0, 1, 2, 5] {
        // All at once, and one after the other.
        let mut at_once = server.raw((good.repeat(sent_before) + "?\r\n\r\n").as_bytes());
        let mut apart = server.raw(b"");
        let mut seen = Vec::new();
        for number in 1..=sent_before {
            apart.write_all(good.as_bytes()).unwrap();
            wait_for(|| {
                let mut piece = [0; 4096];
                let read = apart.read(&mut piece).unwrap();
                seen.extend_from_slice(&piece[..read]);
                let answers = String::from_utf8_lossy(&seen).matches("200 OK").count();
                (answers == number).then_some(())
            });
        }
        apart.write_all(b"?\r\n\r\n").unwrap();
        for (stream, seen) in [(&mut apart, &mut seen), (&mut at_once, &mut Vec::new())] {
            stream.read_to_end(seen).unwrap();
            let text = String::from_utf8_lossy(seen);
            assert_eq!(
                text.matches("HTTP/1.1 200 OK").count(),
                sent_before,
                "{text}"
            );
            assert_eq!(text.matches("HTTP/1.1 400 ").count(), 1, "{text}");
            assert_eq!(text.matches(":problem:bad_request").count(), 1, "{text}");
        }
    }
    server.running.stop().unwrap();
}

#[test]
fn a_head_that_stops_coming_is_told_and_an_idle_connection_is_not() {
    let server = Server::with(|options| options.head_timeout = Duration::from_millis(50));
    let answer = receive(server.raw(b"GET / HTTP/1.1\r\nhost: loc"));
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (408, "request_timeout")
    );
    for begun in [&b""[..], b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        let mut stream = server.raw(begun);
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        assert!(!told.contains("408"), "{told}");
        assert_eq!(told.contains("200 OK"), !begun.is_empty(), "{told}");
    }
    // A client that ends in the middle of a head waits for nothing.
    let mut gone = server.raw(b"GET / HT");
    gone.shutdown(Shutdown::Write).unwrap();
    let mut told = String::new();
    gone.read_to_string(&mut told).unwrap();
    assert_eq!(told, "");
    server.running.stop().unwrap();
}
