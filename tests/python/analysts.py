"""Holds what analysts are given to the tools that they use: duckdb, pandas and pyarrow read what
`txp events` and `txp transactions` write, and the SQL views come to the figures of the state.

usage: analysts.py TXP WORK_DIR

An archive is made of a history, as the archiver writes it where deliveries fail and come again, cut
elsewhere. Each check is a function below; the last line is `N passed, N failed`.
"""

import csv
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas
import pyarrow.parquet
import sqlglot

ROOT = Path(__file__).resolve().parents[2]
SQL = ROOT / "sql"
ROWS = 3_000
SEED = 7
WAIT_SECONDS = 60
POLL_SECONDS = 0.005
# More than a run writes before it says how far it is.
FED_BYTES = 32 << 20
# Tried beside the rules that judge; the ids of its rules are its own.
TRIED = {"version": "tried", "rules": [{"id": "high", "kind": "amount_high", "thresholds": {"USD": 50_000}}]}
# Made for what the generator does not make: other minor digits, a reversal, a conflict in each fact.
EXTRA = """\
transaction_id,amount,merchant_id,card_number,timestamp,currency,type,original_transaction_id,country,mcc
x1,1000,m-x,4111111111111111,2025-06-01T10:00:00Z,JPY,sale,,JP,5411
x1,1000,m-x,4111111111111111,2025-06-01T10:00:00Z,JPY,sale,,JP,5411
x1,1001,m-x,4111111111111111,2025-06-01T10:00:00Z,JPY,sale,,JP,5411
x1,1000,m-x,4111111111111111,2025-06-01T10:00:00.000000001Z,JPY,sale,,JP,5411
x1,1000,m-x,5555555555554444,2025-06-01T10:00:00Z,JPY,sale,,JP,5411
x1,1000,m-x,4111111111111111,2025-06-01T10:00:00Z,JPY,sale,,JP,5412
x1,1000,m-x,4111111111111111,,JPY,sale,,JP,5411
x2,1.234,m-x,4111111111111111,2025-06-01T10:00:00Z,BHD,sale,,,
x3,0.01,m-x,4111111111111111,2025-06-01T10:00:00Z,USD,refund,x1,,
x4,12.50,m-x,4111111111111111,2025-06-01T10:00:00Z,USD,chargeback,x1,,
x5,999999999999999,m-x,4111111111111111,2025-06-01T10:00:00Z,JPY,sale,,,
x1,5.00,m-y,4111111111111111,2025-06-01T10:00:00Z,EUR,sale,,,
x6,bad,m-x,4111111111111111,2025-06-01T10:00:00Z,EUR,sale,,,
"""


