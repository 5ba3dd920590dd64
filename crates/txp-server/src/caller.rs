//! Who asks: the client of a valid key, within its rate. Missing, unknown and wrong keys are
//! refused alike.

use crate::answer::Failure;
use crate::app::App;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::sync::Arc;
use std::time::Instant;
use txp_local::control::Client;
use txp_pipeline::api::KEY_HEADER;
use txp_pipeline::document::ProblemKind;

/// The client of a request.
pub(crate) struct Caller(pub(crate) Arc<Client>);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let mut values = parts.headers.get_all(KEY_HEADER).iter();
        let (first, second) = (values.next(), values.next());
        let presented = first
            .filter(|_| second.is_none())
            .and_then(|value| value.to_str().ok());
        // One look at the clients' file, which is in the system's cache: no thread is worth it.
        let found = match presented {
            Some(presented) => app.keys.authenticate(presented, app.now())?,
            None => None,
        };
        let Some(caller) = found else {
            let detail = "the header x-api-key holds no valid key";
            return Err(Failure::new(ProblemKind::KeyRefused, detail));
        };
        if !app
            .rates
            .admit(&caller.client.who.client_id, Instant::now())
        {
            let detail = "your client makes more requests than its rate allows";
            return Err(Failure::new(ProblemKind::TooManyRequests, detail));
        }
        Ok(Self(caller.client))
    }
}
