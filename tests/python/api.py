"""Holds the API of `txp serve` to its own OpenAPI description with schemathesis.

usage: api.py TXP WORK_DIR

Starts the server on a free loopback port in a fresh data directory, waits until it answers, runs
every check of schemathesis with a client's key, ends the server by its process and expects it to
end well. The last line is `N passed, N failed`.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
import json
from pathlib import Path

START_LIMIT_SECONDS = 30
STOP_LIMIT_SECONDS = 30
POLL_SECONDS = 0.05
EXAMPLES_PER_OPERATION = 60
SEED = 1


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_it_answers(url: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while True:
        if server.poll() is not None:
            raise SystemExit(f"txp serve ended with {server.returncode} before it answered")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"txp serve did not answer in {START_LIMIT_SECONDS} s: {error}")
        time.sleep(POLL_SECONDS)


def schemathesis(base: str, key: str, work: Path) -> tuple[int, int]:
    report = work / "junit.xml"
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{base}/openapi.json",
        "--url", base, "--header", f"x-api-key:{key}", "--checks", "all",
        "--max-examples", str(EXAMPLES_PER_OPERATION), "--seed", str(SEED),
        "--generation-deterministic", "--no-color",
        "--continue-on-failure", "--report", "junit", "--report-junit-path", str(report),
    ]
    here = Path(__file__).resolve().parent
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(here), "PYTHONDONTWRITEBYTECODE": "1"}
    status = subprocess.run(command, cwd=work, env=environment, check=False).returncode
    return counts(report, status)


def counts(report: Path, status: int) -> tuple[int, int]:
    """Test cases of the report; a failed run has a failure at least. Skipped counts as failed."""
    if not report.is_file():
        return 0, 1
    cases = list(ElementTree.parse(report).iter("testcase"))
    bad = sum(1 for case in cases if any(case.find(tag) is not None for tag in ("failure", "error", "skipped")))
    if status != 0 or not cases:
        bad = max(bad, 1)
    return max(len(cases) - bad, 0), bad


def main() -> int:
    txp, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    data = work / "data"
    # The fingerprint key goes to the user's configuration folder: here, to one of this run.
    environment = {**os.environ, "HOME": str(work), "XDG_CONFIG_HOME": str(work / "config")}
    added = subprocess.run(
        [txp, "clients", "add", "schemathesis", "--merchants", "*", "--data-dir", data, "--json"],
        env=environment, check=True, capture_output=True, text=True,
    )
    key = json.loads(added.stdout)["key"]
    base = f"http://127.0.0.1:{free_port()}"
    with open(work / "serve.log", "wb") as log:
        server = subprocess.Popen(
            [txp, "serve", "--listen", re.sub("^http://", "", base), "--data-dir", data],
            env=environment, stdout=log, stderr=log,
        )
        try:
            wait_until_it_answers(f"{base}/openapi.json", server)
            passed, failed = schemathesis(base, key, work)
        finally:
            server.terminate()
            try:
                ended = server.wait(STOP_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                ended = None
    if ended == 0:
        passed += 1
    else:
        failed += 1
        print(f"txp serve ended with {ended} after SIGTERM, not with 0")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
