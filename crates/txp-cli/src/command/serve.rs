//! `txp serve`: the API over the data directory, until SIGTERM or SIGINT; alerts on the terminal.

use super::{Ending, Globals, process};
use crate::output;
use anyhow::Context as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use txp_domain::alert::Message;
use txp_local::alerts::Terminal;
use txp_local::webhooks::Sender;
use txp_server::{Options, Prepared};
use txp_webhook::Http;

/// Where it listens if nothing else is said.
const DEFAULT_LISTEN: &str = "127.0.0.1:8420";

/// Threads that run requests; what waits for the disk runs on others.
const WORKERS: usize = 2;

/// Arguments of `txp serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_LISTEN)]
    listen: SocketAddr,
    /// What links begin with, where clients and operators reach the server under another name
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

/// Serves until a signal comes.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_io()
        .enable_time()
        .build()
        .context("starting the server")?;
    // From here on a signal is remembered until the server can end well.
    let inside = runtime.enter();
    let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let listener = bind(args.listen)?;
    let address = listener.local_addr().context("looking at the listener")?;
    let host = process::open_host(globals, "txp serve", Some(terminal()))?;
    let listener = tokio::net::TcpListener::from_std(listener).context("listening")?;
    drop(inside);
    let options = Options {
        public_url: args.public_url.clone(),
        receipt_key: Some(process::receipt_key()?),
        log: Arc::new(output::note_redacted),
        ..Options::default()
    };
    let prepared = Prepared::open(host.clone(), options)?;
    // Now nothing is left to read that could be damaged.
    announce(globals, address)?;
    let told = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        output::note("ending: running requests finish, files being read stop at a safe point");
    };
    let log: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(output::note_redacted);
    let sender =
        Sender::start(&host, Http::default(), log).context("starting what sends webhooks")?;
    let served = runtime.block_on(prepared.serve(listener, told));
    sender.stop();
    served?;
    Ok(Ending::Done)
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("listening on {address}: choose another address with --listen, as in --listen 127.0.0.1:0")
    })?;
    listener.set_nonblocking(true).context("listening")?;
    Ok(listener)
}

fn announce(globals: &Globals, address: SocketAddr) -> anyhow::Result<()> {
    let url = format!("http://{address}");
    let dir = globals.data_dir.display().to_string();
    if !address.ip().is_loopback() {
        output::note(
            "this address can be reached from outside and speaks no TLS: put a proxy before it",
        );
    }
    if globals.json {
        return output::json(&serde_json::json!({ "listening": url, "data_dir": dir }));
    }
    output::text(&format!("listening on {url}, data in {dir}\n"))?;
    output::note(&format!(
        "a page for people is at {url}/; it asks for what `txp operator-token` prints"
    ));
    Ok(())
}

/// An alert's subject and what the rules found, up to the first empty line of its body.
fn terminal() -> Terminal {
    Box::new(|message: &Message| {
        let mut text = format!("alert: {}", message.subject);
        for line in message.body.lines().take_while(|line| !line.is_empty()) {
            text.push_str("\n    ");
            text.push_str(line);
        }
        output::note_redacted(&text);
    })
}
