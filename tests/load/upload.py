"""Sends generated files to a deployment and measures how long each takes from PUT to completed.

usage: upload.py --url URL [--key KEY] [--rows N] [--files M] [--parallel P] [--txp PROGRAM] ...

The key comes from --key or TXP_API_KEY. URL is what a client calls: the stage of the API on AWS
(https://ID.execute-api.REGION.amazonaws.com/STAGE) or a `txp serve`. Files come from `txp
generate`, one seed each, so the same seeds sent twice are duplicates. Needs nothing but Python.

Prints the seconds of each stage, p50 and p95 over the files, and the share within the limit. Ends
with 1 if a file was late, failed, or came to other counts than it has rows.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

LIMIT_SECONDS = 300
GIVE_UP_SECONDS = 1800
POLL_SECONDS_MAX = 1.0
CALL_SECONDS_MAX = 60
PUT_SECONDS_MAX = 900
STAGES = ("link", "put", "parsed", "completed")
COUNTS = ("accepted", "rejected", "duplicates", "conflicts")
TOO_MANY_REQUESTS = 429
# Requests that were shed with a time to come back; appending is atomic.
SHED: list[str] = []


class Failed(Exception):
    """A file that did not come through; the text says where."""


def call(request: urllib.request.Request, limit_seconds: int, body: Path | None = None) -> bytes:
    """The answer; asked again when the server says that it has too much to do, and when to come back."""
    while True:
        try:
            return once(request, limit_seconds, body)
        except urllib.error.HTTPError as error:
            wait = error.headers.get("retry-after", "")
            if error.code != TOO_MANY_REQUESTS or not wait.isdigit():
                raise Failed(f"{place(request)}: {error.code} {error.read()[:500]!r}") from error
            SHED.append(place(request))
            time.sleep(int(wait))
        except OSError as error:
            raise Failed(f"{place(request)}: {error}") from error


def once(request: urllib.request.Request, limit_seconds: int, body: Path | None) -> bytes:
    with contextlib.ExitStack() as opened:
        if body is not None:
            request.data = opened.enter_context(open(body, "rb"))
        return opened.enter_context(urllib.request.urlopen(request, timeout=limit_seconds)).read()


def place(request: urllib.request.Request) -> str:
    """Without the query, which signs a link."""
    return f"{request.method} {request.full_url.split('?')[0]}"


class Client:
    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        self.key = key

    def ask(self, method: str, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        headers = {"x-api-key": self.key}
        if data is not None:
            headers["content-type"] = "application/json"
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        return json.loads(call(request, CALL_SECONDS_MAX))

    def put(self, link: dict, path: Path) -> None:
        headers = {**link["headers"], "content-length": str(path.stat().st_size)}
        # urllib would name a form's type where the link signs none.
        headers.setdefault("content-type", "text/csv")
        request = urllib.request.Request(link["url"], headers=headers, method=link["method"])
        call(request, PUT_SECONDS_MAX, path)


def generate(txp: str, rows: int, seed: int, path: Path) -> dict:
    """What the file must come to."""
    subprocess.run([txp, "generate", "--rows", str(rows), "--seed", str(seed), "--out", path], check=True, capture_output=True)
    return json.loads(Path(f"{path}.expected.json").read_text())


def send(client: Client, path: Path, expected: dict, give_up_seconds: int) -> dict:
    """Seconds since the start of the PUT at which each stage was seen; `link` for itself."""
    seconds = {}
    begin = time.monotonic()
    link = client.ask("POST", "/upload", {})
    seconds["link"] = time.monotonic() - begin
    begin = time.monotonic()
    client.put(link, path)
    seconds["put"] = time.monotonic() - begin
    while True:
        upload = client.ask("GET", f"/uploads/{link['upload_id']}")
        state, since = upload["state"], time.monotonic() - begin
        if state in ("parsed", "completed"):
            seconds.setdefault("parsed", since)
        if state == "completed":
            seconds["completed"] = since
            break
        if state in ("failed", "expired", "dry_run"):
            raise Failed(f"{link['upload_id']} is {state}: {upload.get('failure')}")
        if since > give_up_seconds:
            raise Failed(f"{link['upload_id']} is {state} after {since:.0f} s")
        time.sleep(min(upload.get("poll_after_s") or POLL_SECONDS_MAX, POLL_SECONDS_MAX))
    counts = {name: upload["counts"][name] for name in COUNTS}
    if sum(counts.values()) != expected["rows"]:
        raise Failed(f"{link['upload_id']}: {expected['rows']} rows came to {counts}")
    return {"upload_id": link["upload_id"], "seconds": seconds, "counts": counts}


def percentile(values: list[float], share: float) -> float:
    """The least value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share * 100) // 100) - 1)]


def report(done: list[dict], failures: list[str], limit_seconds: int) -> dict:
    for failure in failures:
        print(f"failed: {failure}")
    summary = {"files": len(done) + len(failures), "failed": len(failures), "shed": len(SHED), "seconds": {}}
    if SHED:
        print(f"{len(SHED)} requests were told to come back later, and did")
    if done:
        print(f"{'seconds':<10} {'p50':>8} {'p95':>8} {'most':>8}")
    for stage in STAGES if done else ():
        values = [file["seconds"][stage] for file in done]
        figures = {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "most": max(values)}
        summary["seconds"][stage] = figures
        print(f"{stage:<10} {figures['p50']:>8.2f} {figures['p95']:>8.2f} {figures['most']:>8.2f}")
    in_time = sum(1 for file in done if file["seconds"]["completed"] <= limit_seconds)
    summary["in_time"] = in_time
    share = in_time / summary["files"]
    print(f"{in_time} of {summary['files']} files ({share:.1%}) completed within {limit_seconds} s of their PUT")
    return summary


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--url", required=True, help="the API, with its stage on AWS")
    parser.add_argument("--key", default=os.environ.get("TXP_API_KEY"), help="the client's key; else TXP_API_KEY")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of each file")
    parser.add_argument("--files", type=int, default=1, help="how many files")
    parser.add_argument("--parallel", type=int, default=1, help="how many at once")
    parser.add_argument("--seed", type=int, default=1, help="the first file's seed; the next has the next")
    parser.add_argument("--txp", default="txp", help="the program that generates")
    parser.add_argument("--limit-seconds", type=int, default=LIMIT_SECONDS, help="from PUT to completed")
    parser.add_argument("--give-up-seconds", type=int, default=GIVE_UP_SECONDS)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if not options.key:
        parser.error("give the client's key with --key or TXP_API_KEY")
    if min(options.rows, options.files, options.parallel) < 1:
        parser.error("--rows, --files and --parallel are at least 1")
    return options


def main() -> int:
    options = arguments()
    client = Client(options.url, options.key)
    done, failures = [], []
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        begin = time.monotonic()
        files = []
        for number in range(options.files):
            path = Path(work) / f"{number}.csv"
            files.append((path, generate(options.txp, options.rows, options.seed + number, path)))
        size = sum(path.stat().st_size for path, _ in files)
        print(f"{options.files} files of {options.rows} rows, {size:,} bytes, generated in {time.monotonic() - begin:.1f} s")
        sent = [pool.submit(send, client, path, expected, options.give_up_seconds) for path, expected in files]
        for future in concurrent.futures.as_completed(sent):
            try:
                done.append(future.result())
            except Failed as failure:
                failures.append(str(failure))
    summary = report(done, failures, options.limit_seconds)
    if options.json:
        options.json.write_text(json.dumps(summary | {"done": done}, indent=2) + "\n")
    return 0 if summary["in_time"] == summary["files"] else 1


if __name__ == "__main__":
    sys.exit(main())
