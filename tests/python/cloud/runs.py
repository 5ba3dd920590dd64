"""One run of the whole: files through the API, streams driven, the result held to the embedded host."""

import json
import time
from collections import Counter

from . import compare, files, leaks, observe
from . import embedded as embedded_host
from .mapping import poller
from .merchant import Merchant
from .processes import wait_until

# How long to wait before something is thought to hang, beside other work; nothing is promised by it.
COMPLETED_LIMIT_SECONDS = 900
SETTLED_LIMIT_SECONDS = 900
# Whole documents are asked over the API for everything unusual and for so many of the rest.
ORDINARY_DOCUMENTS = 40
UNUSUAL_DOCUMENTS_MAX = 150
# A tick that takes a window and fails leaves it to the next.
TICKS = 2
COUNTS = ("rows", "accepted", "rejected", "duplicates", "conflicts", "rejected_by_code")


class Run:
    """A stack, its pollers, and what was sent through it."""

    def __init__(self, report, stack, host, name, mischief=None):
        self.report, self.stack, self.host, self.name = report, stack, host, name
        self.merchant = Merchant(stack)
        self.mischief = mischief
        self.pollers = poller.start_all(stack, mischief)
        self.sent, self.expected, self.planted, self.messages = [], [], set(), []

    def end(self):
        for driven in self.pollers.values():
            driven.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def send(self, name, data):
        """Through the cloud until it is completed and judged; the same bytes through the embedded host."""
        self.planted |= leaks.card_numbers(data.decode(errors="replace"))
        path = self.host.work / name
        path.write_bytes(data)
        self.expected.append(self.host.process(path))
        start = time.monotonic()
        upload_id = self.merchant.send(data, filename=name)
        put = time.monotonic() - start
        document, seen = self.merchant.follow(upload_id, COMPLETED_LIMIT_SECONDS)
        self.settle()
        judged = time.monotonic() - start
        self.sent.append(upload_id)
        words = ", ".join(f"{state} {seconds:.1f}" for state, seconds in seen.items())
        print(
            f"   {self.name}: {name}: link and PUT {put:.1f} s; after it, seconds to {words}; all judged and archived {judged:.1f}",
            flush=True,
        )
        self.report.equal(f"{self.name}: {name} is completed", document["state"], self.expected[-1]["state"])
        counts = {**document, **(document["counts"] or {})}
        for key in COUNTS:
            self.report.equal(f"{self.name}: {key} of {name}", counts.get(key), self.expected[-1][key])
        return document, seen

    def settle(self):
        """Until every poller has delivered everything there is; windows that are open are cut short."""
        for driven in self.pollers.values():
            driven.hurry = True
        quiet = Quiet(self.pollers)
        wait_until(quiet.holds, SETTLED_LIMIT_SECONDS, "quiet streams")
        for driven in self.pollers.values():
            driven.hurry = False


class Quiet:
    """All idle at two looks with no call between: what one function writes, another reads."""

    def __init__(self, pollers):
        self._pollers, self._calls, self._since = pollers, None, 0.0

    def holds(self):
        calls = sum(driven.counts.calls for driven in self._pollers.values())
        if not all(driven.is_idle() for driven in self._pollers.values()) or calls != self._calls:
            self._calls, self._since = calls, time.monotonic()
            return False
        # Longer than a look into every shard takes.
        return time.monotonic() - self._since > 10 * poller.POLL_SECONDS


