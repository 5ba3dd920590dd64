//! Why an uploaded object is not what was agreed on, in the words of its upload's failure.

use txp_domain::event::FailureReason;

/// The object was deleted before it was read.
#[must_use]
pub fn object_gone() -> FailureReason {
    reason(
        "object_gone",
        "the uploaded file was deleted before all of it was read".to_owned(),
        "ask for a new link and send the file again",
    )
}

/// Nobody was given a link for the object.
#[must_use]
pub fn not_announced() -> FailureReason {
    reason(
        "not_announced",
        "the file came without a link that was given for it".to_owned(),
        "ask for a link and send the file by it",
    )
}

/// The object is larger than any upload may be.
#[must_use]
pub fn too_large(bytes: u64, bytes_max: u64) -> FailureReason {
    reason(
        "file_too_large",
        format!("the file has {bytes} bytes, {bytes_max} are allowed"),
        "send the file in several parts, each with a header row",
    )
}

/// The object's size is not the one that its link is for.
#[must_use]
pub fn length_mismatch(bytes: u64, agreed: u64) -> FailureReason {
    reason(
        "length_mismatch",
        format!("the file has {bytes} bytes, its link was made for {agreed}"),
        "ask for a new link with the size of the file as it is sent",
    )
}

/// The object's content is not the one that its link is for.
#[must_use]
pub fn sha256_mismatch() -> FailureReason {
    reason(
        "sha256_mismatch",
        "the file has another SHA-256 than the one that its link was made for".to_owned(),
        "ask for a new link with the SHA-256 of the file as it is sent",
    )
}

/// Whoever read the file died of it, as often as is tried.
#[must_use]
pub fn readers_lost(tries: u32) -> FailureReason {
    reason(
        "readers_lost",
        format!("reading the file was cut off {tries} times in a row at the same place"),
        "send the file again in smaller parts, each with a header row; if that fails too, tell the operator",
    )
}

/// Reading the file failed as often as is tried, each time in a way that does not pass by itself. The
/// cause is ours, and in the log.
#[must_use]
pub fn reading_failed(tries: u32) -> FailureReason {
    reason(
        "reading_failed",
        format!(
            "reading the file failed {tries} times in a row, by no fault of the file that we know of"
        ),
        "tell the operator, whose log has the cause; once it is mended, ask for a new link and send the file again",
    )
}

/// The options of the upload cannot be used; `fault` says which.
#[must_use]
pub fn bad_options(fault: &super::OptionsFault) -> FailureReason {
    reason(
        "options",
        fault.to_string(),
        "ask for a new link with other options",
    )
}

fn reason(code: &str, message: String, hint: &str) -> FailureReason {
    FailureReason {
        code: code.to_owned(),
        message,
        hint: hint.to_owned(),
        line: None,
    }
}
