//! A merchant's side of the API, over real HTTP.

use crate::command::process::file_name;
use crate::output;
use anyhow::Context as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};
use txp_domain::id::UploadId;
use txp_pipeline::api::{KEY_HEADER, LinkDocument};
use txp_pipeline::document::{Problem, StateName, UploadDocument};
use ureq::http::Response;
use ureq::{Agent, Body, SendBody};

/// How long to wait before asking again; a server far away asks for more patience.
const POLL: Duration = Duration::from_millis(50);

/// An upload that does not move for so long will not end.
const STALLED_AFTER: Duration = Duration::from_secs(120);

pub(super) struct Client {
    agent: Agent,
    url: String,
    key: String,
}

impl Client {
    pub(super) fn new(url: &str, key: &str) -> Self {
        // Problem documents say more than their status; loopback needs no proxy.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Self {
            agent: config.new_agent(),
            url: url.to_owned(),
            key: key.to_owned(),
        }
    }

    /// POST /upload.
    pub(super) fn ask_for_link(&self, file: &Path) -> anyhow::Result<LinkDocument> {
        let metadata =
            std::fs::metadata(file).with_context(|| format!("reading {}", output::path(file)))?;
        let body = serde_json::json!({
            "filename": file_name(file),
            "content_length": metadata.len(),
        });
        let doing = "asking for an upload link";
        let answer = self
            .agent
            .post(format!("{}/upload", self.url))
            .header(KEY_HEADER, &self.key)
            .content_type("application/json")
            .send(&body.to_string())
            .context(doing)?;
        read(answer, doing)
    }

    /// The signed PUT, streamed.
    pub(super) fn put(
        &self,
        link: &LinkDocument,
        file: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<()> {
        let source = File::open(file).with_context(|| format!("opening {}", output::path(file)))?;
        let total = source.metadata().map(|metadata| metadata.len())?;
        let mut request = self.agent.put(&link.url);
        for (name, value) in &link.headers {
            request = request.header(name, value);
        }
        let mut body = Watched {
            source,
            sent: 0,
            total,
            progress,
        };
        let doing = "sending the file";
        let answer = request
            .header("content-length", total.to_string())
            .send(SendBody::from_reader(&mut body))
            .context(doing)?;
        read::<serde_json::Value>(answer, doing)?;
        Ok(())
    }

    /// GET /uploads/{upload_id} until nothing more will change.
    pub(super) fn wait(
        &self,
        upload_id: UploadId,
        progress: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<UploadDocument> {
        let doing = "asking how far the upload is";
        let (mut seen, mut changed_at) = (None, Instant::now());
        loop {
            let answer = self
                .agent
                .get(format!("{}/uploads/{upload_id}", self.url))
                .header(KEY_HEADER, &self.key)
                .call()
                .context(doing)?;
            let document: UploadDocument = read(answer, doing)?;
            match document.state {
                StateName::Pending | StateName::Processing | StateName::Parsed => {}
                StateName::Expired
                | StateName::Completed
                | StateName::Failed
                | StateName::DryRun => return Ok(document),
            }
            progress(u64::from(document.percent.unwrap_or(0)), 100);
            let now = Some((document.state, document.percent, document.counts));
            if seen != now {
                (seen, changed_at) = (now, Instant::now());
            }
            anyhow::ensure!(
                changed_at.elapsed() < STALLED_AFTER,
                "{doing}: nothing has moved for {} s; `txp doctor` on its directory may say why",
                STALLED_AFTER.as_secs()
            );
            pause();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client over HTTP has no condition to wait for but the next answer"
)]
fn pause() {
    std::thread::sleep(POLL);
}

/// The document of an answer, or its problem in words.
fn read<T: serde::de::DeserializeOwned>(
    mut answer: Response<Body>,
    doing: &'static str,
) -> anyhow::Result<T> {
    let status = answer.status();
    let body = answer.body_mut().read_to_vec().context(doing)?;
    if !status.is_success() {
        let problem: Option<Problem> = serde_json::from_slice(&body).ok();
        let words = problem.map(|problem| format!(": {}; {}", problem.title, problem.detail));
        anyhow::bail!(
            "{doing}: the server answered {}{}",
            status.as_u16(),
            words.unwrap_or_default()
        );
    }
    serde_json::from_slice(&body).context(doing)
}

/// A file that tells how much of it was sent.
struct Watched<'a> {
    source: File,
    sent: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.sent += read as u64;
        (self.progress)(self.sent, self.total);
        Ok(read)
    }
}
