"""The command line as an analyst on AWS uses it: the history from the stream and from the archive,
a transaction from the table; and as whoever is on call uses it: alerts that are suppressed. What it
reads must be what is there."""

import json
import os
import subprocess

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
    suppressed(report, stage, stack)


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
