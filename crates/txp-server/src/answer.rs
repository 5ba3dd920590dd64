//! Answers: JSON documents, and problems, which [`crate::guard`] writes out in one place.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use txp_local::control::ControlError;
use txp_local::host::{HostError, Remedy};
use txp_pipeline::document::{Problem, ProblemKind};

/// What a handler gives.
pub(crate) type Answer = Result<Response, Failure>;

/// A request that is not answered as it wished: a problem, and for our own faults the cause.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) problem: Box<Problem>,
    pub(crate) cause: Option<String>,
}

/// A problem on its way out, in the extensions of an empty response.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) problem: Box<Problem>,
    pub(crate) cause: Option<String>,
}

impl Failure {
    pub(crate) fn new(kind: ProblemKind, detail: &str) -> Self {
        Self::from(Box::new(Problem::new(kind, detail)))
    }

    /// Our own fault: the client learns that there was one, the log what it was.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let detail = "the server met an error of its own";
        Self {
            cause: Some(chain(error)),
            ..Self::new(ProblemKind::Internal, detail)
        }
    }
}

/// An error and its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Failure {
    /// The host failed: it records nothing more, and what is recorded can be read.
    pub(crate) fn stopped(cause: &HostError) -> Self {
        let (what, remedy) = match cause.remedy() {
            Remedy::MakeRoom => ("no room was left", "make room"),
            Remedy::LookForDamage => ("a file is damaged", "run `txp doctor`"),
            Remedy::ReadTheLog => ("an error that its log names", "mend its cause"),
        };
        let detail = format!(
            "the server has stopped recording: {what}. Nothing that was acknowledged is lost, and \
             status and uploads are still answered. The operator must {remedy} and start it again"
        );
        Self::new(ProblemKind::Unavailable, &detail)
    }
}

impl From<Box<Problem>> for Failure {
    fn from(problem: Box<Problem>) -> Self {
        Self {
            problem,
            cause: None,
        }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        if !error.is_full() {
            return Self::internal(&error);
        }
        Self {
            cause: Some(chain(&error)),
            ..Self::new(ProblemKind::StorageFull, "the disk of the server is full")
        }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Stopping => Self::new(ProblemKind::Unavailable, "the server is stopping"),
            // What it was is told once, when it happened.
            HostError::Failed(cause) => Self::stopped(&cause),
            _ => Self::internal(&error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status);
        let mut response = status
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response();
        response.extensions_mut().insert(Pending {
            problem: self.problem,
            cause: self.cause,
        });
        response
    }
}

/// A document as JSON.
pub(crate) fn json(status: StatusCode, document: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(document).map_err(|error| Failure::internal(&error))?;
    Ok(typed(status, "application/json", body))
}

/// A body of a type.
pub(crate) fn typed(status: StatusCode, media: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// Runs what waits for the disk or for a lock on a thread that may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Failure::internal(&error)),
    }
}
