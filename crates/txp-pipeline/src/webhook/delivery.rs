//! One attempt to tell, what comes of it, and when the next one is.

use super::endpoint::Endpoint;
use super::message::Outgoing;
use txp_domain::time::Timestamp;

/// How often a message is tried.
pub const ATTEMPTS_MAX: u32 = 10;
/// The most bytes of a body: a digest has some kilobytes.
pub const BODY_BYTES_MAX: usize = 256 << 10;

/// Seconds between an attempt and the next: about three days in all.
const RETRY_SECONDS: [u64; ATTEMPTS_MAX as usize - 1] = [
    5,
    5 * 60,
    30 * 60,
    2 * 3600,
    5 * 3600,
    10 * 3600,
    14 * 3600,
    20 * 3600,
    24 * 3600,
];

/// The status that says that nobody wants this any more.
const GONE: u16 = 410;

/// What is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostRequest<'a> {
    /// Where to.
    pub url: &'a str,
    /// Whether it may be a loopback address.
    pub loopback_allowed: bool,
    /// Headers beside those that HTTP needs.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: &'a str,
}

/// Why no answer came; words without anything that the other side said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PostFailure(pub String);

/// Who sends. It resolves the name, checks the address that it connects to with
/// [`super::check_address`], follows no redirect, waits a bounded time and reads no body.
pub trait Post {
    /// Posts, and gives the answer's status.
    fn post(&mut self, request: &PostRequest<'_>)
    -> impl Future<Output = Result<u16, PostFailure>>;
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was taken.
    Delivered {
        /// The answer's status.
        status: u16,
    },
    /// It was not, and is to be tried again.
    Failed {
        /// Why.
        why: String,
    },
    /// It is not to be tried again.
    Refused {
        /// Why.
        why: String,
    },
}

/// Tries once.
pub async fn attempt<P: Post>(
    post: &mut P,
    endpoint: &Endpoint,
    message: &Outgoing,
    now: Timestamp,
) -> Attempt {
    if message.body.len() > BODY_BYTES_MAX {
        let why = format!("the message has more than {BODY_BYTES_MAX} bytes");
        return Attempt::Refused { why };
    }
    let seconds = now.unix_seconds();
    let signatures = endpoint.signatures(&message.id, seconds, message.body.as_bytes(), now);
    let request = PostRequest {
        url: &endpoint.url,
        loopback_allowed: endpoint.loopback_allowed,
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", message.id.clone()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signatures),
        ],
        body: &message.body,
    };
    match post.post(&request).await {
        Ok(status @ 200..=299) => Attempt::Delivered { status },
        Ok(GONE) => Attempt::Refused {
            why: format!("it answered {GONE}, gone"),
        },
        Ok(status @ 300..=399) => Attempt::Failed {
            why: format!("it answered {status}, and redirects are not followed"),
        },
        Ok(status) => Attempt::Failed {
            why: format!("it answered {status}"),
        },
        Err(failure) => Attempt::Failed {
            why: failure.to_string(),
        },
    }
}

/// How long to wait after so many attempts, up to a tenth more by `jitter`; `None`: give up.
#[must_use]
pub fn retry_seconds(attempts: u32, jitter: u64) -> Option<u64> {
    let index = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let seconds = *RETRY_SECONDS.get(index)?;
    Some(seconds + jitter % (seconds / 10 + 1))
}
