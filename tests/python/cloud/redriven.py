"""Rows that were rejected by mistake, read again by the functions: listed, previewed, run with a cap,
and the same as on the embedded host."""

import json

from .readers import ask, ended

ZONE = ("--time-zone", "+01:00")
# Three rows have no zone; one of them has a card number that is none.
ROWS = (
    "transaction_id,amount,merchant_id,card_number,timestamp\n"
    "redriven-1,1.00,m-redriven,4242424242424242,2026-11-01T10:00:00Z\n"
    "redriven-2,2.00,m-redriven,4242424242424242,2026-11-01T10:00:00\n"
    "redriven-3,3.00,m-redriven,1234,2026-11-01T10:00:00\n"
    "redriven-4,4.00,m-redriven,4242424242424242,2026-11-01T10:00:00\n"
)


def run(report, run, stage):
    """On a stack that is at rest."""
    run.send("redriven.csv", ROWS.encode())
    file, here, there = run.host.work / "redriven.csv", run.expected[-1]["upload_id"], run.sent[-1]
    suffix = run.stack.bucket("reports").removeprefix(f"transaction-reports-{run.stack.env}").removeprefix("-")
    deployment = ("--env", run.stack.env, *(("--bucket-suffix", suffix) if suffix else ()))

    def step(name, *more):
        """What both hosts say of a step, but for what only one can know."""
        given = ("--json", *(("--file", str(file), *ZONE) if name != "list" else ()), *more)
        ours = json.loads(ask(stage, run.stack, "redrive", "rows", name, "--upload", there, *deployment, *given))
        theirs = run.host.redrive_rows(name, here, *given)
        return ours, theirs

    def same(name, told, *fields):
        ours, theirs = told
        report.equal(f"redrive: {name}", {field: ours[field] for field in fields}, {field: theirs[field] for field in fields})

    same("what was rejected", step("list"), "rejected", "redriven", "by_code", "sha256", "redrives")
    plan = ("rejected", "tried", "valid", "left_out", "still_rejected_by_code")
    same("what would be", step("preview"), *plan)
    first = step("run", "--max", "1")
    same("the first row", first, *plan, "counts")
    second = step("run")
    same("the rest", second, *plan, "redriven_before", "counts")
    report.equal("redrive: rows of both", [told["counts"]["accepted"] for told, _ in (first, second)], [1, 1])
    same("nothing is left", step("run"), *plan, "redriven_before")
    listed, _ = step("list")
    report.equal("redrive: listed", (listed["redriven"], len(listed["redrives"]), listed["unfinished"]), (2, 2, None))
    document = run.merchant.document(first[0]["redrive_upload_id"])
    report.equal("redrive: its document names the first", document["redrive_of"], there)
    report.equal("redrive: it arrived when that did", document["received_at"], run.merchant.document(there)["received_at"])

    run.settle()
    for row in ("redriven-2", "redriven-4"):
        answer = run.merchant.ask_again("GET", f"/status/{row}?merchant_id=m-redriven")
        report.equal(f"redrive: {row}", (answer.status, answer.json().get("status")), (200, "validated"))
    other = run.host.work / "other.csv"
    other.write_text(ROWS.replace("2.00", "2.01"))
    refused = ("redrive", "rows", "preview", "--upload", there, *deployment, "--file", str(other))
    report.equal("redrive: another file is refused", ended(stage, run.stack, *refused, codes=(0, 1, 2))[0], 1)