def hold_to_embedded(run, ordered_free, exact):
    """`ordered_free`: the files (by number) whose findings no order changes. `exact`: nothing went
    wrong on the way, so each event was appended once and each alert sent once."""
    report, name = run.report, run.name
    theirs = compare.Uploads([expected["upload_id"] for expected in run.expected])
    ours = compare.Uploads(run.sent)
    events = run.host.events()
    archived = archive(run)

    # Events.
    expected = compare.row_events(events, theirs)
    report.same(f"{name}: row events in the archive", compare.row_events(archived, ours), expected)
    report.same(f"{name}: sums per currency in the archive", compare.sums(archived), compare.sums(events))
    if exact:
        twice = [key for key, count in Counter(event["id"] for event in archived).items() if count > 1]
        report.equal(f"{name}: events that were appended twice", twice, [])

    # Findings.
    unordered = compare.findings(archived, ours, with_ordered=False)
    report.same(f"{name}: findings but for {sorted(compare.ORDERED_RULES)}", unordered, compare.findings(events, theirs, False))
    of_files = [f"upload-{number}:" for number in ordered_free]

    def where_order_is_nothing(found):
        return {key: rules for key, rules in found.items() if key[0].startswith(tuple(of_files))}

    all_ours, all_theirs = (compare.findings(found, ids, True) for found, ids in ((archived, ours), (events, theirs)))
    report.same(
        f"{name}: all findings where order is nothing", where_order_is_nothing(all_ours), where_order_is_nothing(all_theirs)
    )
    differ = sum(all_ours.get(key) != all_theirs.get(key) for key in {*all_ours, *all_theirs})
    print(f"   {name}: {len(all_theirs)} findings embedded, {len(all_ours)} here; {differ} differ by order", flush=True)

    _transactions(run, events, ours, theirs)
    _alerts(run, ours, theirs, of_files, exact)
    _leaks(run)
    for function, driven in run.pollers.items():
        print(f"   {name}: {function}: {driven.counts}", flush=True)
        report.equal(f"{name}: records that {function} gave up", len(driven.counts.given_up), 0)
        if exact:
            report.equal(f"{name}: failed calls of {function}", driven.counts.errors[:3], [])


def archive(run):
    """Every event of the archive once per position; repeats are the same line."""
    by_position, differing = {}, []
    objects = 0
    for _key, lines in observe.archived(run.stack):
        objects += 1
        for line in lines:
            position = (line["position"]["bucket"], line["position"]["sequence"], line["position"]["subsequence"])
            if by_position.setdefault(position, line) != line:
                differing.append(position)
    run.report.equal(f"{run.name}: positions archived with two contents", differing, [])
    run.report.check(f"{run.name}: lines without a time of arrival", all("arrival" in line for line in by_position.values()))
    print(f"   {run.name}: {objects} archive objects, {len(by_position)} events", flush=True)
    return list(by_position.values())


