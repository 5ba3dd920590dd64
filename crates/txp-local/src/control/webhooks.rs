//! Webhooks: where the operator wants uploads' ends and alerts to be told.

use super::kept::Kept;
use super::{ControlError, random_letters};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::SystemTime;
use txp_domain::time::Timestamp;
use txp_pipeline::webhook::{Endpoint, Secret, Topic, check_url};

const FILE: &str = "webhooks.json";
/// Random bytes of an endpoint's id.
const ID_BYTES: usize = 8;
/// More than these nobody watches.
const ENDPOINTS_MAX: usize = 100;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Records {
    endpoints: Vec<Endpoint>,
}

/// Reads and changes the webhooks of a data directory.
#[derive(Clone, Debug)]
pub struct Webhooks {
    kept: Kept<Records>,
}

impl Webhooks {
    /// Those of a data directory, which is made if it is new.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, ControlError> {
        let kept = Kept::open(dir, FILE, now)?;
        Ok(Self { kept })
    }

    /// The same to read only.
    #[must_use]
    pub fn to_read(dir: &Path) -> Self {
        let kept = Kept::to_read(dir, FILE);
        Self { kept }
    }

    /// Another content of the file is another of these.
    pub(crate) fn stamp(&self) -> Option<(SystemTime, u64)> {
        self.kept.stamp()
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// The records cannot be read.
    pub fn list(&self) -> Result<Vec<Endpoint>, ControlError> {
        Ok(self.kept.load()?.endpoints)
    }

    /// Sets one more. Its secret is shown now and never again.
    ///
    /// # Errors
    /// The URL is none that messages are sent to, or it cannot be written.
    pub fn add(
        &self,
        url: &str,
        topics: Vec<Topic>,
        loopback_allowed: bool,
        now: Timestamp,
    ) -> Result<Endpoint, ControlError> {
        check_url(url, loopback_allowed).map_err(ControlError::WebhookUrl)?;
        let endpoint = Endpoint {
            id: random_letters::<ID_BYTES>()?,
            url: url.to_owned(),
            topics,
            loopback_allowed,
            added_at: now,
            secrets: vec![secret()?],
        };
        self.kept.change(|records| {
            if records.endpoints.len() >= ENDPOINTS_MAX {
                return Err(ControlError::TooManyWebhooks);
            }
            records.endpoints.push(endpoint.clone());
            Ok(endpoint)
        })
    }

    /// Tells it nothing more, what waits included.
    ///
    /// # Errors
    /// There is none of this id, or it cannot be written.
    pub fn remove(&self, id: &str) -> Result<(), ControlError> {
        self.kept.change(|records| {
            let before = records.endpoints.len();
            records.endpoints.retain(|endpoint| endpoint.id != id);
            match records.endpoints.len() < before {
                true => Ok(()),
                false => Err(ControlError::UnknownWebhook),
            }
        })
    }

    /// Gives it another secret; the one before signs as well for a day.
    ///
    /// # Errors
    /// There is none of this id, or it cannot be written.
    pub fn rotate(&self, id: &str, now: Timestamp) -> Result<Endpoint, ControlError> {
        let secret = secret()?;
        self.kept.change(|records| {
            let mut endpoints = records.endpoints.iter_mut();
            let endpoint = endpoints.find(|endpoint| endpoint.id == id);
            let endpoint = endpoint.ok_or(ControlError::UnknownWebhook)?;
            endpoint.rotate(secret, now);
            Ok(endpoint.clone())
        })
    }
}

fn secret() -> Result<Secret, ControlError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| ControlError::NoRandomness)?;
    Ok(Secret::new(&bytes))
}
