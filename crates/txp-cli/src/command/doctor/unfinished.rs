//! Uploads that were announced and not read to their end: as the last checkpoint has them, then as
//! the events say that it has not seen.

use std::collections::BTreeMap;
use txp_domain::event::{Decoded, UploadEvent, UploadReceived, decode};
use txp_domain::id::UploadId;
use txp_local::log::Events;
use txp_local::snapshot::Snapshot;
use txp_local::state::UploadPage;

/// Uploads that are read at once.
const READ_AT_ONCE: usize = 100;

/// What is to be told of one.
pub(super) struct Announced {
    pub(super) file_name: String,
    pub(super) client_id: String,
}

impl From<UploadReceived> for Announced {
    fn from(received: UploadReceived) -> Self {
        Self {
            file_name: received.file.name,
            client_id: received.client_id,
        }
    }
}

/// All of them, oldest first.
#[derive(Default)]
pub(super) struct Unfinished(BTreeMap<UploadId, Announced>);

impl Unfinished {
    pub(super) fn of_state(snapshot: &mut Snapshot) -> anyhow::Result<Self> {
        let (mut all, mut before) = (Self::default(), None);
        loop {
            let uploads = snapshot.state.uploads(UploadPage {
                client_id: None,
                before,
                limit: READ_AT_ONCE,
            })?;
            before = uploads.last().map(|last| last.id);
            let is_last = uploads.len() < READ_AT_ONCE;
            for upload in uploads {
                if let (Some(received), None) = (upload.received, upload.ending) {
                    all.0.insert(upload.id, received.into());
                }
            }
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Takes up events behind the last one folded. One that cannot be read is for the quarantine.
    pub(super) fn take_up(&mut self, events: Events<'_>, folded_through: u64) {
        for event in events.filter(|event| event.sequence > folded_through) {
            let Ok(Decoded::Upload(event)) = decode(event.bytes) else {
                continue;
            };
            let id = event.upload_id();
            match *event {
                UploadEvent::Received(received) => {
                    self.0.insert(id, received.into());
                }
                UploadEvent::Parsed(_) | UploadEvent::Failed(_) => {
                    self.0.remove(&id);
                }
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&UploadId, &Announced)> {
        self.0.iter()
    }
}
