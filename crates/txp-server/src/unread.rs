//! What is left of a body when its request is answered already.
//!
//! A connection that is closed with bytes unread takes the answer with it: the client, still sending,
//! meets a reset and never learns that it was told to come back later. So the rest is read and thrown
//! away, for a while. Who sends `Expect: 100-continue` is answered before anything is sent.

use axum::body::{Body, Bytes};
use axum::http::header::EXPECT;
use axum::http::{HeaderMap, Request};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a rest is read. The default of nginx' `lingering_time`.
const LINGER: Duration = Duration::from_secs(30);
/// The next piece of a rest must be there within this time, or within that of any body. nginx'
/// `lingering_timeout`.
const LINGER_IDLE: Duration = Duration::from_secs(5);

/// The body of a request, read to its end even when no one wants it any more.
struct Drained {
    body: Option<Body>,
    idle: Duration,
    has_ended: bool,
}

/// Makes a request's body be read to its end after its answer too, in a bounded time.
pub(crate) fn drained<B>(request: Request<B>, body_idle_timeout: Duration) -> Request<Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    let is_waiting = waits_to_be_asked(request.headers());
    request.map(|body| match Body::new(body) {
        body if is_waiting => body,
        body => Body::new(Drained {
            body: Some(body),
            idle: body_idle_timeout.min(LINGER_IDLE),
            has_ended: false,
        }),
    })
}

/// Such a client sends nothing before it is asked; to read its body would be to ask for it.
fn waits_to_be_asked(headers: &HeaderMap) -> bool {
    headers.contains_key(EXPECT)
}

impl http_body::Body for Drained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        // After an error there is nothing more to read either.
        self.has_ended = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.body.as_ref().map_or_else(none, Body::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let has_ended = self.has_ended || http_body::Body::is_end_stream(self);
        // Without a runtime the server has ended, and its connections with it.
        if let (Some(body), false, Ok(runtime)) =
            (self.body.take(), has_ended, Handle::try_current())
        {
            runtime.spawn(timeout(LINGER, drain(body, self.idle)));
        }
    }
}

async fn drain(mut body: Body, idle: Duration) {
    while let Ok(Some(Ok(_))) = timeout(idle, body.frame()).await {}
}
