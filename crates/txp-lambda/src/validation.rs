//! The function `validation`: reads uploaded files into the history.
//!
//! - [`event`]: what it is told;
//! - `arrived`: what is known of a file before it is read;
//! - `file`: one file, claimed, read as far as time allows, ended or continued;
//! - `lease`: the claim while that goes on;
//! - `sweep`: what was left lying.
//!
//! Everything may be told twice or never: a claim says who reads, and the sweeper comes back.

mod arrived;
pub mod event;
mod file;
mod lease;
mod sweep;

use crate::environment::{EVENTS_STREAM, REPORTS_BUCKET, UPLOADS_BUCKET};
use crate::runtime::{Function, Invocation};
use event::{Continuation, ValidationEvent};
use lease::Until;
use txp_aws::clock::SystemClock;
use txp_aws::config;
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::tables::UPLOADS;
use txp_aws::dynamodb::uploads::Uploads;
use txp_aws::invoke::{FUNCTION_NAME, Invoker};
use txp_aws::kinesis::producer::Settings;
use txp_aws::kinesis::put::StreamWriter;
use txp_aws::s3::Bucket;
use txp_aws::secrets::{FINGERPRINT_KEY_SECRET, SecretKey};
use txp_domain::card::Fingerprinter;
use txp_domain::redact::redact;
use txp_pipeline::api::UPLOAD_BYTES_MAX;
use txp_pipeline::port::{Clock, PortError};

/// Calls to the stream at a time: with 5 MiB each in hand, memory stays below 128 MiB.
const CALLS_IN_FLIGHT: usize = 2;
/// Bytes that wait for a call.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// The most bytes of an aggregated record here: 256 are gathered at a time, with room for twice that.
const AGGREGATE_BYTES_MAX: usize = 64 << 10;

/// Has this function called again.
pub trait CallAgain {
    /// With a file that is to be read on.
    fn call_again(&self, task: &Continuation) -> impl Future<Output = Result<(), PortError>>;
}

impl CallAgain for Invoker {
    async fn call_again(&self, task: &Continuation) -> Result<(), PortError> {
        let event = task.to_event().map_err(|error| {
            let context = "a continuation cannot be written as JSON";
            PortError::caused(txp_pipeline::port::ErrorKind::Permanent, context, error)
        })?;
        self.invoke_later(event).await
    }
}

/// The function.
pub struct Validation<A = Invoker, C = SystemClock> {
    /// Where files come.
    pub files: Bucket,
    /// Where reports go.
    pub reports: Bucket,
    /// Where events go.
    pub stream: StreamWriter,
    /// How events are gathered.
    pub settings: Settings,
    /// What is known of uploads.
    pub uploads: Uploads,
    /// Makes the cards' fingerprints.
    pub fingerprint_key: SecretKey<Fingerprinter>,
    /// Itself.
    pub again: A,
    /// The time. Clocks of functions differ: it says when somebody may try, never who may write.
    pub clock: C,
    /// The most bytes of a file that is read.
    pub upload_bytes_max: u64,
}

/// The settings of a producer in little memory. A bound on records that is set higher than fits there is
/// lowered.
#[must_use]
pub fn frugal(settings: Settings) -> Settings {
    Settings {
        calls_in_flight: CALLS_IN_FLIGHT,
        waiting_bytes_max: WAITING_BYTES_MAX,
        aggregate_bytes: settings.aggregate_bytes.min(AGGREGATE_BYTES_MAX),
        ..settings
    }
}

impl Function for Validation {
    type Event = ValidationEvent;
    type Answer = ();

    async fn start() -> anyhow::Result<Self> {
        let (files, reports) = (config::name(UPLOADS_BUCKET)?, config::name(REPORTS_BUCKET)?);
        let (stream, table) = (
            config::name(EVENTS_STREAM)?,
            config::name(UPLOADS.variable)?,
        );
        let secret = config::name(FINGERPRINT_KEY_SECRET)?;
        let function = config::name(FUNCTION_NAME)?;
        let settings = frugal(Settings::from_environment()?);
        let config = config::load().await;
        let s3 = config::s3_client(&config);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let key_store = aws_sdk_secretsmanager::Client::new(&config);
        Ok(Self {
            files: Bucket::new(s3.clone(), files),
            reports: Bucket::new(s3, reports),
            stream: StreamWriter::new(aws_sdk_kinesis::Client::new(&config), stream),
            settings,
            uploads: Uploads::new(Connection::new(dynamodb), table),
            fingerprint_key: SecretKey::of_fingerprints(key_store, secret),
            again: Invoker::new(aws_sdk_lambda::Client::new(&config), function),
            clock: SystemClock,
            upload_bytes_max: UPLOAD_BYTES_MAX,
        })
    }

    async fn handle(&mut self, event: Self::Event, invocation: &Invocation) -> anyhow::Result<()> {
        self.take(event, invocation).await
    }
}

impl<A: CallAgain, C: Clock + Clone + 'static> Validation<A, C> {
    /// Does what an event asks for.
    ///
    /// # Errors
    /// Something failed that trying again may mend.
    pub async fn take(
        &mut self,
        event: ValidationEvent,
        invocation: &Invocation,
    ) -> anyhow::Result<()> {
        let until = Until::of(invocation);
        match event {
            ValidationEvent::Created(arrivals, others) => {
                if others > 0 {
                    tracing::warn!(others, "objects that are no uploads are left alone");
                }
                let mut failed = None;
                for arrival in arrivals {
                    if arrival.bucket != self.files.name() {
                        tracing::warn!("an object in another bucket is left alone");
                        continue;
                    }
                    let (task, at) = (&arrival.task, arrival.at);
                    if let Err(error) = self.read_or_pass_on(task, at, until).await {
                        let error_text = format!("{error:#}");
                        tracing::error!(upload_id = %task.upload_id, error = %redact(&error_text), "a file is not read");
                        failed = Some(error);
                    }
                }
                failed.map_or(Ok(()), Err)
            }
            ValidationEvent::Continue(task) => self.read(&task, None, until).await,
            ValidationEvent::Tick => self.sweep(until).await,
            ValidationEvent::Test => Ok(()),
            ValidationEvent::Unknown => {
                anyhow::bail!("the event is none that this function knows")
            }
        }
    }
}
