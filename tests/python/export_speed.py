"""Measures `txp events --format parquet` beside a reader in Python, json and pyarrow, that makes the
same columns of the same lines. Each runs alone, one after the other, in turns; the best of each counts.

usage: export_speed.py TXP WORK_DIR ROWS

The last line is `parquet N events, txp S s, python S s, ratio R`.
"""

import json
import os
import subprocess
import sys
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow
import pyarrow.parquet

TURNS = 3
GROUP_ROWS = 64 * 1024
UTC = pyarrow.timestamp("us", tz="UTC")
TEXT = (
    "id", "type", "source", "subject", "dataschema", "upload_id", "transaction_id", "merchant_id",
    "currency", "transaction_type", "time_source", "card_last4", "card_brand", "card_fingerprint",
    "card_key_id", "original_transaction_id", "terminal_id", "country", "mcc", "reject_codes",
    "rule_set", "rules", "position_sequence", "data",
)
WHOLE = ("position_bucket", "position_subsequence", "record", "line", "score")
TIMES = ("arrival", "time", "timestamp")
SCHEMA = pyarrow.schema(
    [(name, pyarrow.string()) for name in TEXT]
    + [(name, pyarrow.int64()) for name in WHOLE]
    + [(name, UTC) for name in TIMES]
    + [("amount", pyarrow.decimal128(19, 4))]
)


def row(line: str) -> dict:
    event = json.loads(line)
    data, position = event["data"], event["position"]
    card = data.get("card") or {}
    amount, timestamp = data.get("amount"), data.get("timestamp")
    parsed = datetime.fromisoformat
    return {
        "position_bucket": position["bucket"],
        "position_sequence": position["sequence"],
        "position_subsequence": position["subsequence"],
        "arrival": parsed(event["arrival"]),
        "id": event["id"],
        "type": event["type"],
        "source": event["source"],
        "subject": event["subject"],
        "time": parsed(event["time"]),
        "dataschema": event["dataschema"],
        "upload_id": event["id"].split(":", 1)[0],
        "record": data.get("record"),
        "line": data.get("line"),
        "transaction_id": data.get("transaction_id"),
        "merchant_id": data.get("merchant_id"),
        "amount": Decimal(amount) if amount else None,
        "currency": data.get("currency"),
        "transaction_type": data.get("type"),
        "timestamp": parsed(timestamp) if timestamp else None,
        "time_source": data.get("time_source"),
        "card_last4": card.get("last4"),
        "card_brand": card.get("brand"),
        "card_fingerprint": card.get("fingerprint"),
        "card_key_id": card.get("key_id"),
        "original_transaction_id": data.get("original_transaction_id"),
        "terminal_id": data.get("terminal_id"),
        "country": data.get("country"),
        "mcc": data.get("mcc"),
        "reject_codes": " ".join(v["code"] for v in data.get("violations", ())) or None,
        "rule_set": data.get("rule_set"),
        "rules": " ".join(h["rule"] for h in data.get("hits", ())) or None,
        "score": data.get("score"),
        "data": json.dumps(data),
    }


def by_python(lines: Path, out: Path) -> None:
    with lines.open() as file, pyarrow.parquet.ParquetWriter(out, SCHEMA) as writer:
        rows = []
        for line in file:
            rows.append(row(line))
            if len(rows) == GROUP_ROWS:
                writer.write_table(pyarrow.Table.from_pylist(rows, SCHEMA))
                rows.clear()
        if rows:
            writer.write_table(pyarrow.Table.from_pylist(rows, SCHEMA))


def main() -> None:
    txp, work, rows = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3]
    work.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"XDG_CONFIG_HOME": str(work / "config")}

    def run(*arguments: object) -> None:
        command = [txp, *map(str, arguments)]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)

    source, lines = work / "rows.csv", work / "events.ndjson"
    run("generate", "--rows", rows, "--seed", 1, "--out", source)
    run("process", source, "--data-dir", work / "data")
    run("events", "--source", f"local:{work / 'data'}", "--out", lines)
    ours, theirs = work / "txp.parquet", work / "python.parquet"
    best = {"txp": float("inf"), "python": float("inf")}
    for _ in range(TURNS):
        for name, export in (
            ("txp", lambda: run("events", "--source", f"file:{lines}", "--format", "parquet", "--out", ours)),
            ("python", lambda: by_python(lines, theirs)),
        ):
            start = time.perf_counter()
            export()
            best[name] = min(best[name], time.perf_counter() - start)
    events = pyarrow.parquet.ParquetFile(ours).metadata.num_rows
    assert events == pyarrow.parquet.ParquetFile(theirs).metadata.num_rows
    ratio = best["python"] / best["txp"]
    print(f"parquet {events} events, txp {best['txp']:.2f} s, python {best['python']:.2f} s, ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
