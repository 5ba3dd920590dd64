//! The header Idempotency-Key: which request a link answered, so that a repeat gets the same link.

use super::{IDEMPOTENCY_HEADER, IDEMPOTENCY_KEY_BYTES_MAX, UploadRequest};
use crate::document::{FieldFault, Problem, ProblemKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use txp_domain::letters;

/// A request that has a key. Neither the key nor the body is kept, only their digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// SHA-256 of client and Idempotency-Key.
    #[serde(with = "letters::digest")]
    pub key: [u8; 32],
    /// SHA-256 of the body.
    #[serde(with = "letters::digest")]
    pub body: [u8; 32],
}

impl Idempotency {
    /// Reads the values of the header; `None` if there is none.
    ///
    /// # Errors
    /// There are several, or it is no key.
    pub fn read<'a>(
        mut values: impl Iterator<Item = &'a [u8]>,
        client_id: &str,
        request: &UploadRequest,
    ) -> Result<Option<Self>, Box<Problem>> {
        let Some(key) = values.next() else {
            return Ok(None);
        };
        let is_key = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
            && key.iter().all(u8::is_ascii_graphic);
        if !is_key || values.next().is_some() {
            let detail = "the header Idempotency-Key is not valid";
            let fault = FieldFault::new(
                IDEMPOTENCY_HEADER,
                "expected 1 to 255 visible ASCII characters",
            );
            let problem = Problem::new(ProblemKind::InvalidParameter, detail);
            return Err(Box::new(problem.with_errors(vec![fault])));
        }
        // A client's keys are its own; no client's id holds a zero byte.
        let hash = Sha256::new()
            .chain_update(client_id.as_bytes())
            .chain_update([0])
            .chain_update(key);
        Ok(Some(Self {
            key: hash.finalize().into(),
            body: request.digest(),
        }))
    }
}