class History:
    """A history, in a data directory and in an archive."""

    def __init__(self, txp: Path, work: Path):
        self.txp, self.work, self.data = txp, work, work / "data"
        files = [work / "generated.csv", work / "extra.csv", work / "again.csv"]
        self.run("generate", "--rows", str(ROWS), "--seed", str(SEED), "--out", str(files[0]))
        files[1].write_text(EXTRA)
        # Some of its rows are no UTF-8.
        lines = files[0].read_bytes().splitlines(keepends=True)
        files[2].write_bytes(b"".join(lines[:1] + lines[ROWS // 2 :]))
        rules = work / "tried.json"
        rules.write_text(json.dumps(TRIED))
        self.run("rules", "shadow", str(rules), "--data-dir", str(self.data))
        for file in files:
            self.run("process", str(file), "--data-dir", str(self.data))
        self.lines = self.run("events", "--source", f"local:{self.data}").splitlines(keepends=True)
        self.archive = work / "archive"
        write_archive(self.archive, self.lines)
        self.state = work / "state.csv"
        self.run("transactions", "--source", f"local:{self.data}", "--out", str(self.state))

    def run(self, *arguments: str) -> str:
        return subprocess.run(
            [self.txp, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=self.env()
        ).stdout

    def env(self) -> dict[str, str]:
        return os.environ | {"XDG_CONFIG_HOME": str(self.work / "config")}

    def totals(self) -> dict[tuple[str, str], tuple[int, Decimal]]:
        """Count and sum of what stands, by type and currency, by the state."""
        totals = defaultdict(lambda: (0, Decimal(0)))
        with self.state.open(newline="") as file:
            for row in csv.DictReader(file):
                if row["amount"]:
                    key = row["type"], row["currency"]
                    count, amount = totals[key]
                    totals[key] = count + 1, amount + Decimal(row["amount"])
        return dict(totals)


def write_archive(archive: Path, lines: list[str]) -> None:
    """Deliveries of 200 events, every third again from its middle on, every fifth whole again."""
    deliveries = []
    for start in range(0, len(lines), 200):
        deliveries.append(lines[start : start + 200])
        if start // 200 % 3 == 1:
            deliveries.append(lines[start + 100 : start + 260])
        if start // 200 % 5 == 2:
            deliveries.append(lines[max(0, start - 50) : start + 120])
    for delivery in deliveries:
        documents = [json.loads(line) for line in delivery]
        first, last = (documents[n]["position"]["sequence"] for n in (0, -1))
        day = archive / f"date={documents[0]['arrival'][:10]}"
        day.mkdir(parents=True, exist_ok=True)
        name = f"shardId-000000000000-{first}-{last}.ndjson.gz"
        (day / name).write_bytes(gzip.compress("".join(delivery).encode(), mtime=0))


def duckdb_with_views(history: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET VARIABLE history = '{history}'")
    connection.execute((SQL / "duckdb/views.sql").read_text())
    return connection


def athena(history: str) -> duckdb.DuckDBPyConnection:
    """The views for Athena, said in duckdb's words, over a table as Glue describes it."""
    connection = duckdb.connect()
    connection.execute(
        f"""CREATE TABLE events AS SELECT *, arrival[:10] AS date FROM read_ndjson('{history}',
        columns = {{id: 'VARCHAR', type: 'VARCHAR', source: 'VARCHAR', subject: 'VARCHAR',
        time: 'VARCHAR', dataschema: 'VARCHAR', data: 'VARCHAR', arrival: 'VARCHAR',
        position: 'STRUCT(bucket INTEGER, sequence VARCHAR, subsequence BIGINT)'}})"""
    )
    for view in ("events_once", "rows_once", "classed_rows", "totals", "findings"):
        text = (SQL / f"athena/{view}.sql").read_text()
        [query] = sqlglot.transpile(text, read="athena", write="duckdb")
        connection.execute(f"CREATE VIEW {view} AS {query}")
    return connection


def totals_of(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], tuple[int, Decimal]]:
    rows = connection.execute(
        "SELECT transaction_type, currency, transactions, amount FROM totals"
    ).fetchall()
    return {(kind, currency): (count, amount) for kind, currency, count, amount in rows}


def classes_of(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return dict(
        connection.execute("SELECT class, count(*) FROM classed_rows GROUP BY class").fetchall()
    )


def check_views(history: History, connection: duckdb.DuckDBPyConnection) -> None:
    [[lines, distinct]] = connection.execute(
        "SELECT count(*), count(DISTINCT id) FROM events"
    ).fetchall()
    assert distinct == len(history.lines) < lines, (distinct, lines)
    assert connection.execute("SELECT count(*) FROM events_once").fetchall() == [(distinct,)]
    assert totals_of(connection) == history.totals()
    uploads = json.loads(history.run("uploads", "--data-dir", str(history.data), "--json"))
    counted = Counter()
    for upload in uploads["uploads"]:
        counts = upload["counts"]
        counted["accepted"] += counts["accepted"]
        counted["duplicate"] += counts["duplicates"]
        counted["conflict"] += counts["conflicts"]
        counted["rejected"] += counts["rejected"]
    assert min(counted.values()) > 0, counted
    assert classes_of(connection) == dict(counted), (classes_of(connection), counted)


FINDINGS = """SELECT id, is_shadow, rule_set, rule, severity, score, merchant_id, transaction_id
FROM findings ORDER BY id"""


def check_findings(history: History, connection: duckdb.DuckDBPyConnection) -> None:
    expected = []
    for line in history.lines:
        event = json.loads(line)
        if event["type"] in ("anomaly.flagged", "anomaly.shadowed"):
            data, is_shadow = event["data"], event["type"] == "anomaly.shadowed"
            of = [data[key] for key in ("severity", "score", "merchant_id", "transaction_id")]
            expected.append((event["id"], is_shadow, data["rule_set"], data["hits"][0]["rule"], *of))
    assert connection.execute(FINDINGS).fetchall() == sorted(expected)
    kinds = Counter((is_shadow, rule_set) for _, is_shadow, rule_set, *_ in expected)
    assert len(kinds) == 2 and kinds[True, "tried"] > 0, kinds


def views_for_duckdb_come_to_the_state(history: History) -> None:
    connection = duckdb_with_views(f"{history.archive}/date=*/*.ndjson.gz")
    check_views(history, connection)
    check_findings(history, connection)


def views_for_athena_come_to_the_state(history: History) -> None:
    connection = athena(f"{history.archive}/date=*/*.ndjson.gz")
    check_views(history, connection)
    check_findings(history, connection)


def an_archive_folds_to_the_same_state(history: History) -> None:
    out = history.work / "folded.csv"
    history.run("transactions", "--source", f"file:{history.archive}", "--out", str(out))
    assert out.read_bytes() == history.state.read_bytes()


def an_archive_is_read_without_repeats(history: History) -> None:
    lines = history.run("events", "--source", f"file:{history.archive}").splitlines(keepends=True)
    assert lines == history.lines


def a_state_as_of_a_time_is_that_of_the_history_until_then(history: History) -> None:
    arrivals = sorted({json.loads(line)["arrival"] for line in history.lines})
    middle = arrivals[len(arrivals) // 2]
    until = [line for line in history.lines if json.loads(line)["arrival"] <= middle]
    assert 0 < len(until) < len(history.lines)
    part = history.work / "until.ndjson"
    part.write_text("".join(until))
    one, other = history.work / "as_of.csv", history.work / "until.csv"
    history.run(
        "transactions", "--source", f"local:{history.data}", "--as-of", middle, "--out", str(one)
    )
    history.run("transactions", "--source", f"file:{part}", "--out", str(other))
    assert one.read_bytes() == other.read_bytes() != history.state.read_bytes()


def written(history: History, command: str, form: str) -> Path:
    out = history.work / f"{command}.{form}"
    source = f"local:{history.data}"
    history.run(command, "--source", source, "--format", form, "--out", str(out))
    assert not list(history.work.glob(f"{out.name}.*")), "nothing is left beside"
    return out


def exported(history: History) -> dict[tuple[str, str], tuple[int, Decimal]]:
    """What is said of valid rows, by the events' own lines."""
    totals = defaultdict(lambda: (0, Decimal(0)))
    for line in history.lines:
        event = json.loads(line)
        if event["type"] in ("transaction.accepted", "transaction.disputed"):
            key = event["data"]["type"], event["data"]["currency"]
            count, amount = totals[key]
            totals[key] = count + 1, amount + Decimal(event["data"]["amount"])
    return dict(totals)


BY_TYPE = """SELECT {kind}, currency, count(*), sum(amount) FROM '{file}'
WHERE amount IS NOT NULL GROUP BY ALL"""


def by_type(file: Path, kind: str) -> dict[tuple[str, str], tuple[int, Decimal]]:
    rows = duckdb.sql(BY_TYPE.format(kind=kind, file=file)).fetchall()
    return {(kind, currency): (count, Decimal(str(amount))) for kind, currency, count, amount in rows}


def duckdb_opens_parquet_as_it_is(history: History) -> None:
    events = written(history, "events", "parquet")
    types = {name: kind for name, kind, *_ in duckdb.sql(f"DESCRIBE FROM '{events}'").fetchall()}
    for column, kind in {
        "arrival": "TIMESTAMP WITH TIME ZONE",
        "time": "TIMESTAMP WITH TIME ZONE",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "amount": "DECIMAL(19,4)",
        "amount_minor": "BIGINT",
        "position_sequence": "VARCHAR",
        "position_bucket": "BIGINT",
        "card_last4": "VARCHAR",
        "data": "VARCHAR",
    }.items():
        assert types[column] == kind, (column, types[column])
    assert by_type(events, "transaction_type") == exported(history)
    rows = duckdb.sql(f"SELECT id, type, CAST(data AS JSON) FROM '{events}'").fetchall()
    lines = [json.loads(line) for line in history.lines]
    assert [(i, t, json.loads(d)) for i, t, d in rows] == [
        (e["id"], e["type"], e["data"]) for e in lines
    ]
    state = written(history, "transactions", "parquet")
    assert by_type(state, "type") == history.totals()


def duckdb_opens_csv_as_it_is(history: History) -> None:
    events = written(history, "events", "csv")
    [[rows]] = duckdb.sql(f"SELECT count(*) FROM '{events}'").fetchall()
    assert rows == len(history.lines)
    typed = f"read_csv('{events}', types = {{amount: 'DECIMAL(19,4)'}})"
    sums = duckdb.sql(
        f"SELECT transaction_type, currency, count(*), sum(amount) FROM {typed} "
        "WHERE amount IS NOT NULL GROUP BY ALL"
    ).fetchall()
    assert {(t, c): (n, a) for t, c, n, a in sums} == exported(history)
    kinds = dict(duckdb.sql(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{events}')").fetchall())
    assert kinds["arrival"].startswith("TIMESTAMP"), kinds["arrival"]


def pandas_opens_both_as_they_are(history: History) -> None:
    frame = pandas.read_parquet(written(history, "transactions", "parquet"))
    assert str(frame["timestamp"].dtype).startswith("datetime64"), frame["timestamp"].dtype
    assert str(frame["timestamp"].dt.tz) == "UTC"
    assert list(frame.columns[:5]) == [
        "transaction_id", "merchant_id", "status", "amount", "currency",
    ]
    stands = frame[frame["amount"].notna()]
    sums = stands.groupby(["type", "currency"])["amount"].agg(["count", "sum"])
    assert {key: (row["count"], row["sum"]) for key, row in sums.iterrows()} == history.totals()
    read = pandas.read_csv(history.state, dtype=str, keep_default_na=False)
    assert list(read.columns) == list(frame.columns)
    assert list(read["transaction_id"]) == list(frame["transaction_id"])
    events = pyarrow.parquet.read_table(written(history, "events", "parquet"))
    assert events.num_rows == len(history.lines)


def a_run_that_is_killed_goes_on(history: History) -> None:
    """The source is a pipe that is fed to some point, so the run is cut there and nowhere else."""
    lines, size = [], sum(map(len, history.lines))
    for number in range(len(history.lines) * (2 * FED_BYTES // size + 1)):
        line = history.lines[number % len(history.lines)]
        head, tail = line.rsplit('"position":{"bucket":', 1)
        bucket, arrival = tail.split(",", 1)[0], tail.rsplit('"arrival":', 1)[1]
        place = f'"position":{{"bucket":{bucket},"sequence":"{number + 1}","subsequence":0}}'
        lines.append(f'{head}{place},"arrival":{arrival}')
    whole = "".join(lines).encode()
    pipe = history.work / "pipe"
    os.mkfifo(pipe)
    for form in ("ndjson", "csv", "parquet"):
        expected, out = history.work / f"expected.{form}", history.work / f"cut.{form}"
        for target, is_cut in ((expected, False), (out, True), (out, False)):
            command = [history.txp, "events", "--source", f"file:{pipe}", "--format", form]
            process = subprocess.Popen(
                [*command, "--out", target], stderr=subprocess.PIPE, env=history.env()
            )
            with pipe.open("wb") as feed:
                feed.write(whole[: len(whole) * 4 // 5] if is_cut else whole)
                feed.flush()
                if is_cut:
                    wait_for(out.with_name(out.name + ".checkpoint"))
                    process.send_signal(signal.SIGKILL)
                    process.wait()
            said = process.stderr.read().decode()
            assert is_cut or process.wait() == 0, said
            assert is_cut == (not target.exists()), target
            assert ("goes on behind" in said) == (target == out and not is_cut), said
        assert out.read_bytes() == expected.read_bytes(), form
    assert (history.work / "cut.ndjson").read_bytes() == whole


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(POLL_SECONDS)


CHECKS = (
    views_for_duckdb_come_to_the_state,
    views_for_athena_come_to_the_state,
    an_archive_folds_to_the_same_state,
    an_archive_is_read_without_repeats,
    a_state_as_of_a_time_is_that_of_the_history_until_then,
    duckdb_opens_parquet_as_it_is,
    duckdb_opens_csv_as_it_is,
    pandas_opens_both_as_they_are,
    a_run_that_is_killed_goes_on,
)


def main() -> int:
    txp, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    history = History(txp, work)
    failed = 0
    for check in CHECKS:
        try:
            check(history)
            print(f"ok {check.__name__}", flush=True)
        except Exception:
            failed += 1
            traceback.print_exc()
            print(f"FAILED {check.__name__}", flush=True)
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
