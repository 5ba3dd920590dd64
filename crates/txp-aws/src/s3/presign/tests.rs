//! What a link is bound to is read off the link, as S3 does.

use super::*;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use txp_pipeline::api::LINK_HEADERS;

/// The name of the object.
const KEY: &str = "uploads/shop/bcdfghjklmnpqrstbcdfghjk.csv";

fn presigner() -> Presigner {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("AKID", "secret", None, None, "test"));
    let client = Client::from_conf(config.build());
    Presigner::new(&Bucket::new(client, "transaction-uploads-dev"))
}

fn bound(content_length: Option<u64>, sha256: Option<[u8; 32]>) -> Bound {
    Bound {
        key: KEY.to_owned(),
        content_length,
        sha256,
        expires_at: Timestamp::parse(b"2026-11-23T10:15:00Z").unwrap(),
    }
}

/// The parameters of a link, as they stand.
fn parameters(url: &str) -> BTreeMap<&str, &str> {
    let (_, query) = url.split_once('?').unwrap();
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .collect()
}

fn signed_headers(url: &str) -> Vec<&str> {
    parameters(url)["X-Amz-SignedHeaders"]
        .split("%3B")
        .collect()
}

#[tokio::test]
async fn all_that_a_link_is_bound_to_is_signed_and_told() {
    let sha256 = [7; 32];
    let encoded = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    for (length, digest, more) in [
        (None, None, &[][..]),
        (Some(48), None, &[("content-length", "48")]),
        (Some(0), None, &[("content-length", "0")]),
        (None, Some(sha256), &[("x-amz-checksum-sha256", encoded)]),
        (
            Some(48),
            Some(sha256),
            &[("content-length", "48"), ("x-amz-checksum-sha256", encoded)],
        ),
    ] {
        let link = presigner().put(&bound(length, digest)).await.unwrap();
        let expected: BTreeMap<_, _> = LINK_HEADERS.iter().chain(more).copied().collect();
        let told = link.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        assert_eq!(told.collect::<BTreeMap<_, _>>(), expected);
        let mut signed: Vec<_> = expected.keys().copied().chain(["host"]).collect();
        signed.sort_unstable();
        assert_eq!(signed_headers(&link.url), signed);
    }
}

#[tokio::test]
async fn a_link_has_no_checksum_that_nobody_asked_for() {
    let link = presigner().put(&bound(Some(1), None)).await.unwrap();
    let spelled = format!("{link:?}").to_ascii_lowercase();
    for foreign in ["crc", "checksum", "sdk-"] {
        assert!(!spelled.contains(foreign), "{foreign}: {spelled}");
    }
}

#[tokio::test]
async fn a_link_is_signed_as_of_when_it_was_given_out() {
    let link = presigner().put(&bound(None, None)).await.unwrap();
    let again = presigner().put(&bound(None, None)).await.unwrap();
    assert_eq!(link, again);
    let host = "https://transaction-uploads-dev.s3.us-east-1.amazonaws.com/";
    assert!(link.url.starts_with(&format!("{host}{KEY}?")), "{link:?}");
    let parameters = parameters(&link.url);
    assert_eq!(parameters["X-Amz-Date"], "20261123T100000Z");
    assert_eq!(parameters["X-Amz-Expires"], "900");
}

#[tokio::test]
async fn a_report_is_fetched_with_the_link_alone() {
    let now = Timestamp::parse(b"2026-11-23T10:00:00Z").unwrap();
    let presigner = presigner();
    let url = presigner.get("rejects/x.csv", "x.rejects.csv", now);
    let url = url.await.unwrap();
    assert_eq!(signed_headers(&url), ["host"]);
    let parameters = parameters(&url);
    assert_eq!(parameters["X-Amz-Expires"], "900");
    assert_eq!(
        parameters["response-content-disposition"],
        "attachment%3B%20filename%3D%22x.rejects.csv%22"
    );
    assert!(!url.to_ascii_lowercase().contains("checksum"), "{url}");
}
