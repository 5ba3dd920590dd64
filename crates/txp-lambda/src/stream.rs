//! What the functions of the stream share: how far a delivery got, as Lambda is told.

use aws_lambda_events::event::streams::KinesisEventResponse;
use txp_aws::kinesis::delivered::Batch;
use txp_pipeline::port::PortError;

/// The answer for a delivery that failed at an event, or did not: its record and all behind it come
/// again.
///
/// # Errors
/// The event is in no record; the whole delivery comes again.
pub fn answer(
    batch: &Batch<'_>,
    failed: Option<(usize, PortError)>,
) -> anyhow::Result<KinesisEventResponse> {
    let mut response = KinesisEventResponse::default();
    if let Some((event, error)) = failed {
        let Some(sequence) = batch.sequence_number_of(event) else {
            return Err(error.into());
        };
        let error = anyhow::Error::from(error);
        tracing::error!(
            sequence,
            error = %crate::runtime::Failure::of(&error),
            "a record could not be processed; it is delivered again"
        );
        response.add_failure(sequence);
    }
    Ok(response)
}
