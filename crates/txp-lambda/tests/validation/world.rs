//! Buckets, a stream and a table of a test's own, the function over them, and what it left there.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};
use txp_aws::clock::SystemClock;
use txp_aws::config::s3_client;
use txp_aws::dynamodb::uploads::{Announcement, Claim, UploadView, Uploads};
use txp_aws::dynamodb::{Connection, tables};
use txp_aws::kinesis::producer::Settings;
use txp_aws::kinesis::put::StreamWriter;
use txp_aws::redrive::Redrives;
use txp_aws::s3::{Bucket, key};
use txp_aws::secrets::SecretKey;
use txp_domain::card::Fingerprinter;
use txp_domain::event::{Defaults, Event, Merchants, UploadEvent, UploadReceived, decode};
use txp_domain::id::UploadId;
use txp_domain::position;
use txp_domain::time::Timestamp;
use txp_domain::trace::TraceParent;
use txp_emulator::{Emulator, Proxy, Request, Turn, config};
use txp_lambda::api::{Aws, Names, answer};
use txp_lambda::runtime::Invocation;
use txp_lambda::validation::event::{Continuation, ValidationEvent};
use txp_lambda::validation::{CallAgain, Validation, frugal};
use txp_pipeline::api::{Client, Terms, UPLOAD_BYTES_MAX};
use txp_pipeline::batch::{EventBatch, UploadContext};
use txp_pipeline::csv::{FileDigest, RecordReader};
use txp_pipeline::port::{Clock, EventSink, PortError, UploadStore as _, Written};
use txp_pipeline::rejects::RejectsWriter;
use txp_pipeline::stage::ingest::{ReadingRules, RowIngest, append_event, ended, ingest};

const CLIENT: &str = "a client";
const KEY: [u8; 32] = [5; 32];
const TRACE: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
const LINK_EXPIRED: &[u8] = b"2026-01-01T00:00:00Z";

/// Events by bucket, in order, repeats left out.
pub(crate) type Events = BTreeMap<u8, Vec<String>>;

#[derive(Default)]
pub(crate) struct Calls(RefCell<VecDeque<Continuation>>);

impl Calls {
    pub(crate) fn take(&self) -> Option<Continuation> {
        self.0.borrow_mut().pop_front()
    }
}

/// A clock that is wrong, by so many nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Skewed(i64);

impl Skewed {
    pub(crate) const fn minutes(minutes: i64) -> Self {
        Self(minutes * 60_000_000_000)
    }
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0)
    }

    async fn sleep(&self, millis: u64) {
        SystemClock.sleep(millis).await;
    }

    fn jitter(&self) -> u64 {
        SystemClock.jitter()
    }
}

/// Holds records up on their way to the stream, but for those of the first call: that the file came.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<(bool, bool)>, Condvar)>);

impl Gate {
    /// Whether records have come to it.
    pub(crate) fn is_reached(&self) -> bool {
        self.0.0.lock().unwrap().0
    }

    pub(crate) fn open(&self) {
        self.0.0.lock().unwrap().1 = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let (state, opened) = &*self.0;
        let mut state = state.lock().unwrap();
        state.0 = true;
        drop(opened.wait_while(state, |(_, is_open)| !*is_open).unwrap());
    }
}

impl CallAgain for Calls {
    async fn call_again(&self, task: &Continuation) -> Result<(), PortError> {
        self.0.borrow_mut().push_back(task.clone());
        Ok(())
    }
}

