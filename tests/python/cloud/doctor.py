"""`txp doctor --env` as whoever is on call uses it: when all is well, and when something is wrong. The
faults are real ones, but that what is old was made old by setting its time in a table.

Every command that it prints is run as it stands, by the AWS command line, and must show what it is for.
"""

import json
import re
import subprocess
import time
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path

import tests.harness

from . import files, metrics, observe, runs, webhooks
from .emulator import ROOT
from .processes import bare_environment, wait_until
from .readers import ended
from .stack import FUNCTIONS

# How old things are made: past the promise to merchants, and past what makes a webhook late.
LATE_SECONDS, WEBHOOK_LATE_SECONDS = 600, 7200
LIMIT_SECONDS = 300
COMMANDS = Path(tests.harness.__file__).with_name("commands.py")
COMMANDS_SECONDS_MAX = 120
# Of an event that nobody waits for, on Lambda as on the emulator.
TRIES = 3
STATUSES = (webhooks.BROKEN, webhooks.GONE, webhooks.TAKEN)
# Of a log's lines that are JSON: a field that has this value.
PATTERN = re.compile(r"\{ \$\.(\w+) = \"([^\"]+)\" \}")
# Only the test's driver feeds the functions, so that the emulator's own mappings are off: a problem.
FEEDS = "what feeds "
WAITING = {"unfinished_uploads": 0, "quarantined": 0, "alerts_pending": 0, "webhooks_waiting": 0}


class Doctor:
    """What it says of a stack, and what its commands show."""

    def __init__(self, report, stage, stack):
        self.report, self.stage, self.stack = report, stage, stack
        suffix = stack.bucket("reports").removeprefix(f"transaction-reports-{stack.env}").removeprefix("-")
        self._asked = ("doctor", "--env", stack.env, *(("--bucket-suffix", suffix) if suffix else ()))

    def look(self):
        """Its report; the exit code is 0 if nothing needs care, else 1."""
        code, out = ended(self.stage, self.stack, *self._asked, "--json", codes=(0, 1))
        told = json.loads(out)
        self.report.equal("doctor's exit code", code, 1 if told["problems"] else 0)
        self.report.equal("doctor's `sound`", told["sound"], not told["problems"])
        return told

    def page(self):
        return ended(self.stage, self.stack, *self._asked, codes=(0, 1))[1]

    def well(self):
        """Nothing is wrong but that nobody feeds the functions."""
        told = self.look()
        self.report.equal("problems that doctor tells", [one for one in told["problems"] if not one.startswith(FEEDS)], [])
        self.report.equal("what waits, as doctor says", {name: told[name] for name in WAITING}, WAITING)
        return told

    def shown(self, lines):
        """What commands print, by command; each must succeed."""
        key, secret = ROOT
        environment = bare_environment(
            HOME=self.stage.work,
            AWS_ENDPOINT_URL=self.stage.emulator.url,
            AWS_ACCESS_KEY_ID=key,
            AWS_SECRET_ACCESS_KEY=secret,
            AWS_DEFAULT_REGION=self.stack.region,
            AWS_PAGER="",
        )
        done = subprocess.run(
            [self.stage.aws_python, COMMANDS],
            input=json.dumps(lines),
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMANDS_SECONDS_MAX,
            check=True,
        )
        shown = {}
        for line, (code, out, err) in zip(lines, json.loads(done.stdout), strict=True):
            self.report.equal(f"the exit code of {line}", (code, err.strip()), (0, ""))
            shown[line] = out
        return shown


def all_is_well(report, stage, stack):
    """A deployment that has done its work."""
    doctor = Doctor(report, stage, stack)
    told = doctor.well()
    report.equal("doctor's environment", told["environment"], stack.env)
    report.equal("doctor's stream", (told["stream"]["name"], told["stream"]["status"]), (stack.stream, "ACTIVE"))
    functions = {version["function"] for version in told["versions"] if version["code_sha256"]}
    report.same("functions whose code doctor names", functions, {stack.function(name) for name in FUNCTIONS})
    report.equal("doctor's page begins with", doctor.page().splitlines()[0], f"the deployment {stack.env}")


def run(report, stage, driven, receiver):
    """On a stack with records in quarantine, nothing else left to do, and rules that are only tried."""
    stack = driven.stack
    doctor = Doctor(report, stage, stack)
    wrong = break_it(driven, receiver)
    told = doctor.look()
    report.equal("doctor's exit code with faults", told["sound"], False)
    named(report, stack, told, wrong)
    helpful(report, doctor, told, wrong)
    # The age of what waits is measured once a minute.
    runs.tick(stack, "anomaly")
    mend_it(report, doctor, driven, receiver, wrong)
    told = doctor.well()
    measured(report, stack, receiver.answers)
    driven.end()
    fed(report, doctor, told, wrong)


