"""The usual file, 1,000 clean rows: how long it takes, what it writes to DynamoDB, and whether what
the merchant is handed holds.

Calls go through the proxy that only counts, with the windows as they are deployed: nothing is in a
hurry here until the file is completed.
"""

import json
import subprocess
import time

from .faults.chain import proxy
from .files import plain
from .mapping import poller
from .merchant import Merchant

ROWS = 1000
SEED = 4711
# A write unit is 1 KB; an item of a transaction stays under it, and an upload's progress is shared
# by its rows.
WRITE_UNITS_PER_ROW_MAX = 1.05
# On an emulator, beside other work; the promise to merchants is 300.
COMPLETED_SECONDS_MAX = 90
FOLLOW_LIMIT_SECONDS = 120


def run(report, stage):
    with proxy(stage.faults_python, stage.emulator.url, stage.work, 0, SEED) as counting:
        stack = stage.stack("small", counting.url)
        merchant = Merchant(stack)
        pollers = poller.start_all(stack)
        try:
            # The first call of each function pays for its start; merchants come one after another.
            for number in range(2):
                before = counting.proxied()["consumed"]
                data = plain(SEED + number, ROWS)
                start = time.monotonic()
                upload_id = merchant.send(data, filename=f"usual-{number}.csv")
                put = time.monotonic() - start
                document, seen = merchant.follow(upload_id, FOLLOW_LIMIT_SECONDS)
                after = counting.proxied()["consumed"]
                consumed = {table: after[table] - before.get(table, 0) for table in after}
                words = ", ".join(f"{state} {seconds:.1f}" for state, seconds in seen.items())
                print(f"   {ROWS} rows: link and PUT {put:.1f} s; after it, seconds to {words}", flush=True)
                report.equal("the usual file", document["state"], "completed")
                receipt_holds(report, stage, merchant, document, data)
                seconds = seen.get("completed", FOLLOW_LIMIT_SECONDS)
                report.check("seconds from PUT to completed", seconds <= COMPLETED_SECONDS_MAX, seconds)
                per_row = {table: units / ROWS for table, units in sorted(consumed.items()) if units}
                print(f"   write units per row: {per_row}", flush=True)
                folded = sum(consumed.get(stack.table(base), 0) for base in ("transactions", "uploads"))
                report.check(
                    "write units per row of transactions and uploads", folded <= WRITE_UNITS_PER_ROW_MAX * ROWS, folded / ROWS
                )
        finally:
            for driven in pollers.values():
                driven.end()


def receipt_holds(report, stage, merchant, document, data):
    """Checked by `txp` on the merchant's side: by the published key alone, against the file that was sent."""
    answer = merchant.ask_again("GET", "/receipt-key")
    report.equal("GET /receipt-key", answer.status, 200)
    folder = stage.work / "receipt"
    folder.mkdir(exist_ok=True)
    changed = json.loads(json.dumps(document))
    changed["receipt"]["counts"]["accepted"] += 1
    for name, content in (("document", document), ("changed", changed)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "keys.json").write_bytes(answer.body)
    (folder / "sent.csv").write_bytes(data)

    def verified(name):
        command = [stage.txp, "receipt", "verify", folder / f"{name}.json", "--key", folder / "keys.json"]
        command += ["--file", folder / "sent.csv", "--data-dir", folder / "nothing", "--json"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        return json.loads(ended.stdout)["valid"] if ended.stdout else ended.stderr

    report.equal("the receipt holds", verified("document"), True)
    report.equal("a receipt that was changed does not", verified("changed"), False)
