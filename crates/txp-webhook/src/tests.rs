//! Against a receiver on the loopback address, and addresses at which nothing needs to listen.

use crate::Http;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::task::{Context, Poll, Waker};
use txp_pipeline::webhook::{Post as _, PostRequest};

/// Posting waits on its thread.
fn poll<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// One connection, answered with this.
fn serve_once(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.ends_with(b"{}") {
            let read = connection.read(&mut buffer).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..read]);
        }
        connection.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(seen).unwrap()
    });
    (url, thread)
}

fn request(url: &str, loopback_allowed: bool) -> PostRequest<'_> {
    PostRequest {
        url,
        loopback_allowed,
        headers: vec![("webhook-id", "a".to_owned())],
        body: "{}",
    }
}

/// A redirect is an answer like any other: nothing is sent to where it leads.
#[test]
fn what_is_posted_arrives_and_redirects_are_not_followed() {
    for (answer, status) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", 500),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            302,
        ),
        (
            "HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            307,
        ),
    ] {
        let (url, thread) = serve_once(answer);
        let came = poll(Http::default().post(&request(&url, true)));
        let seen = thread.join().unwrap();
        assert_eq!(came, Ok(status), "{answer}");
        assert!(seen.starts_with("POST /hook HTTP/1.1\r\n") && seen.contains("webhook-id: a\r\n"));
    }
}

/// Whatever name leads to it: no connection is made, so nothing needs to listen there.
#[test]
fn no_connection_is_made_to_an_address_that_is_not_public() {
    for (url, loopback_allowed, wanted) in [
        ("https://127.0.0.1:1/", false, "loopback"),
        ("https://localhost:1/", false, "loopback"),
        ("https://[::1]:1/", false, "loopback"),
        ("https://10.0.0.1/", false, "private"),
        ("https://169.254.169.254/latest", false, "link-local"),
        ("https://[::ffff:169.254.169.254]/", false, "link-local"),
        ("http://10.0.0.1/", true, "private"),
        ("http://169.254.169.254/", true, "link-local"),
        ("http://1.1.1.1/", false, "not https"),
    ] {
        let came = poll(Http::default().post(&request(url, loopback_allowed)));
        let why = came.unwrap_err().to_string();
        assert!(why.contains(wanted), "{url}: {why}");
    }
}
