//! Posting over HTTPS: to the address that was checked, without redirects and proxies, in a bounded
//! time, and without reading what is answered.

use super::tls::Tls;
use std::io::ErrorKind;
use std::time::Duration;
use txp_pipeline::webhook::{Post, PostFailure, PostRequest, check_address};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, NextTimeout, TcpConnector};
use ureq::{Agent, Error};

/// From the first look at the name to the end of the answer's head.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
const USER_AGENT: &str = concat!("transaction-processor/", env!("CARGO_PKG_VERSION"));

/// The client.
#[derive(Debug)]
pub struct Http {
    public: Agent,
    loopback: Agent,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            public: agent(false),
            loopback: agent(true),
        }
    }
}

fn agent(loopback_allowed: bool) -> Agent {
    let config = Config::builder()
        .https_only(!loopback_allowed)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(TIMEOUT))
        .max_response_header_size(HEAD_BYTES_MAX)
        // A connection that is kept was checked when it was made; names move meanwhile.
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .user_agent(USER_AGENT)
        .build();
    let resolver = Checked { loopback_allowed };
    let connector = ().chain(TcpConnector::default()).chain(Tls::default());
    Agent::with_parts(config, connector, resolver)
}

/// Resolves as usual, and gives no address that is not public: what is connected to is what was
/// checked.
#[derive(Debug)]
struct Checked {
    loopback_allowed: bool,
}

impl Resolver for Checked {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let mut public = self.empty();
        let mut refused = None;
        for address in &found {
            match check_address(address.ip(), self.loopback_allowed) {
                Ok(()) => public.push(*address),
                Err(why) => refused = Some(why),
            }
        }
        match refused {
            // One of them is enough: whoever answers for the name may not be trusted.
            Some(why) => Err(Error::Other(Box::new(why))),
            None if public.is_empty() => Err(Error::HostNotFound),
            None => Ok(public),
        }
    }
}

impl Post for Http {
    async fn post(&mut self, request: &PostRequest<'_>) -> Result<u16, PostFailure> {
        let agent = match request.loopback_allowed {
            true => &self.loopback,
            false => &self.public,
        };
        let mut post = agent.post(request.url);
        for (name, value) in &request.headers {
            post = post.header(*name, value);
        }
        match post.send(request.body) {
            Ok(answer) => Ok(answer.status().as_u16()),
            Err(error) => Err(PostFailure(words(&error))),
        }
    }
}

/// What happened, without anything that the other side said.
fn words(error: &Error) -> String {
    match error {
        Error::Other(why) => why.to_string(),
        Error::HostNotFound => "its name is not known".to_owned(),
        Error::Timeout(_) => format!("it did not answer within {} s", TIMEOUT.as_secs()),
        Error::Tls(why) => (*why).to_owned(),
        Error::RequireHttpsOnly(_) => "it is not https".to_owned(),
        Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused => "it refused the connection".to_owned(),
            ErrorKind::ConnectionReset => "it cut the connection".to_owned(),
            ErrorKind::InvalidData => "TLS with it failed: check its certificate".to_owned(),
            kind => format!("the connection failed: {kind}"),
        },
        _ => "it gave no answer that can be understood".to_owned(),
    }
}
