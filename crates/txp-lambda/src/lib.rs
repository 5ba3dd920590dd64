//! The functions on AWS Lambda. Each is the pipeline's stages over the adapters of `txp-aws`, told
//! by an event what to do; what an event means and how an outcome is answered is all that is here.
//!
//! One module per function, one thin binary each. [`runtime`] is what they share: the loop over
//! invocations, logs, metrics, the trace. [`environment`] names what they work on.

pub mod aggregator;
pub mod anomaly;
pub mod api;
pub mod archiver;
pub mod environment;
pub mod runtime;
pub mod stream;
pub mod validation;
