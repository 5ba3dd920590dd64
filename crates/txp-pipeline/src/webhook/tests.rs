//! Signatures against the published vector, addresses and URLs by table, attempts by answer.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;
use txp_domain::time::Timestamp;

fn endpoint(secret: &str) -> Endpoint {
    serde_json::from_value(serde_json::json!({
        "id": "w",
        "url": "https://example.com/hook",
        "topics": ["uploads", "alerts"],
        "added_at": "2021-01-01T00:00:00Z",
        "secrets": [{ "text": secret }],
    }))
    .unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000_000)
}

/// The example of the Standard Webhooks specification.
#[test]
fn a_signature_is_that_of_the_specification() {
    let endpoint = endpoint("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let now = at(1_614_265_330);
    let signature = endpoint.signatures(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        now.unix_seconds(),
        br#"{"test": 2432232314}"#,
        now,
    );
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn after_a_rotation_both_secrets_sign_for_a_day() {
    let mut endpoint = endpoint("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    endpoint.rotate(Secret::new(&[1; 32]), at(1000));
    let count = |endpoint: &Endpoint, seconds| {
        let signatures = endpoint.signatures("i", seconds, b"b", at(seconds));
        signatures.split(' ').count()
    };
    let day = SECRET_OVERLAP_SECONDS;
    assert_eq!(count(&endpoint, 1000), 2);
    assert_eq!(count(&endpoint, 999 + day), 2);
    assert_eq!(count(&endpoint, 1000 + day), 1);
    endpoint.rotate(Secret::new(&[2; 32]), at(2000));
    assert_eq!(count(&endpoint, 2000), 3);
    // The one that ran out is forgotten.
    endpoint.rotate(Secret::new(&[3; 32]), at(1500 + day));
    assert_eq!(
        (endpoint.secrets.len(), count(&endpoint, 1500 + day)),
        (3, 3)
    );
    let newest = endpoint.secrets[0].reveal().strip_prefix("whsec_").unwrap();
    assert_eq!(STANDARD.decode(newest).unwrap(), [3; 32]);
    assert_eq!(format!("{:?}", endpoint.secrets[0]), "Secret");
}

/// Addresses with blanks between.
const REFUSED: &str = "127.0.0.1 127.255.0.1 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 \
    100.64.0.1 100.127.0.1 0.0.0.0 0.1.2.3 192.0.0.8 192.0.2.1 198.51.100.7 203.0.113.9 \
    192.88.99.1 198.18.0.1 198.19.255.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 :: ::1 \
    ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1:: \
    2002:a9fe:a9fe::1 2001::1 2001:db8::1 100::1 fc00::1 fdff::1 fe80::1 febf::1 fec0::1 \
    ff02::1";
const TAKEN: &str = "1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 9.9.9.9 192.0.1.1 198.20.0.1 \
    223.255.255.255 2606:4700::1111 ::ffff:1.1.1.1 64:ff9b::101:101 2002:101:101::1";

#[test]
fn only_public_addresses_are_connected_to() {
    let all = |texts: &'static str| texts.split_whitespace().map(|text| text.parse().unwrap());
    for address in all(REFUSED) {
        let address: IpAddr = address;
        assert!(check_address(address, false).is_err(), "{address}");
    }
    for address in all(TAKEN) {
        assert_eq!(check_address(address, false), Ok(()), "{address}");
    }
    for address in all("127.0.0.1 ::1 ::ffff:127.0.0.1") {
        assert_eq!(check_address(address, true), Ok(()), "{address}");
    }
    for address in all("10.0.0.1 169.254.169.254") {
        assert!(check_address(address, true).is_err(), "{address}");
    }
}

#[test]
fn urls_are_https_and_plain() {
    for url in [
        "https://example.com",
        "https://example.com:8443/a?b=c",
        "https://[2606::1]/x",
    ] {
        assert_eq!(check_url(url, false), Ok(()), "{url}");
    }
    for (url, why) in [
        ("", BadUrl::Form),
        ("example.com", BadUrl::Form),
        ("ftp://example.com", BadUrl::Form),
        ("https://", BadUrl::Form),
        ("https:///x", BadUrl::Form),
        ("https://example.com:0", BadUrl::Form),
        ("https://example.com:70000", BadUrl::Form),
        ("https://exa mple.com", BadUrl::Form),
        ("https://example.com/\r\nx: y", BadUrl::Form),
        ("https://example.com/#part", BadUrl::Form),
        ("http://example.com", BadUrl::NotHttps),
        ("https://user:word@example.com", BadUrl::Credentials),
    ] {
        assert_eq!(check_url(url, false), Err(why), "{url}");
    }
    assert_eq!(check_url("http://127.0.0.1:80/", true), Ok(()));
}

struct Answers(Vec<Result<u16, PostFailure>>, Vec<String>);

impl Post for Answers {
    async fn post(&mut self, request: &PostRequest<'_>) -> Result<u16, PostFailure> {
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"));
        self.1.extend(headers);
        self.0.remove(0)
    }
}

fn poll<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("nothing here waits"),
    }
}

#[test]
fn an_answer_decides_what_comes_next() {
    let mut message = Outgoing {
        id: "u:completed".to_owned(),
        topic: Topic::Uploads,
        at: at(7),
        body: "{}".to_owned(),
    };
    let endpoint = endpoint("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    for (answer, wanted) in [
        (Ok(200), "delivered"),
        (Ok(204), "delivered"),
        (Ok(302), "failed"),
        (Ok(404), "failed"),
        (Ok(410), "refused"),
        (Ok(500), "failed"),
        (Err(PostFailure("no connection".to_owned())), "failed"),
    ] {
        let mut post = Answers(vec![answer.clone()], Vec::new());
        let came = match poll(attempt(&mut post, &endpoint, &message, at(9))) {
            Attempt::Delivered { .. } => "delivered",
            Attempt::Failed { .. } => "failed",
            Attempt::Refused { .. } => "refused",
        };
        assert_eq!(came, wanted, "{answer:?}");
        let [_, id, time, signature] = &post.1[..] else {
            panic!("{:?}", post.1)
        };
        assert_eq!(
            (&**id, &**time),
            ("webhook-id: u:completed", "webhook-timestamp: 9")
        );
        assert!(signature.starts_with("webhook-signature: v1,"));
    }
    message.body = "x".repeat(BODY_BYTES_MAX + 1);
    let mut nobody = Answers(Vec::new(), Vec::new());
    let came = poll(attempt(&mut nobody, &endpoint, &message, at(9)));
    assert!(matches!(came, Attempt::Refused { .. }));
}

/// What one message at an endpoint came to holds for the others in this round; after all attempts it
/// is given up.
#[test]
fn an_endpoint_that_fails_rests_and_is_given_up_in_the_end() {
    let message = Outgoing {
        id: "u:completed".to_owned(),
        topic: Topic::Uploads,
        at: at(7),
        body: "{}".to_owned(),
    };
    let endpoint = endpoint("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let mut post = Answers(vec![Ok(500), Ok(200), Ok(500), Ok(410)], Vec::new());
    let mut round = Round::new(&mut post, || 0);
    let failed = poll(round.try_once(&endpoint, &message, 0, at(100)));
    assert_eq!(
        (failed.attempts, failed.ending, failed.next_at),
        (1, None, Some(at(105)))
    );
    assert_eq!(round.rests_until(&endpoint), Some(at(105)));
    let taken = poll(round.try_once(&endpoint, &message, 1, at(105)));
    assert_eq!(
        (taken.ending, &*taken.answer),
        (Some(Ending::Delivered), "200")
    );
    // The others need not wait as long as this one.
    let failed = poll(round.try_once(&endpoint, &message, 8, at(200)));
    assert_eq!(failed.next_at, Some(at(200 + 24 * 3600)));
    assert_eq!(round.rests_until(&endpoint), Some(at(200 + 1800)));
    let gone = poll(round.try_once(&endpoint, &message, 0, at(300)));
    assert_eq!(gone.ending, Some(Ending::GaveUp));
    assert_eq!(
        round.told(),
        Told {
            delivered: 1,
            failed: 2,
            gave_up: 1,
            waiting: 2
        }
    );
    let mut post = Answers(vec![Ok(500)], Vec::new());
    let last = poll(Round::new(&mut post, || 0).try_once(&endpoint, &message, 9, at(9)));
    assert_eq!((last.attempts, last.ending), (10, Some(Ending::GaveUp)));
    let mut post = Answers(vec![Ok(500)], Vec::new());
    let stale = at(8 + 5 * 24 * 3600);
    let last = poll(Round::new(&mut post, || 0).try_once(&endpoint, &message, 0, stale));
    assert_eq!((last.attempts, last.ending), (1, Some(Ending::GaveUp)));
}

#[test]
fn a_secret_of_an_operator_is_whsec_and_base64() {
    let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert_eq!(Secret::parse(text).unwrap().reveal(), text);
    for wrong in [
        "",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
    ] {
        assert!(Secret::parse(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn waiting_grows_and_ends() {
    let waits: Vec<_> = (1..ATTEMPTS_MAX)
        .map(|n| retry_seconds(n, 0).unwrap())
        .collect();
    assert!(waits.is_sorted() && waits[0] == 5);
    assert_eq!(retry_seconds(ATTEMPTS_MAX, 0), None);
    assert_eq!(retry_seconds(0, 0), None);
    for jitter in [0, 1, 99, u64::MAX] {
        assert!((300..=330).contains(&retry_seconds(2, jitter).unwrap()));
    }
}
