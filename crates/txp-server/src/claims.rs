//! Which files are being sent right now: one request per upload, so many per client and in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use txp_domain::id::UploadId;

/// The uploads being sent, each with its client.
#[derive(Debug)]
pub(crate) struct Claims {
    max: usize,
    per_client_max: usize,
    claimed: Mutex<HashMap<UploadId, String>>,
}

/// Why a file cannot be sent right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Another request sends it.
    InProgress,
    /// Too many are being sent.
    TooMany,
}

/// Held while a file is being sent.
#[derive(Debug)]
pub(crate) struct Claim {
    claims: Arc<Claims>,
    upload_id: UploadId,
}

impl Claims {
    pub(crate) fn new(max: usize, per_client_max: usize) -> Self {
        Self {
            max,
            per_client_max,
            claimed: Mutex::default(),
        }
    }

    pub(crate) fn claim(
        self: &Arc<Self>,
        upload_id: UploadId,
        client_id: &str,
    ) -> Result<Claim, Refused> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if claimed.contains_key(&upload_id) {
            return Err(Refused::InProgress);
        }
        let own = claimed.values().filter(|other| *other == client_id).count();
        if claimed.len() >= self.max || own >= self.per_client_max {
            return Err(Refused::TooMany);
        }
        claimed.insert(upload_id, client_id.to_owned());
        Ok(Claim {
            claims: Arc::clone(self),
            upload_id,
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self
            .claims
            .claimed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        claimed.remove(&self.upload_id);
    }
}
