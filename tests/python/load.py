"""Tries tests/load/upload.py against `txp serve`: few rows, to see that it measures and tells.

usage: load.py TXP WORK_DIR

The last line is `N passed, N failed`.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from api import STOP_LIMIT_SECONDS, free_port, wait_until_it_answers

SCRIPT = Path(__file__).resolve().parents[1] / "load" / "upload.py"
ROWS = 200
FILES = 3


def run(base: str, key: str, txp: Path, figures: Path, *more: str) -> int:
    command = [
        sys.executable, SCRIPT, "--url", base, "--rows", str(ROWS), "--files", str(FILES), "--parallel", "2",
        "--txp", txp, "--json", figures, *more,
    ]
    return subprocess.run(command, env=os.environ | {"TXP_API_KEY": key}, check=False).returncode


def check(base: str, key: str, txp: Path, work: Path) -> list[tuple[str, bool]]:
    figures = work / "figures.json"
    ended = run(base, key, txp, figures)
    told = json.loads(figures.read_text())
    rows = [sum(file["counts"].values()) for file in told["done"]]
    stages = set(told["seconds"])
    refused = run(base, "no-such-key", txp, figures)
    return [
        ("ends with 0", ended == 0),
        ("every file is in time", told["in_time"] == FILES and told["failed"] == 0),
        ("every row is counted", rows == [ROWS] * FILES),
        ("each stage has its seconds", stages == {"link", "put", "parsed", "completed"}),
        ("a key that is refused ends with 1", refused == 1),
        ("and is told for each file", json.loads(figures.read_text())["failed"] == FILES),
    ]


def main() -> int:
    txp, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    data = work / "data"
    environment = {**os.environ, "HOME": str(work), "XDG_CONFIG_HOME": str(work / "config")}
    added = subprocess.run(
        [txp, "clients", "add", "load", "--merchants", "*", "--data-dir", data, "--json"],
        env=environment, check=True, capture_output=True, text=True,
    )
    listen = f"127.0.0.1:{free_port()}"
    with open(work / "serve.log", "wb") as log:
        server = subprocess.Popen(
            [txp, "serve", "--listen", listen, "--data-dir", data], env=environment, stdout=log, stderr=log
        )
        try:
            wait_until_it_answers(f"http://{listen}/openapi.json", server)
            results = check(f"http://{listen}", json.loads(added.stdout)["key"], txp, work)
        finally:
            server.terminate()
            server.wait(STOP_LIMIT_SECONDS)
    for name, passed in results:
        if not passed:
            print(f"FAILED: {name}")
    failed = sum(1 for _, passed in results if not passed)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
