//! Query parameters: which page of a list, which merchant.

use crate::document::{FieldFault, Problem, ProblemKind};
use txp_domain::id::{UploadId, is_identifier};

/// Query parameters, decoded, in order.
pub type Query = [(String, String)];

/// A page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The most entries.
    pub limit: usize,
    /// Only what is older than this upload.
    pub before: Option<UploadId>,
}

impl Page {
    /// The most entries of one page.
    pub const LIMIT_MAX: usize = 100;
    /// The entries of a page where none are asked for.
    pub const LIMIT_DEFAULT: usize = 20;

    /// Reads `limit` and `cursor`.
    ///
    /// # Errors
    /// One of them is not valid, or stands twice.
    pub fn read(query: &Query) -> Result<Self, Box<Problem>> {
        let limit = match parameter(query, "limit")? {
            None => Self::LIMIT_DEFAULT,
            Some(text) => Self::limit(text)
                .ok_or_else(|| invalid("limit", "expected a whole number from 1 to 100"))?,
        };
        let before =
            match parameter(query, "cursor")? {
                None => None,
                Some(text) => Some(UploadId::parse(text.as_bytes()).ok_or_else(|| {
                    invalid("cursor", "expected the next_cursor of the page before")
                })?),
            };
        Ok(Self { limit, before })
    }

    fn limit(text: &str) -> Option<usize> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let limit = text.parse().ok().filter(|_| is_plain)?;
        (1..=Self::LIMIT_MAX).contains(&limit).then_some(limit)
    }
}

/// Reads `merchant_id`.
///
/// # Errors
/// It is no identifier, or stands twice.
pub fn merchant_id(query: &Query) -> Result<Option<&str>, Box<Problem>> {
    match parameter(query, "merchant_id")? {
        Some(text) if !is_identifier(text.as_bytes()) => Err(invalid(
            "merchant_id",
            "expected 1 to 64 of A-Z a-z 0-9 _ - . : with a letter or digit first",
        )),
        found => Ok(found),
    }
}

/// A parameter's value, where it is given.
///
/// # Errors
/// It stands twice.
pub fn parameter<'a>(query: &'a Query, name: &str) -> Result<Option<&'a str>, Box<Problem>> {
    let mut values = query.iter().filter(|(key, _)| key == name);
    let value = values.next().map(|(_, value)| value.as_str());
    match values.next() {
        Some(_) => Err(invalid(name, "give it once")),
        None => Ok(value),
    }
}

/// A parameter that is not valid, and what was expected.
#[must_use]
pub fn invalid(name: &str, detail: &str) -> Box<Problem> {
    let summary = format!("the parameter {name} is not valid");
    let problem = Problem::new(ProblemKind::InvalidParameter, &summary);
    Box::new(problem.with_errors(vec![FieldFault::new(name, detail)]))
}
