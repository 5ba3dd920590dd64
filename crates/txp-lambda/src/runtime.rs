//! What every function does beside its work: start once, take invocations one after the other,
//! answer, and leave in the log what was done, what was measured and what went wrong.

mod failure;
mod invocation;
mod log;
mod meter;

pub use failure::Failure;
pub use invocation::Invocation;

use lambda_runtime::{Config, LambdaEvent, Runtime, service_fn};
use log::Sink;
use meter::Meter;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;
use tokio::runtime::Builder;
use tokio::sync::Mutex;

/// A function: made once per process, asked once per invocation, never twice at the same time.
pub trait Function: Sized {
    /// What it is told.
    type Event: DeserializeOwned;
    /// What it answers.
    type Answer: Serialize;

    /// Makes its clients and reads what the environment says.
    fn start() -> impl Future<Output = anyhow::Result<Self>>;

    /// Does the work of one event. An error fails the invocation: whoever sent the event sends it
    /// again.
    fn handle(
        &mut self,
        event: Self::Event,
        invocation: &Invocation,
    ) -> impl Future<Output = anyhow::Result<Self::Answer>>;
}

/// Runs a function until Lambda ends the process.
pub fn run<F: Function>() -> ExitCode {
    let name = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let sink = Sink::new(&name, log::standard_output);
    log::install(&sink);
    let runtime = Builder::new_current_thread().enable_all().build();
    let outcome = runtime
        .map_err(|error| Box::new(error).into())
        .and_then(|runtime| runtime.block_on(serve::<F>(sink)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error: &(dyn std::error::Error + 'static) = &*error;
            tracing::error!(error, "the function cannot start or go on");
            ExitCode::FAILURE
        }
    }
}

async fn serve<F: Function>(sink: Sink) -> Result<(), lambda_runtime::Error> {
    let meter = Meter::install(&Config::from_env().function_name)?;
    let running = Running {
        function: F::start().await?,
        meter,
        sink,
    };
    let running = Rc::new(Mutex::new(running));
    let handler = |event: LambdaEvent<Box<RawValue>>| {
        let running = Rc::clone(&running);
        async move { running.lock().await.invoke(&event).await }
    };
    // Without the span that `lambda_runtime::run` puts around each: every line says whose it is.
    Runtime::new(service_fn(handler)).run().await
}

/// A function with what watches it.
struct Running<F> {
    function: F,
    meter: Meter,
    sink: Sink,
}

impl<F: Function> Running<F> {
    async fn invoke(&mut self, event: &LambdaEvent<Box<RawValue>>) -> Result<F::Answer, Failure> {
        let start = Instant::now();
        let invocation = Invocation::of(&event.context);
        self.sink.begin(&invocation);
        let is_cold = self.meter.begin(&invocation);
        let outcome = self.answer(event.payload.get(), &invocation).await;

        let outcome = outcome.map_err(|error| Failure::of(&error));
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let left_millis = invocation.remaining_millis();
        match &outcome {
            Ok(_) => tracing::info!(millis, left_millis, cold_start = is_cold, "done"),
            Err(failure) => {
                tracing::error!(millis, left_millis, cold_start = is_cold, error = %failure, "failed");
            }
        }
        txp_aws::cost::count_invocation(start.elapsed());
        match self.meter.lines() {
            Ok(lines) => self.sink.write(&lines),
            Err(error) => tracing::warn!(%error, "the metrics of this invocation are lost"),
        }
        outcome
    }

    async fn answer(&mut self, event: &str, invocation: &Invocation) -> anyhow::Result<F::Answer> {
        match serde_json::from_str(event) {
            Ok(event) => self.function.handle(event, invocation).await,
            // The parser's words may quote the event: its place is enough.
            Err(error) => Err(anyhow::anyhow!(
                "the event is not one that this function takes: it stops making sense at line {}, column {}",
                error.line(),
                error.column()
            )),
        }
    }
}