def fed(report, doctor, told, wrong):
    """Last, what it says of the mappings. Those of the emulator begin at the stream's beginning, where
    the records are that make no sense."""
    stack = doctor.stack
    enabling = [line for line in told["next"] if "update-event-source-mapping" in line]
    report.equal("mappings that doctor has enabled", len(enabling), len(stack.mappings()))
    doctor.shown(enabling)
    wait_until(lambda: quarantine(stack) == wrong["quarantine"], LIMIT_SECONDS, "the records that make no sense")
    doctor.shown([emptying(stack)])
    report.equal("problems with the mappings enabled", doctor.look()["problems"], [])
    report.check("its page", "nothing needs care" in doctor.page(), doctor.page())
    for mapping in stack.mappings().values():
        stack.client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def break_it(driven, receiver):
    """Permissions that are missing, an endpoint that fails; what hangs, made old."""
    stack, merchant = driven.stack, driven.merchant
    receiver.status = webhooks.BROKEN
    stack.without("anomaly", "sns:Publish")
    failed = driven.pollers["anomaly"].counts
    before = failed.failed
    merchant.follow(merchant.send(files.high(908), filename="high.csv"), LIMIT_SECONDS)
    wait_until(lambda: failed.failed > before, LIMIT_SECONDS, "an alert that is not handed on")

    stack.without("aggregator", "dynamodb:PutItem")
    unfolded = merchant.send(files.plain(909, 30), filename="unfolded.csv")
    said(stack, "validation", unfolded, "the file is read")
    folds = driven.pollers["aggregator"].counts
    failed_folds = folds.failed
    wait_until(lambda: folds.failed > failed_folds + 1, LIMIT_SECONDS, "a file that is not folded")
    stack.without("validation", "kinesis:PutRecords")
    unread = merchant.send(files.plain(910, 30), filename="unread.csv")
    # All tries of the notification, so that none has the file when it is looked at.
    wait_until(lambda: refusals(stack, unread) == TRIES, LIMIT_SECONDS, "a file whose reading fails")

    uploads, alerts = stack.table("uploads"), stack.table("alerts")
    waiting = alerts_that_wait(stack, "send#")
    for item in waiting:
        put_back(stack, alerts, {"alert_id": item["alert_id"]}, "waiting_since", str(millis(LATE_SECONDS)))
    # Of alerts that cannot be handed on the tick fails, and tells webhooks all the same.
    error, _ = runs.tick(stack, "anomaly")
    assert error, "a tick that hands on no alert"
    messages = alerts_that_wait(stack, "webhook#")
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(millis(WEBHOOK_LATE_SECONDS) / 1000))
    put_back(stack, alerts, {"alert_id": messages[-1]["alert_id"]}, "at", made)
    claim = {"upload_id": unread, "part": "claim"}
    put_back(stack, uploads, claim, "lease_until", str(millis(LATE_SECONDS)), ", due_at = :value")
    for upload_id in (unfolded, unread):
        key = {"upload_id": upload_id, "part": "upload"}
        put_back(stack, uploads, key, "due_at", str(millis(LATE_SECONDS)))
    return {"unfolded": unfolded, "unread": unread, "alerts": waiting, "webhooks": messages, "quarantine": quarantine(stack)}


def named(report, stack, told, wrong):
    """Each fault with its number."""
    problems = [one for one in told["problems"] if not one.startswith(FEEDS)]
    expected = {
        f"upload {wrong['unfolded']} is ": "it is read, and waits for the fold",
        f"upload {wrong['unread']} is ": "the sweeper has not taken it up",
        f"{len(wrong['quarantine'])} records are in quarantine": "",
        f"{len(wrong['alerts'])} alerts were not handed on for 5 min": "",
        f"{len(wrong['webhooks'])} messages wait for endpoints of webhooks, the oldest for ": " s",
    }
    for begin, rest in expected.items():
        found = [one for one in problems if one.startswith(begin) and rest in one]
        report.equal(f"problems that say `{begin}... {rest}`", len(found), 1)
    report.equal("problems in all", len(problems), len(expected))
    report.equal("uploads that doctor counts", told["unfinished_uploads"], 2)
    for name, least in (("lag_seconds", LATE_SECONDS), ("oldest_webhook_seconds", WEBHOOK_LATE_SECONDS)):
        report.check(f"doctor's {name}", least <= told[name] < least + LIMIT_SECONDS, told[name])


