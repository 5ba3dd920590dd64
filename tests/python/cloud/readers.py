"""The command line as an analyst on AWS uses it: the history from the stream and from the archive,
a transaction from the table; and as whoever is on call uses it: what can be read by now of what lies in
quarantine, alerts that are suppressed. What it reads must be what is there."""

import json
import os
import subprocess
from contextlib import contextmanager

from . import observe
from .emulator import ROOT


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
    redrive(report, stage, stack, next(iter(archived.values())))
    suppressed(report, stage, stack)


def redrive(report, stage, stack, event):
    """An event that a newer txp than the functions reads, and one that is nowhere, in quarantine."""
    place, nowhere = event["position"], {"bucket": 1, "sequence": "1", "subsequence": 0}
    suffix = stack.bucket("reports").removeprefix(f"transaction-reports-{stack.env}").removeprefix("-")
    deployment = ("--env", stack.env, *(("--bucket-suffix", suffix) if suffix else ()))

    def told(step, *more):
        return json.loads(ask(stage, stack, "redrive", "quarantine", step, *deployment, *more, "--json"))

    with quarantined(stack, place), quarantined(stack, nowhere):
        listed = told("list")["events"]
        places = [event["position"] for event in listed]
        report.check("what lies in quarantine is listed", place in places and nowhere in places, places)
        report.equal("a list looks into nothing", {event["state"] for event in listed}, {"quarantined"})
        previewed = told("preview", "--source", f"s3://{stack.bucket('archive')}/")
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


def ask(stage, stack, *arguments):
    return ended(stage, stack, *arguments, codes=(0,))[1]


def ended(stage, stack, *arguments, codes):
    """How a command ended, and what it printed."""
    key, secret = ROOT
    environment = os.environ | {
        "AWS_ENDPOINT_URL": stage.emulator.url,
        "AWS_REGION": stack.region,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
    }
    done = subprocess.run([stage.aws_txp, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        raise RuntimeError(f"txp {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.returncode, done.stdout
