//! What is answered in the same words wherever it is found out.

use crate::document::{Problem, ProblemKind};

fn refusal(kind: ProblemKind, detail: &str) -> Box<Problem> {
    Box::new(Problem::new(kind, detail))
}

/// No route has the path.
#[must_use]
pub fn no_route() -> Box<Problem> {
    refusal(ProblemKind::NotFound, "no route has this path")
}

/// The path has routes, none of the method.
#[must_use]
pub fn no_method() -> Box<Problem> {
    let detail = "the route at this path does not take this method";
    refusal(ProblemKind::MethodNotAllowed, detail)
}

/// There is no such transaction, or it is another's.
#[must_use]
pub fn no_transaction() -> Box<Problem> {
    let detail = "no transaction of this id is known for your merchants";
    refusal(ProblemKind::TransactionNotFound, detail)
}

/// There is no such upload, or it is another's.
#[must_use]
pub fn no_upload() -> Box<Problem> {
    let detail = "no upload of this id is known for your client";
    refusal(ProblemKind::UploadNotFound, detail)
}

/// The upload has no rejects report.
#[must_use]
pub fn no_rejects() -> Box<Problem> {
    let detail = "no row of it was rejected, or it is not read yet";
    refusal(ProblemKind::RejectsNotFound, detail)
}

/// The body is no form but a file.
#[must_use]
pub fn body_too_large() -> Box<Problem> {
    refusal(ProblemKind::TooLarge, "the body has more than 64 KiB")
}

/// The Idempotency-Key is that of another request.
#[must_use]
pub fn key_reused() -> Box<Problem> {
    let detail = "this Idempotency-Key came with another body within the last 24 hours";
    refusal(ProblemKind::IdempotencyKeyReused, detail)
}
