//! What a dry run found: kept with the upload for whoever asks, since no event tells of it.

use super::super::attributes::text;
use super::{UPLOAD, Uploads};
use txp_domain::id::UploadId;
use txp_pipeline::port::PortError;

impl Uploads {
    /// Keeps the document of an upload that was validated only; again, the first one stays.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn keep_report(&self, upload_id: UploadId, json: &str) -> Result<(), PortError> {
        let update = self
            .update(upload_id, UPLOAD)
            .update_expression("SET report = if_not_exists(report, :report) REMOVE due, due_at")
            .expression_attribute_values(":report", text(json));
        self.send(update).await?;
        Ok(())
    }
}
