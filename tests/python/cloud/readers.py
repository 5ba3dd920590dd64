"""The command line as an analyst on AWS uses it: the history from the stream and from the archive,
a transaction from the table; and as whoever is on call uses it: alerts that are suppressed, and what
`doctor` says of the deployment. What it reads must be what is there."""

import json
import os
import subprocess
import time
from contextlib import ExitStack, contextmanager

from . import observe
from .emulator import ROOT
from .stack import FUNCTIONS


def run(report, stage, stack):
    archived = {event["id"]: event for _key, lines in observe.archived(stack) for event in lines}
    for source in (f"kinesis:{stack.stream}", f"s3://{stack.bucket('archive')}/"):
        events = [json.loads(line) for line in ask(stage, stack, "events", "--source", source).splitlines()]
        report.same(f"events of {source}", {event["id"] for event in events}, set(archived))
        differing = [event["id"] for event in events if event["data"] != archived.get(event["id"], event)["data"]]
        report.equal(f"events of {source} that differ from the archive", differing, [])
    # Only accepted rows: a rejected one may have no usable id.
    one = next(event["data"] for event in archived.values() if event["type"] == "transaction.accepted")
    table = f"dynamodb:{stack.table('transactions')}"
    asked = ("status", one["transaction_id"], "--merchant", one["merchant_id"], "--source", table, "--json")
    document = json.loads(ask(stage, stack, *asked))
    report.equal("a transaction of the table", document["transaction_id"], one["transaction_id"])
    report.equal("its amount", document["amount"], one["amount"])
    suppressed(report, stage, stack)
    redrive(report, stage, stack, next(iter(archived.values())))
    doctor(report, stage, stack)
    doctor_of_something_wrong(report, stage, stack)


def deployment(stack):
    """How a deployment is named on the command line."""
    suffix = stack.bucket("reports").removeprefix(f"transaction-reports-{stack.env}").removeprefix("-")
    return ("--env", stack.env, *(("--bucket-suffix", suffix) if suffix else ()))


def examined(stage, stack):
    """What doctor says, and its problems."""
    told = json.loads(ask(stage, stack, "doctor", *deployment(stack), "--json", codes=(0, 1)))
    # What feeds the functions is the test's driver, so the emulator's own mappings may be off: a problem.
    return told, [problem for problem in told["problems"] if not problem.startswith("what feeds ")]


def doctor(report, stage, stack):
    """All is done and nothing waits."""
    asked = ("doctor", *deployment(stack))
    told, problems = examined(stage, stack)
    report.equal("problems that doctor tells", problems, [])
    report.equal("doctor's environment", told["environment"], stack.env)
    report.equal("doctor's stream", (told["stream"]["name"], told["stream"]["status"]), (stack.stream, "ACTIVE"))
    for waiting in ("unfinished_uploads", "quarantined", "alerts_pending", "webhooks_waiting"):
        report.equal(f"doctor's {waiting}", told[waiting], 0)
    functions = {version["function"] for version in told["versions"] if version["code_sha256"]}
    report.same("functions whose code doctor names", functions, {stack.function(name) for name in FUNCTIONS})
    page = ask(stage, stack, *asked, codes=(0, 1))
    report.equal("doctor's page begins with", page.splitlines()[0], f"the deployment {stack.env}")


def doctor_of_something_wrong(report, stage, stack):
    """A reader that died and was not followed, an alert that was not handed on, an event in quarantine and
    an endpoint that takes nothing, as each leaves them: all are named, and none of them once it is over."""
    long_ago = int(time.time() - 7200) * 1000
    upload_id = next(item["upload_id"] for item in observe.items(stack, "uploads") if item["part"] == "claim")
    alert_id = next(item["alert_id"] for item in observe.items(stack, "alerts") if "#" not in item["alert_id"])
    upload, claim = ({"upload_id": upload_id, "part": part} for part in ("upload", "claim"))
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(long_ago / 1000))
    message = {"topic": "alerts", "at": at, "body": "{}", "waiting": "webhook#0", "waiting_since": long_ago}
    with ExitStack() as faults:
        unfinished = {"state": "processing", "due": "unfinished", "due_at": long_ago}
        for key, fields, gone in ((upload, unfinished, ()), (claim, {"lease_until": long_ago}, ("done",))):
            faults.enter_context(changed(stack, "uploads", key, fields, gone))
        waiting = {"waiting": "send#0", "waiting_since": long_ago}
        faults.enter_context(changed(stack, "alerts", {"alert_id": alert_id}, waiting))
        faults.enter_context(changed(stack, "alerts", {"alert_id": "webhook#late"}, message))
        faults.enter_context(quarantined(stack, {"bucket": 1, "sequence": "1", "subsequence": 0}))
        told, problems = examined(stage, stack)
        report.equal("problems that doctor tells of four faults", len(problems), 4)
        for words in (
            f"upload {upload_id} is processing since",
            "its reader is gone, and the sweeper has not taken it up",
            "1 alerts were not handed on for 5 min",
            "1 events are in quarantine",
            "1 messages wait for endpoints of webhooks, the oldest for 7",
        ):
            report.check(f"doctor says: {words}", any(words in problem for problem in problems), problems)
        for words in ("sweeper-schedule-", "quarantine", "/aws/lambda/anomaly-lambda-"):
            report.check(f"doctor says what next: {words}", any(words in line for line in told["next"]), told["next"])
        numbers = ("unfinished_uploads", "quarantined", "alerts_pending", "webhooks_waiting")
        report.equal("doctor's numbers", [told[number] for number in numbers], [1, 1, 1, 1])
    report.equal("problems that doctor tells once all is over", examined(stage, stack)[1], [])


