//! The function `api`: the routes, documents and problems of the API behind API Gateway.
//!
//! A request of the gateway ([`event`]) goes to its route, its handler ([`link`], [`read`]) asks the
//! [`World`], and what that gives is written out as the gateway wants it ([`answer`]). What a request
//! may say and who may see what is decided in `txp_pipeline::api`, as for the embedded server. Who
//! asks, the gateway has found out: by the id of the key that it let in. Deliberately absent: keys,
//! quotas and rates (the gateway's), files (S3's).

mod answer;
mod aws;
mod event;
mod link;
mod read;
mod world;

pub use answer::ProxyAnswer;
pub use aws::{Aws, Names};
pub use event::ProxyEvent;
pub use world::World;

use crate::runtime::{Function, Invocation};
use answer::{Failure, Outcome, finish, json};
use event::{Request, decoded};
use std::sync::Arc;
use std::time::Instant;
use txp_pipeline::api::{Client, Route, openapi, refusal};
use txp_pipeline::document::{Problem, ProblemKind};
use txp_pipeline::telemetry::{self, Metric};

/// What requests without a route are counted as.
const NO_ROUTE: &str = "none";

/// The function.
pub struct Api {
    world: Aws,
}

impl Function for Api {
    type Event = ProxyEvent;
    type Answer = ProxyAnswer;

    async fn start() -> anyhow::Result<Self> {
        let world = Box::pin(Aws::start()).await?;
        Ok(Self { world })
    }

    async fn handle(
        &mut self,
        event: Self::Event,
        invocation: &Invocation,
    ) -> anyhow::Result<Self::Answer> {
        Ok(answer(&mut self.world, event, invocation).await)
    }
}

/// Answers one request.
pub async fn answer<W: World>(
    world: &mut W,
    event: ProxyEvent,
    invocation: &Invocation,
) -> ProxyAnswer {
    let started = Instant::now();
    let mut request = Request::from(event);
    request.trace = invocation.trace_parent();
    let there: Vec<_> = Route::at(&request.path)
        .filter(|(route, _)| is_behind_gateway(*route))
        .collect();
    let asked = there
        .iter()
        .find(|(route, _)| route.method() == request.method);
    let outcome = match asked {
        // On the heap: the SDK's futures are nested deeper than the compiler lays out in one.
        Some((route, parameter)) => Box::pin(routed(world, &request, *route, *parameter)).await,
        None => unrouted(&request, there.iter().map(|(route, _)| *route).collect()),
    };
    let answer = finish(outcome, &request.id);
    let route = asked.map_or(NO_ROUTE, |(route, _)| route.path());
    let status = answer.status_code.to_string();
    let dimensions = vec![("route", route.to_owned()), ("status", status)];
    telemetry::count_by(Metric::Requests, dimensions, 1);
    telemetry::observe_millis(Metric::RequestMilliseconds, started.elapsed());
    answer
}

/// Files go to S3; the rest is the embedded server's own.
const fn is_behind_gateway(route: Route) -> bool {
    match route {
        Route::PostUpload
        | Route::GetStatus
        | Route::GetUpload
        | Route::GetRejects
        | Route::GetUploads
        | Route::GetOpenapi
        | Route::GetReceiptKey => true,
        Route::PutContent | Route::GetHealth | Route::GetMetrics | Route::GetShell => false,
    }
}

/// Where no route has both path and method.
fn unrouted(request: &Request, there: Vec<Route>) -> Outcome {
    if there.is_empty() {
        return Err(refusal::no_route().into());
    }
    let allowed = Route::allowed(there);
    if request.method == "OPTIONS" {
        return Ok(ProxyAnswer::preflight(allowed));
    }
    Err(Failure::method(refusal::no_method(), allowed))
}

async fn routed<W: World>(
    world: &mut W,
    request: &Request,
    route: Route,
    parameter: Option<&str>,
) -> Outcome {
    if route == Route::GetOpenapi {
        return description(request, route);
    }
    if route == Route::GetReceiptKey {
        let key = world.receipt_key().await?.ok_or_else(refusal::no_route)?;
        return json(200, &key.public().published());
    }
    let client = caller(world, request).await?;
    // What cannot be decoded is no id: it is looked for as nothing, and not found.
    let id = parameter.and_then(decoded).unwrap_or_default();
    match route {
        Route::PostUpload => link::create(world, &client, request).await,
        Route::GetStatus => read::status(world, &client, request, &id).await,
        Route::GetUpload => read::upload(world, &client, &id).await,
        Route::GetRejects => read::rejects(world, &client, &id).await,
        Route::GetUploads => read::uploads(world, &client, request).await,
        _ => Err(refusal::no_route().into()),
    }
}

/// Who asks. Without a key the gateway lets nobody in; a key that it knows and the table of clients
/// does not is refused alike.
async fn caller<W: World>(world: &mut W, request: &Request) -> Result<Arc<Client>, Failure> {
    let client = match &request.api_key_id {
        Some(api_key_id) => world.client(api_key_id).await?,
        None => None,
    };
    client.ok_or_else(|| {
        let detail = "the API key of the request is no client's";
        Box::new(Problem::new(ProblemKind::KeyRefused, detail)).into()
    })
}

/// The description, its paths below where this one was asked for: a stage, or a domain's mapping.
fn description(request: &Request, route: Route) -> Outcome {
    let mut document = openapi();
    let base = request.public_path.strip_suffix(route.path());
    let base = base.filter(|base| base.starts_with('/'));
    if let (Some(base), Some(url)) = (base, document.pointer_mut("/servers/0/url")) {
        *url = base.into();
    }
    json(200, &document)
}

#[cfg(test)]
mod tests;