pub(crate) struct World {
    emulator: Arc<Emulator>,
    table: String,
    function: Validation<Calls>,
    stream: String,
    secret: String,
    is_denied: Arc<AtomicBool>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let world = Self::without_key().await;
        world.put_key().await;
        world
    }

    /// One in which nobody has made the secret yet.
    pub(crate) async fn without_key() -> Self {
        let emulator = Emulator::shared().await;
        let is_denied = Arc::new(AtomicBool::new(false));
        let guard = Proxy::before(emulator.port, denying(&is_denied));
        let files = emulator.versioned_bucket("uploads").await;
        let guarded = s3_client(&config(&guard.endpoint()));
        let stream = emulator.stream(2).await;
        let table = emulator.table(&tables::UPLOADS).await;
        let secret = emulator.name("fingerprint-key");
        let function = Validation {
            files: Bucket::new(guarded, files.name()),
            reports: emulator.bucket("reports").await,
            stream: StreamWriter::new(emulator.kinesis(), &stream),
            settings: frugal(Settings::default()),
            uploads: Uploads::new(Connection::new(emulator.dynamodb()), &*table),
            fingerprint_key: fingerprint_key(&emulator, &secret),
            again: Calls::default(),
            clock: SystemClock,
            upload_bytes_max: UPLOAD_BYTES_MAX,
        };
        Self {
            emulator,
            table,
            function,
            stream,
            secret,
            is_denied,
        }
    }

    /// Makes the secret with the key.
    pub(crate) async fn put_key(&self) {
        let key: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        let create = aws_sdk_secretsmanager::Client::new(&self.emulator.config()).create_secret();
        let create = create.name(&self.secret).secret_string(key);
        create.send().await.unwrap();
    }

    /// Whether nobody may read uploaded files.
    pub(crate) fn deny_objects(&self, is_denied: bool) {
        self.is_denied.store(is_denied, Ordering::Relaxed);
    }

    pub(crate) async fn delete_reports(&self) {
        let reports = &self.function.reports;
        let delete = reports.client().delete_bucket().bucket(reports.name());
        delete.send().await.unwrap();
    }

    pub(crate) async fn delete_report(&self, id: UploadId) {
        let reports = &self.function.reports;
        let delete = reports.client().delete_object().bucket(reports.name());
        delete.key(key::of_rejects(id)).send().await.unwrap();
    }

    /// Another process of the function over the same, with a clock of its own.
    pub(crate) fn another(&self, clock: Skewed) -> Validation<Calls, Skewed> {
        self.by_stream(clock, self.emulator.kinesis())
    }

    /// The same, held up before its records get to the stream.
    pub(crate) fn gated(&self, clock: Skewed) -> (Gate, Validation<Calls, Skewed>) {
        let gate = Gate::default();
        let (before, is_announced) = (gate.clone(), AtomicBool::new(false));
        let proxy = Proxy::before(self.emulator.port, move |request| {
            if request.operation() == "PutRecords" && is_announced.swap(true, Ordering::Relaxed) {
                before.pass();
            }
            Turn::Through
        });
        let kinesis = aws_sdk_kinesis::Client::new(&config(&proxy.endpoint()));
        (gate, self.by_stream(clock, kinesis))
    }

    fn by_stream(
        &self,
        clock: Skewed,
        kinesis: aws_sdk_kinesis::Client,
    ) -> Validation<Calls, Skewed> {
        Validation {
            files: self.function.files.clone(),
            reports: self.function.reports.clone(),
            stream: StreamWriter::new(kinesis, &self.stream),
            settings: self.function.settings,
            uploads: self.function.uploads.clone(),
            fingerprint_key: fingerprint_key(&self.emulator, &self.secret),
            again: Calls::default(),
            clock,
            upload_bytes_max: UPLOAD_BYTES_MAX,
        }
    }

    pub(crate) fn id(&self, number: u8) -> UploadId {
        UploadId::new(1_790_000_000_000, [number; 6])
    }

    /// Gives a link that nobody may use any more.
    pub(crate) async fn announce(&self, number: u8, terms: &Terms) -> UploadId {
        let expired = Timestamp::parse(LINK_EXPIRED).unwrap();
        self.announce_by(number, terms, expired).await
    }

    /// Gives a link that may be used until a clock says that it is now.
    pub(crate) async fn announce_until(&self, number: u8, clock: Skewed) -> UploadId {
        self.announce_by(number, &terms(), clock.now()).await
    }

    async fn announce_by(&self, number: u8, terms: &Terms, expires_at: Timestamp) -> UploadId {
        let upload_id = self.id(number);
        let announcement = Announcement {
            upload_id,
            client_id: CLIENT.to_owned(),
            expires_at,
            terms: serde_json::to_string(terms).unwrap(),
        };
        let written = self.function.uploads.announce(&announcement).await.unwrap();
        assert_eq!(written, Written::Stored);
        upload_id
    }

    /// Puts a file and gives the event that tells of it.
    pub(crate) async fn put(&self, id: UploadId, file: &[u8]) -> ValidationEvent {
        let (files, key) = (&self.function.files, key::of_upload(CLIENT, id));
        let put = files.client().put_object().bucket(files.name()).key(&key);
        let put = put
            .body(ByteStream::from(file.to_vec()))
            .send()
            .await
            .unwrap();
        self.created(&key, put.version_id())
    }

    pub(crate) fn task_of(&self, event: &ValidationEvent) -> Continuation {
        let ValidationEvent::Created(arrivals, 0) = event else {
            panic!("{event:?}")
        };
        arrivals[0].task.clone()
    }

    pub(crate) async fn delete_all(&self, id: UploadId) {
        let (files, key) = (&self.function.files, key::of_upload(CLIENT, id));
        let version = files.first_version(&key).await.unwrap();
        let delete = files.client().delete_object().bucket(files.name()).key(key);
        delete.set_version_id(version).send().await.unwrap();
    }

    /// Has the function do its work in an invocation with so much time.
    pub(crate) async fn take(&mut self, event: ValidationEvent, millis: u64) -> anyhow::Result<()> {
        Self::have(&mut self.function, event, millis).await
    }

    /// Has a process of the function do that.
    pub(crate) async fn have<C: Clock + Clone + 'static>(
        function: &mut Validation<Calls, C>,
        event: ValidationEvent,
        millis: u64,
    ) -> anyhow::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let invocation = Invocation {
            deadline_millis: u64::try_from(now.as_millis()).unwrap() + millis,
            ..Invocation::default()
        };
        function.take(event, &invocation).await
    }

    pub(crate) fn next_call(&self) -> Option<Continuation> {
        self.function.again.take()
    }

    pub(crate) async fn view(&self, id: UploadId) -> UploadView {
        self.function.uploads.load(id).await.unwrap().unwrap()
    }

    pub(crate) async fn claim(&self, id: UploadId, version: &str) -> Claim {
        let now = SystemClock.now();
        let claim = self.function.uploads.claim(id, version, "another", now, 60);
        claim.await.unwrap()
    }

    pub(crate) async fn claim_long_ago(&self, id: UploadId, version: &str) {
        let then = Timestamp::parse(LINK_EXPIRED).unwrap();
        let claim = self
            .function
            .uploads
            .claim(id, version, "another", then, 60);
        assert!(matches!(claim.await.unwrap(), Claim::Claimed(_)));
    }

    /// A reader that dies without a word, a minute after the one before.
    pub(crate) async fn claim_lost(&self, id: UploadId, version: &str, number: i64) {
        let then = Timestamp::parse(LINK_EXPIRED).unwrap();
        let then = Timestamp(then.0 + number * 60_000_000_000);
        let owner = number.to_string();
        let claim = self.function.uploads.claim(id, version, &owner, then, 60);
        assert!(matches!(claim.await.unwrap(), Claim::Claimed(_)));
    }

    /// An item of the table, damaged: a claim that is due, and says nothing else.
    pub(crate) async fn damage(&self, id: UploadId) {
        let put = self.emulator.dynamodb().put_item().table_name(&self.table);
        let text = |text: &str| AttributeValue::S(text.to_owned());
        put.item("upload_id", text(id.as_str()))
            .item("part", text("claim"))
            .item("due", text("lease"))
            .item("due_at", AttributeValue::N("1".to_owned()))
            .send()
            .await
            .unwrap();
    }

    pub(crate) fn limit_bytes(&mut self, bytes_max: u64) {
        self.function.upload_bytes_max = bytes_max;
    }

    /// What its client is told of an upload, once its own events are folded.
    pub(crate) async fn told(&mut self, id: UploadId) -> Value {
        for (_, json) in self.stored().await {
            if let Event::Upload(event) = decode(json.as_bytes()).unwrap().event()
                && event.upload_id() == id
            {
                self.function.uploads.apply(&event, 1).await.unwrap();
            }
        }
        let names = Names {
            clients: self.emulator.table(&tables::CLIENTS).await,
            uploads: self.table.clone(),
            transactions: "none".to_owned(),
            files: self.function.files.name().to_owned(),
            reports: self.function.reports.name().to_owned(),
        };
        let connection = Connection::new(self.emulator.dynamodb());
        let mut api = Aws::new(connection, &self.emulator.s3(), names);
        let client = Client {
            client_id: CLIENT.to_owned(),
            merchants: Merchants::All,
            defaults: Defaults::default(),
            long_number_ids_allowed: false,
        };
        api.clients.put("key", &client, false).await.unwrap();
        let event = json!({
            "httpMethod": "GET", "path": format!("/uploads/{id}"),
            "requestContext": { "identity": { "apiKeyId": "key" } },
        });
        let event = serde_json::from_value(event).unwrap();
        let answer = answer(&mut api, event, &Invocation::default()).await;
        assert_eq!(answer.status_code, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// An operator's tool over the same.
    pub(crate) fn redrives(&self) -> Redrives<SystemClock> {
        let function = &self.function;
        let (files, reports) = (self.function.files.clone(), function.reports.clone());
        Redrives::new(function.uploads.clone(), files, reports, SystemClock)
    }

    /// What tells the function of a file that was put by somebody else.
    pub(crate) async fn arrival(&self, id: UploadId) -> ValidationEvent {
        let key = key::of_upload(CLIENT, id);
        let version = self.function.files.first_version(&key).await.unwrap();
        self.created(&key, version.as_deref())
    }

    fn created(&self, key: &str, version: Option<&str>) -> ValidationEvent {
        let object = json!({"key": key.replace(' ', "+"), "versionId": version});
        serde_json::from_value(json!({"Records": [{
            "eventName": "ObjectCreated:Put", "eventTime": "2026-11-22T10:00:00.000Z",
            "s3": {"bucket": {"name": self.function.files.name()}, "object": object},
        }]}))
        .unwrap()
    }

    pub(crate) async fn report(&self, id: UploadId) -> Option<Vec<u8>> {
        let (reports, key) = (&self.function.reports, key::of_rejects(id));
        reports.get(&key, 1 << 30).await.unwrap()
    }

    /// What the history is told when a file has come.
    pub(crate) async fn received(
        &self,
        id: UploadId,
        terms: &Terms,
        file: &[u8],
    ) -> UploadReceived {
        let key = key::of_upload(CLIENT, id);
        let version = self
            .function
            .files
            .first_version(&key)
            .await
            .unwrap()
            .unwrap();
        let head = self.function.files.head(&key, &version).await.unwrap();
        terms.received(id, head.put_at, file.len() as u64)
    }

    async fn stored(&self) -> Vec<(u8, String)> {
        let events = self.emulator.events(&self.stream).await;
        let json = |bytes| String::from_utf8(bytes).unwrap();
        let events = events.into_iter();
        events
            .map(|(bucket, bytes)| (bucket, json(bytes)))
            .collect()
    }

    pub(crate) async fn events(&self) -> Events {
        let mut events = Events::new();
        for (bucket, json) in self.stored().await {
            let of_bucket = events.entry(bucket).or_default();
            if !of_bucket.contains(&json) {
                of_bucket.push(json);
            }
        }
        events
    }

    /// How many events there are of an upload, repeats counted.
    pub(crate) async fn records_of(&self, id: UploadId) -> usize {
        let start = format!("\"id\":\"{id}:");
        let stored = self.stored().await;
        stored
            .iter()
            .filter(|(_, json)| json.contains(&start))
            .count()
    }

    /// The event by which an upload ended.
    pub(crate) async fn ending(&self, id: UploadId) -> Value {
        let stored = self.stored().await.into_iter();
        let mut events = stored.map(|(_, json)| serde_json::from_str::<Value>(&json).unwrap());
        let ids = [format!("{id}:parsed"), format!("{id}:failed")];
        let ending = events.find(|event| ids.iter().any(|id| event["id"] == **id));
        ending.expect("it has ended")
    }
}

fn fingerprint_key(emulator: &Emulator, secret: &str) -> SecretKey<Fingerprinter> {
    let client = aws_sdk_secretsmanager::Client::new(&emulator.config());
    SecretKey::of_fingerprints(client, secret.to_owned())
}

/// Refuses to show an uploaded file, as a policy does that was set wrong.
fn denying(is_denied: &Arc<AtomicBool>) -> impl Fn(&mut Request) -> Turn + use<> {
    let is_denied = Arc::clone(is_denied);
    move |request| {
        let is_of_a_file = request.line.contains("/uploads/") && !request.line.starts_with("PUT");
        if is_of_a_file && is_denied.load(Ordering::Relaxed) {
            let body = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
            return Turn::Instead(403, body.to_owned());
        }
        Turn::Through
    }
}

/// What a client asks for who asks for nothing.
pub(crate) fn terms() -> Terms {
    Terms {
        trace: TraceParent::parse(TRACE),
        ..Terms::plain(CLIENT, Merchants::All)
    }
}

#[derive(Default)]
struct Gathered(Events);

impl EventSink for Gathered {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        for entry in batch.entries() {
            let json = String::from_utf8(batch.json(entry).to_vec()).unwrap();
            let position::Bucket(bucket) = entry.bucket;
            self.0.entry(bucket).or_default().push(json);
        }
        batch.clear();
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

/// What the stage gives that the embedded host runs: events and report of a file that is read in
/// one go.
pub(crate) fn direct(file: &[u8], received: &UploadReceived) -> (Events, Vec<u8>) {
    let rules = ReadingRules::of(received).unwrap();
    let fingerprinter = Fingerprinter::new(KEY);
    let context = UploadContext {
        upload_id: received.upload_id,
        uploaded_at: received.uploaded_at,
        key_id: fingerprinter.key_id().as_str().into(),
    };
    let reader = RecordReader::open(file, &rules.aliases, Some(FileDigest::new())).unwrap();
    let mut rows = RowIngest::new(Arc::new(context), rules.rows, fingerprinter);
    let mut report = RejectsWriter::new(Vec::new(), reader.header()).unwrap();
    let mut sink = Gathered::default();
    at_once(append_event(
        &mut sink,
        UploadEvent::Received(received.clone()),
    ))
    .unwrap();
    let mut progress = |_: u64, _: u64| true;
    let reading = ingest(
        reader,
        &mut rows,
        &mut sink,
        &mut report,
        None,
        &mut progress,
    );
    let ending = at_once(reading).unwrap();
    at_once(append_event(&mut sink, ended(received, ending))).unwrap();
    (sink.0, report.finish().unwrap())
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("nothing here waits"),
    }
}