def redrive(report, stage, stack, event):
    """An event that a newer txp than the functions reads, and one that is nowhere, in quarantine."""
    place, nowhere = event["position"], {"bucket": 1, "sequence": "1", "subsequence": 0}
    source = f"s3://{stack.bucket('archive')}/"

    def told(step, *more):
        asked = ("redrive", "quarantine", step, *deployment(stack), *more, "--json")
        return json.loads(ask(stage, stack, *asked))

    with quarantined(stack, place), quarantined(stack, nowhere):
        listed = told("list")["events"]
        places = [event["position"] for event in listed]
        report.check("what lies in quarantine is listed", place in places and nowhere in places, places)
        report.equal("a list looks into nothing", {event["state"] for event in listed}, {"quarantined"})
        previewed = told("preview", "--source", source)
        found = {event["position"]["sequence"]: event for event in previewed["events"]}
        report.equal("what can be read now", found[place["sequence"]]["state"], "readable")
        report.equal("its id", found[place["sequence"]]["id"], event["id"])
        report.equal("what the history does not have", found["1"]["state"], "missing")
        report.equal("what is left off", told("list", "--max", "1")["left_off"], 1)
    report.equal("nothing in quarantine", told("list")["events"], [])


@contextmanager
def quarantined(stack, place):
    """An object of the quarantine, as the aggregator writes it."""
    s3, bucket = stack.client("s3"), stack.bucket("reports")
    name = f"{place['bucket']:02x}/{place['sequence']}-{place['subsequence']}.json"
    key = f"quarantine/aggregate/{name}"
    document = {"stage": "aggregate", "position": place, "reason": "a newer txp may know it", "events": 1}
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(document))
    try:
        yield
    finally:
        s3.delete_object(Bucket=bucket, Key=key)


@contextmanager
def changed(stack, base, key, fields, gone=()):
    """An item with other fields, for a while; one that was not there is gone after."""
    table = stack.client("dynamodb")
    name, key = stack.table(base), {field: {"S": value} for field, value in key.items()}
    before = table.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item")
    item = {field: value for field, value in (before or key).items() if field not in gone}
    item |= {field: {"N": str(value)} if isinstance(value, int) else {"S": value} for field, value in fields.items()}
    table.put_item(TableName=name, Item=item)
    try:
        yield
    finally:
        if before:
            table.put_item(TableName=name, Item=before)
        else:
            table.delete_item(TableName=name, Key=key)


def suppressed(report, stage, stack):
    """Of one merchant nobody is told, until that is taken back."""
    environment = ("--env", stack.env)
    why = ("--until", "2099-01-01T00:00:00Z", "--by", "on call", "--reason", "known")
    ask(stage, stack, "alerts", "suppress", *environment, "--merchant", "m-1", *why)

    def active():
        listed = json.loads(ask(stage, stack, "alerts", "suppress", "list", *environment, "--json"))
        return [one["merchant_id"] for one in listed["suppressions"] if one["active"]]

    report.equal("suppressed merchants", active(), ["m-1"])
    ask(stage, stack, "alerts", "suppress", "remove", *environment, "--merchant", "m-1")
    report.equal("suppressed merchants after that is taken back", active(), [])


def ask(stage, stack, *arguments, codes=(0,)):
    key, secret = ROOT
    environment = os.environ | {
        "AWS_ENDPOINT_URL": stage.emulator.url,
        "AWS_REGION": stack.region,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
    }
    ended = subprocess.run([stage.aws_txp, *arguments], env=environment, capture_output=True, text=True, check=False)
    if ended.returncode not in codes:
        raise RuntimeError(f"txp {' '.join(arguments)} ended with {ended.returncode}: {ended.stderr.strip()}")
    return ended.stdout
