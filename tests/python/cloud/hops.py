"""A file that takes several invocations: the same events as in one.

The time limit is as short as it gets, aggregates are small and the stream answers late, so that a
file of ordinary size does what a file of gigabytes does in quarters of an hour.
"""

from dataclasses import replace

from . import compare, deployed, observe
from .faults.chain import faults
from .files import plain
from .runs import Run, archive

TIMEOUT_SECONDS = 3
AGGREGATE_BYTES = "1000"
LATE = [{"service": "kinesis", "operation": "PutRecords", "latency": 400}]
ROWS = 4000
SEED = 815
HOPS_MIN = 2
GOES_ON = "reading goes on in another invocation"


def run(report, stage):
    with faults(stage.faults_python, stage.emulator.url, stage.work, SEED, LATE) as chain:
        names = deployed.Names("hops")
        functions = [hurried(function) for function in deployed.functions(names)]
        stack = stage.stack("hops", chain.url, functions)
        with Run(report, stack, stage.host("embedded-hops"), "hops") as driven:
            driven.send("hops.csv", plain(SEED, ROWS))
            lines = [line for line in observe.log_lines(stack, "validation") if GOES_ON in line]
            print(f"   {len(lines)} times the file was passed on")
            report.check(f"invocations that passed the file on, at least {HOPS_MIN}", len(lines) >= HOPS_MIN, len(lines))
            ours, theirs = compare.Uploads(driven.sent), compare.Uploads([driven.expected[0]["upload_id"]])
            archived = archive(driven)
            report.same(
                "row events of all invocations",
                compare.row_events(archived, ours),
                compare.row_events(driven.host.events(), theirs),
            )


def hurried(function):
    if function.name != "validation":
        return function
    environment = {**function.environment, "TXP_AGGREGATE_BYTES": AGGREGATE_BYTES}
    return replace(function, timeout_seconds=TIMEOUT_SECONDS, environment=environment)
