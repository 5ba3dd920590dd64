"""Checks and measures what `cargo xtask package` made: what is in each zip, and how it starts.

usage: footprint.py LAMBDA_DIR [--runs N]

Each function is started as Lambda starts it, against a Runtime API on the loopback address that
has no event, and with an AWS that answers nothing: none of it is asked before there is an event.
Measured are the time from exec to its first request for one, and its memory then.
Times are printed and never judged. Judged are: one executable `bootstrap` in the zip and nothing
else, stripped, no larger than the limit, and no SDK in a binary that its function does not use.
Needs nothing but Python. The last line is `N passed, N failed`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ZIP_BYTES_MAX = 12 * 1024 * 1024
MODE = 0o100755
START_LIMIT_SECONDS = 20
RUNS = 20

# What stands in a binary that holds the SDK, from the requests that it writes.
MARKS = {
    "dynamodb": b"DynamoDB_20120810",
    "kinesis": b"Kinesis_20131202",
    "lambda": b"/2015-03-31/functions",
    "s3": b"x-amz-expected-bucket-owner",
    "secretsmanager": b"secretsmanager.",
    "sns": b"PublishBatch",
}

USES = {
    "validation": {"dynamodb", "kinesis", "lambda", "s3", "secretsmanager"},
    "aggregator": {"dynamodb", "s3"},
    "anomaly": {"dynamodb", "kinesis", "s3", "secretsmanager", "sns"},
    "api": {"dynamodb", "s3", "secretsmanager"},
    "archiver": {"s3"},
}

# Every variable that some function needs, with values that name nothing.
ENVIRONMENT = {
    "ALERTS_TABLE": "alerts", "ALERTS_TOPIC": "arn:aws:sns:eu-central-1:000000000000:alerts",
    "ARCHIVE_BUCKET": "archive", "CLIENTS_TABLE": "clients", "EVENTS_STREAM": "events",
    "FINGERPRINT_KEY_SECRET": "key", "PROFILES_TABLE": "profiles", "REPORTS_BUCKET": "reports",
    "RECEIPT_KEY_SECRET": "key",
    "TRANSACTIONS_TABLE": "transactions", "UPLOADS_BUCKET": "uploads", "UPLOADS_TABLE": "uploads",
    "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
}


class Api(ThreadingHTTPServer):
    """A Runtime API without events, and an AWS that answers nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = threading.Event()
        self.asked_at = 0.0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked_at = time.perf_counter()
        self.server.asked.set()
        # No event ever comes: the function waits until it is ended.
        self.rfile.read(1)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def memory_kib(pid: int) -> dict[str, int]:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    lines = (line.split() for line in status)
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words and words[0] in ("VmHWM:", "VmRSS:")}


def start(bootstrap: Path, name: str) -> tuple[float, int]:
    """Milliseconds to its first request for an event, and KiB of memory at most until then."""
    api = Api()
    thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"127.0.0.1:{api.server_address[1]}"
    environment = ENVIRONMENT | {
        "AWS_LAMBDA_RUNTIME_API": address, "AWS_ENDPOINT_URL": f"http://{address}", "AWS_LAMBDA_FUNCTION_NAME": name,
    }
    begin = time.perf_counter()
    process = subprocess.Popen([bootstrap], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        if not api.asked.wait(START_LIMIT_SECONDS):
            process.kill()
            said = process.stdout.read(2000).decode(errors="replace")
            raise SystemExit(f"{name} asked for no event in {START_LIMIT_SECONDS} s: {said}")
        return (api.asked_at - begin) * 1000, memory_kib(process.pid)["VmHWM"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        api.shutdown()
        thread.join()
        api.server_close()


def content(path: Path) -> tuple[bytes, list[str]]:
    """The executable of a zip, and what is wrong with either."""
    wrong = []
    if path.stat().st_size > ZIP_BYTES_MAX:
        wrong.append(f"{path.stat().st_size} bytes, {ZIP_BYTES_MAX} are the most")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if [entry.filename for entry in entries] != ["bootstrap"]:
            return b"", [f"holds {[entry.filename for entry in entries]}, not one bootstrap"]
        if entries[0].external_attr >> 16 != MODE:
            wrong.append("bootstrap is not an executable of mode 0755")
        if entries[0].date_time != (1980, 1, 1, 0, 0, 0):
            wrong.append("bootstrap has a time, so the zip differs each time it is made")
        executable = archive.read("bootstrap")
    if b"\0.symtab\0" in executable or b"\0.debug_info\0" in executable:
        wrong.append("bootstrap is not stripped")
    return executable, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("dir", type=Path)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    passed = failed = 0
    print(f"{'function':<12} {'binary MiB':>10} {'zip MiB':>8} {'start ms':>9} {'least':>7} {'memory MiB':>11}  SDKs")
    for name, uses in USES.items():
        path = options.dir / name / "bootstrap.zip"
        if not path.is_file():
            raise SystemExit(f"{path} is missing: run `cargo xtask package`")
        executable, wrong = content(path)
        found = {sdk for sdk, mark in MARKS.items() if mark in executable}
        if found - uses:
            wrong.append(f"holds SDKs that it does not use: {', '.join(sorted(found - uses))}")
        with tempfile.TemporaryDirectory() as work:
            bootstrap = Path(work) / "bootstrap"
            bootstrap.write_bytes(executable)
            os.chmod(bootstrap, 0o755)
            starts = [start(bootstrap, name) for _ in range(options.runs)]
        times = [millis for millis, _ in starts]
        memory = statistics.median(kib for _, kib in starts) / 1024
        sizes = len(executable) / 2**20, path.stat().st_size / 2**20
        print(
            f"{name:<12} {sizes[0]:>10.1f} {sizes[1]:>8.1f} {statistics.median(times):>9.1f} {min(times):>7.1f}"
            f" {memory:>11.1f}  {' '.join(sorted(found)) or '-'}"
        )
        for fault in wrong:
            print(f"  FAILED: {name}: {fault}")
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
