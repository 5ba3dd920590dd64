//! Objects: connections that break while a file is read, versions that are gone.

use crate::calls::bucket;
use crate::service::{Answer, How, Service};
use crate::xml;
use std::io::Read as _;
use txp_aws::clock::SystemClock;
use txp_aws::s3::object::StoredObject;
use txp_pipeline::port::{ErrorKind, ObjectSource as _, ObjectStore as _, PortError};

const FILE: &str = "transaction_id,amount\nt-1,12.30\nt-2,45.60\n";

/// An object of this content, read from an offset to its end.
async fn read(service: &Service, offset: u64) -> Result<String, PortError> {
    let bucket = bucket(&service.config(1).await);
    let head = bucket.head("k", "v").await?;
    let mut object = StoredObject::new(bucket, "k", "v", head, SystemClock);
    let mut source = object.open(offset).await?;
    let (mut file, mut piece) = (Vec::new(), [0; 7]);
    loop {
        match source.read(&mut piece) {
            Ok(0) => return Ok(String::from_utf8(file).unwrap()),
            Ok(count) => file.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => source.more().await?,
            Err(error) => panic!("{error}"),
        }
    }
}

fn head() -> Answer {
    Answer::of(200, "")
        .with("content-length", FILE.len().to_string())
        .with("last-modified", "Sun, 22 Nov 2026 10:00:00 GMT")
        .with("etag", "\"e\"")
}

fn rest(offset: usize) -> Answer {
    let range = format!("bytes {offset}-{}/{}", FILE.len() - 1, FILE.len());
    Answer::of(206, &FILE[offset..]).with("content-range", range)
}

fn cut(answer: Answer, bytes: usize) -> Answer {
    Answer {
        how: How::Cut(bytes),
        ..answer
    }
}

/// However often the connection breaks, it goes on at the byte that is missing, of this version.
#[tokio::test]
async fn a_connection_that_breaks_is_gone_on_with() {
    let service = Service::answering([
        head(),
        cut(Answer::of(200, FILE), 10),
        Answer::that(How::Reset),
        xml(503, "SlowDown"),
        cut(rest(10), 20),
        // Whoever serves it may give all of it.
        Answer::of(200, FILE),
    ]);
    assert_eq!(read(&service, 0).await.unwrap(), FILE);
    let requests = service.requests();
    let ranges: Vec<_> = requests.iter().map(|r| r.header("range")).collect();
    let ten = Some("bytes=10-");
    assert_eq!(ranges, [None, None, ten, ten, ten, Some("bytes=30-")]);
    for request in &requests {
        assert!(request.head.contains("versionId=v"), "{}", request.head);
    }
    for request in &requests[1..] {
        assert_eq!(request.header("if-match"), Some("\"e\""));
    }
}

/// A file that is deleted, or written over, while it is read is missing, and that is no error to try
/// again.
#[tokio::test]
async fn an_object_that_goes_while_it_is_read_is_missing() {
    for (status, code) in [
        (404, "NoSuchVersion"),
        (404, "NoSuchKey"),
        (405, "MethodNotAllowed"),
        (412, "PreconditionFailed"),
    ] {
        let service =
            Service::answering([head(), cut(Answer::of(200, FILE), 10), xml(status, code)]);
        let error = read(&service, 0).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Missing, "{code}");
        assert_eq!(service.requests().len(), 3, "{code}");
    }
}
