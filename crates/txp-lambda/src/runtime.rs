//! What every function does beside its work: start once, take invocations one after the other,
//! answer, and say in the log what went wrong.

mod failure;
mod invocation;

pub use failure::Failure;
pub use invocation::Invocation;

use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::process::ExitCode;
use std::rc::Rc;
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
    let runtime = Builder::new_current_thread().enable_all().build();
    let outcome = runtime
        .map_err(|error| Box::new(error).into())
        .and_then(|runtime| runtime.block_on(serve::<F>()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error, "the function cannot start or go on");
            ExitCode::FAILURE
        }
    }
}

async fn serve<F: Function>() -> Result<(), lambda_runtime::Error> {
    let function = Rc::new(Mutex::new(F::start().await?));
    let handler = |event: LambdaEvent<Box<RawValue>>| {
        let function = Rc::clone(&function);
        async move {
            let invocation = Invocation::of(&event.context);
            let mut function = function.lock().await;
            let outcome = match serde_json::from_str(event.payload.get()) {
                Ok(event) => function.handle(event, &invocation).await,
                // The parser's words may quote the event: its place is enough.
                Err(error) => Err(anyhow::anyhow!(
                    "the event is not one that this function takes: it stops making sense at line {}, column {}",
                    error.line(),
                    error.column()
                )),
            };
            outcome.map_err(|error| Failure::of(&error))
        }
    };
    lambda_runtime::run(service_fn(handler)).await
}