def _transactions(run, events, ours, theirs):
    report, name = run.report, run.name
    items = {(item["transaction_id"], item["merchant_id"]): item for item in observe.items(run.stack, "transactions")}
    keys = embedded_host.keys_of(events)
    with run.host.served() as documents_of:
        documents = documents_of(keys | set(items))
    facts = {key: compare.of_item(item, ours, rules_of_flag, False) for key, item in items.items()}
    expected = {key: compare.of_document(document, theirs, False) for key, document in documents.items()}
    report.same(f"{name}: transactions in the table", facts, expected)

    # Whole documents, over the API.
    def is_ordered(key):
        found = {flag["rule"] for flag in documents[key]["flags"]} | {
            rule for flag in items.get(key, {}).get("flags", []) for rule in rules_of_flag(flag)
        }
        return bool(found & compare.ORDERED_RULES)

    comparable = sorted(key for key in documents if not is_ordered(key))
    unusual = [key for key in comparable if _is_unusual(documents[key])][:UNUSUAL_DOCUMENTS_MAX]
    rest = [key for key in comparable if not _is_unusual(documents[key])]
    chosen = unusual + rest[:: max(1, len(rest) // ORDINARY_DOCUMENTS)]
    got = {}
    for transaction_id, merchant_id in chosen:
        answer = run.merchant.ask_again("GET", f"/status/{transaction_id}?merchant_id={merchant_id}")
        key = (transaction_id, merchant_id)
        got[key] = compare.whole_document(answer.json(), ours) if answer.status == 200 else answer.status
    wanted = {key: compare.whole_document(documents[key], theirs) for key in chosen}
    report.same(f"{name}: documents of GET /status", got, wanted)


def _is_unusual(document):
    return bool(
        document["status"] != "validated"
        or document["conflicts"]
        or document["rejection"]
        or document["type"] != "sale"
        or len(document["history"]) > 1
    )


def rules_of_flag(flag):
    """The rules of a flag as the table keeps it: the finding is the event's data as text."""
    return [hit["rule"] for hit in json.loads(flag["finding"])["hits"]]


def _alerts(run, ours, theirs, of_files, exact):
    """The alerts of the files whose findings no order changes; the others' are too old to be sent.

    Of a storm one is sent, whichever is judged first, and the rest is told by a digest."""
    report, name = run.report, run.name

    def recent(event_id):
        return event_id.startswith(tuple(of_files))

    def is_storm(alert):
        return alert["merchant_id"] == files.STORM_MERCHANT

    items = [item for item in observe.items(run.stack, "alerts") if "transaction_id" in item]
    recorded = {ours.event(item["alert_id"]) for item in items}
    expected = {theirs.event(alert["id"]): alert for alert in run.host.alerts()}
    report.same(f"{name}: alerts recorded", {key for key in recorded if recent(key)}, {key for key in expected if recent(key)})
    digests(run)
    messages = observe.drain_queue(run.stack)
    run.messages += messages
    told = [told_by(message) for message in messages]
    for message in messages:
        report.check(
            f"{name}: an alert begins with words", not message["Message"].lstrip().startswith("{"), message["Message"][:50]
        )
        attributes = set(message.get("MessageAttributes", {}))
        report.check(f"{name}: an alert can be filtered", attributes >= {"severity", "rule", "merchant_id"}, attributes)
    singles = Counter(ours.event(document["id"]) for document in told if "count" not in document)
    storm = {key for key, alert in expected.items() if is_storm(alert)}
    alone = {key for key, alert in expected.items() if recent(key) and key not in storm and alert["delivery"] == "sent"}
    print(
        f"   {name}: {len(messages)} messages; embedded: {dict(Counter(alert['delivery'] for alert in expected.values()))}",
        flush=True,
    )
    report.same(f"{name}: alerts sent by themselves", {key for key in singles if key not in storm}, alone)
    # A digest that comes twice has the same id.
    gathered = {document["id"]: document["count"] for document in told if "count" in document}
    in_digests = sum(gathered.values())
    if exact:
        report.equal(f"{name}: alerts sent twice", {key: count for key, count in singles.items() if count > 1}, {})
        report.equal(f"{name}: of the storm by itself", len([key for key in singles if key in storm]), 1)
        report.equal(f"{name}: of the storm in digests", in_digests, len(storm) - 1)
    else:
        # A crash between sending and marking tells one twice: by itself and in a digest.
        by_itself = len([key for key in singles if key in storm])
        report.check(f"{name}: the whole storm is told", by_itself + in_digests >= len(storm), (by_itself, in_digests))


def told_by(message):
    """The document behind an alert's words."""
    _words, _, document = message["Message"].rpartition("\n\n")
    return json.loads(document)


def digests(run):
    """Moves the ends of cooldowns to now, as if their time had passed, and lets the minute's tick come."""
    dynamodb, table = run.stack.client("dynamodb"), run.stack.table("alerts")
    now = str(int(time.time() * 1000) - 1000)
    for item in observe.items(run.stack, "alerts"):
        if "ends_at" in item and "waiting_since" in item:
            dynamodb.update_item(
                TableName=table,
                Key={"alert_id": {"S": item["alert_id"]}},
                UpdateExpression="SET ends_at = :now, waiting_since = :now",
                ExpressionAttributeValues={":now": {"N": now}},
            )
    for _ in range(TICKS):
        error, body = tick(run.stack, "anomaly")
        run.report.check(f"{run.name}: a tick of anomaly", error is None or run.mischief, body)


def tick(stack, function):
    """The schedule's event, as EventBridge sends it; what the function failed with, and its answer."""
    event = {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": stack.account,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": stack.region,
        "resources": stack.schedules(function),
        "detail": {},
    }
    answer = stack.client("lambda").invoke(FunctionName=stack.function(function), Payload=json.dumps(event).encode())
    return answer.get("FunctionError"), answer["Payload"].read().decode(errors="replace")


def _leaks(run):
    found = {}
    for where, text in observe.everything(run.stack):
        if leaked := leaks.found_in(text, run.planted):
            found[where] = sorted(leaked)[:3]
    for number, message in enumerate(run.messages):
        if leaked := leaks.found_in(json.dumps(message), run.planted):
            found[f"message {number}"] = sorted(leaked)[:3]
    run.report.equal(f"{run.name}: card numbers in what was written ({len(run.planted)} planted)", found, {})
