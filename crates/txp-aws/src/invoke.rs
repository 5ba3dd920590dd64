//! Calling a function without waiting for it.

use crate::error::port_error;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use txp_pipeline::port::PortError;

/// The variable by which Lambda tells a function its own name.
pub const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// A function that may be called.
#[derive(Clone, Debug)]
pub struct Invoker {
    client: Client,
    function: String,
}

impl Invoker {
    /// The function of this name.
    #[must_use]
    pub fn new(client: Client, function: impl Into<String>) -> Self {
        let function = function.into();
        Self { client, function }
    }

    /// Has the function called with this event, some time soon.
    ///
    /// # Errors
    /// Lambda does not take it.
    pub async fn invoke_later(&self, event: Vec<u8>) -> Result<(), PortError> {
        let invoke = self.client.invoke();
        invoke
            .function_name(&self.function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| {
                port_error(
                    format!("calling the function {} failed", self.function),
                    error,
                )
            })
    }
}