def helpful(report, doctor, told, wrong):
    """What each command is to show whoever runs it."""
    stack = doctor.stack
    lines = [line for line in told["next"] if "update-event-source-mapping" not in line]
    # The emulator passes over patterns of fields, which are laid over what it gives instead.
    asked = {line.replace(" --limit 20", "") if PATTERN.search(line) else line: line for line in lines}
    shown = {asked[line]: matching(line, out) for line, out in doctor.shown(list(asked)).items()}
    expected = {
        "aws s3 ls": wrong["quarantine"],
        f"aws events describe-rule --name sweeper-schedule-{stack.env}": ["rate(1 minute)"],
        f"/aws/lambda/validation-lambda-{stack.env} ": [wrong["unread"], "denied"],
        "list-event-source-mappings": [stack.mappings()["aggregator"]["UUID"]],
        f"/aws/lambda/aggregator-lambda-{stack.env} ": ["ERROR", "denied"],
        f"/aws/lambda/anomaly-lambda-{stack.env} ": ["not authorized", "sns:Publish"],
        "a webhook is*": ["a webhook is told later", str(webhooks.BROKEN)],
        "aws cloudwatch describe-alarms": [],
    }
    for part, words in expected.items():
        found = [out for line, out in shown.items() if part in line]
        report.check(f"a command with `{part}`", found, lines)
        missing = [word for word in words if not any(word.lower() in out.lower() for out in found)]
        report.equal(f"what `{part}` does not show", missing[:5], [])
    known = [line for line in lines if any(part in line for part in expected)]
    report.equal("commands that nothing asks for", sorted(set(lines) - set(known)), [])


def matching(line, out):
    """What a log's events say, where a field is as the command asks."""
    pattern = PATTERN.search(line)
    if not pattern:
        return out
    events = [event["message"] for event in json.loads(out)["events"] if event["message"].startswith("{")]
    return "\n".join(event for event in events if fnmatch(str(json.loads(event).get(pattern[1])), pattern[2]))


def mend_it(report, doctor, driven, receiver, wrong):
    """Permissions are back, the endpoint answers, quarantine is looked through and emptied."""
    stack, merchant = driven.stack, driven.merchant
    for function in ("anomaly", "aggregator", "validation"):
        stack.restore(function)
    doctor.shown([emptying(stack)])

    def swept():
        runs.tick(stack, "validation")
        return merchant.document(wrong["unread"])["state"] == "completed"

    wait_until(swept, LIMIT_SECONDS, "the sweeper to take the file up", poll_seconds=1)
    document, _ = merchant.follow(wrong["unfolded"], LIMIT_SECONDS)
    report.equal("rows that were folded late", document["counts"]["accepted"], 30)
    driven.settle()
    # One message and the new ones the endpoint never wants; the others it takes.
    for status, are_all in ((webhooks.GONE, False), (webhooks.TAKEN, True)):
        receiver.status = status
        for number, item in enumerate(alerts_that_wait(stack, "webhook#")):
            at = millis(1 if are_all or number == 0 else -LATE_SECONDS)
            key = {"alert_id": item["alert_id"]}
            # A mark says when it is tried again, too.
            put_back(stack, stack.table("alerts"), key, "waiting_since", str(at), "REMOVE marks")
        error, body = runs.tick(stack, "anomaly")
        report.check("a tick of anomaly when all is mended", error is None, body)


def measured(report, stack, answers):
    """What the function said of it in metrics."""
    oldest = metrics.values(stack, "anomaly", "oldest_webhook_seconds")
    report.check("the oldest message to webhooks, as it was measured", max(oldest) >= WEBHOOK_LATE_SECONDS, oldest)
    report.equal("and in the end", oldest[-1], 0)
    report.check("answers of every kind", all(answers[status] for status in STATUSES), answers)
    failures = answers[webhooks.BROKEN] + answers[webhooks.GONE]
    counted = (
        ("webhook_failures", failures),
        ("webhooks_given_up", answers[webhooks.GONE]),
        ("webhooks_sent", answers[webhooks.TAKEN]),
    )
    for name, number in counted:
        report.equal(name, sum(metrics.values(stack, "anomaly", name)), number)
    tried = metrics.values(stack, "anomaly", "shadow_findings", rule="amount_high")
    report.equal("shadow findings of amount_high", sum(tried), 1)


def quarantine(stack):
    """The names of what lies there."""
    return sorted(key for key, _ in observe.objects(stack, "reports", "quarantine/"))


def emptying(stack):
    """As the runbook says."""
    return f"aws s3 rm --recursive s3://{stack.bucket('reports')}/quarantine/"


def said(stack, function, *words):
    """Waits until a line of its log has all these."""
    return wait_until(
        lambda: any(all(word in line.lower() for word in words) for line in observe.log_lines(stack, function)),
        LIMIT_SECONDS,
        f"{words} in the log of {function}",
    )


def refusals(stack, upload_id):
    """How often a file was not read, as the function says."""
    lines = observe.log_lines(stack, "validation")
    return sum('"a file is not read"' in line and upload_id in line for line in lines)


def alerts_that_wait(stack, kind):
    items = observe.items(stack, "alerts")
    return [item for item in items if item.get("waiting", "").startswith(kind)]


def put_back(stack, table, key, name, value, more=""):
    """Sets a time; one of milliseconds is a number."""
    stack.client("dynamodb").update_item(
        TableName=table,
        Key={attribute: {"S": text} for attribute, text in key.items()},
        UpdateExpression=f"SET #name = :value {more}",
        ConditionExpression="attribute_exists(#name)",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": {"N" if value.isdigit() else "S": value}},
    )


def millis(seconds_ago):
    return int((time.time() - seconds_ago) * 1000)
