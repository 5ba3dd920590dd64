"""A replay of the archive into the table in use and into one beside it, and what it does not do: alert.

The functions run all the while: their mapping of the table's stream takes only what a live writer wrote.
"""

import json
import os
import subprocess

from . import observe
from .emulator import ROOT

# What nobody may do to a table; the replay is to find and mend it.
EDITED_AMOUNT = "777"


class Command:
    """The command line, pointed at the emulator."""

    def __init__(self, txp, stack, work):
        self._txp, self._work = str(txp), work
        key, secret = ROOT
        self._environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": stack.emulator.url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": stack.region,
            "HOME": str(work),
        }

    def __call__(self, *arguments):
        command = [self._txp, *map(str, arguments), "--json"]
        ended = subprocess.run(
            command, env=self._environment, cwd=self._work, capture_output=True, text=True, check=False
        )
        return ended.returncode, json.loads(ended.stdout) if ended.stdout else {"error": ended.stderr}


def run(report, run, txp, work):
    """On a stack that has folded files and is at rest."""
    stack, name = run.stack, run.name
    work.mkdir()
    command = Command(txp, stack, work)
    source = f"s3://{stack.bucket('archive')}/"
    live = stack.table("transactions")
    beside = f"{live}-2"
    whole = len(observe.items(stack, "transactions"))

    code, verified = command("verify", "--source", source, "--against", f"dynamodb:{live}", "--grace", 0)
    report.equal(f"{name}: what the functions folded is what the archive says", (code, verified.get("drift")), (0, 0))
    report.equal(f"{name}: transactions verified", verified.get("transactions"), whole)
    stream = f"kinesis:{stack.stream}"
    code, same = command("verify", "--source", source, "--against", stream)
    report.equal(f"{name}: the stream is what the archive says", (code, same.get("drift")), (0, 0))
    report.check(f"{name}: events of both were compared", same.get("events", 0) > whole, same)

    # Whose events nobody can count without reading all of them.
    for unknown, why in ((source, "objects are not fetched for a plan"), (stream, "a stream says how many events it holds")):
        code, plan = command("replay", "--source", unknown, "--into", "local:planned", "--plan")
        report.equal(f"{name}: events of a plan over {unknown}", (code, plan.get("events", "no plan")), (0, None))
        report.check(f"{name}: why it does not say", plan.get("events_from", "").startswith(why), plan)

    # A new table.
    code, made = command("replay", "--source", source, "--into", f"dynamodb:{beside}", "--work-dir", work / "beside")
    report.equal(f"{name}: items of the new table", (code, made.get("items", {}).get("new")), (0, whole))
    code, verified = command("verify", "--source", source, "--against", f"dynamodb:{beside}", "--grace", 0)
    report.equal(f"{name}: drift of the new table", (code, verified.get("drift")), (0, 0))
    code, again = command("replay", "--source", source, "--into", f"dynamodb:{beside}", "--work-dir", work / "beside")
    report.equal(f"{name}: events folded again", (code, again.get("events")), (0, 0))

    # The one in use: only if it is meant, and what differs is mended.
    into = ("replay", "--source", source, "--into", f"dynamodb:{live}", "--work-dir", work / "live")
    report.equal(f"{name}: a table in use is refused", command(*into)[0], 2)
    alerts, told, calls = edited(run, live)
    code, mended = command(*into, "--overwrite-live")
    report.equal(f"{name}: items mended", (code, mended.get("items", {}).get("mended")), (0, 1))
    run.settle()
    report.equal(f"{name}: alerts recorded by a replay", len(observe.items(stack, "alerts")) - alerts, 0)
    report.equal(f"{name}: alerts sent by a replay", len(observe.drain_queue(stack)) - told, 0)
    judged = run.pollers["anomaly"].counts.records - calls
    report.equal(f"{name}: records of a replay that reached the anomaly function", judged, 0)
    code, verified = command("verify", "--source", source, "--against", f"dynamodb:{live}", "--grace", 0)
    report.equal(f"{name}: drift after it", (code, verified.get("drift")), (0, 0))


def edited(run, table):
    """Changes an item behind everyone's back; what was counted before."""
    dynamodb = run.stack.client("dynamodb")
    run.settle()
    observe.drain_queue(run.stack)
    before = len(observe.items(run.stack, "alerts")), 0, run.pollers["anomaly"].counts.records
    item = next(one for one in observe.items(run.stack, "transactions") if one.get("amount") and not one.get("flags"))
    dynamodb.update_item(
        TableName=table,
        Key={key: {"S": item[key]} for key in ("transaction_id", "merchant_id")},
        UpdateExpression="SET writer = :writer, amount = :amount",
        ExpressionAttributeValues={":writer": {"S": "replay:nobody"}, ":amount": {"N": EDITED_AMOUNT}},
    )
    return before
