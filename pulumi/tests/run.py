"""The checks of the deployment: `python -m tests.run [--tables PROGRAM] [--lambda-dir DIR]`.

Types, lint, then the tests. The last line counts them: `N passed, N failed`; a check of types or
lint counts as one. What the tests compare with that is built is given by path; without it they fail
and say how to make it.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from .harness.program import PROGRAM

TOOLS = {
    "types": ["-m", "basedpyright", "--pythonpath", sys.executable],
    "lint": ["-m", "ruff", "check", "--no-cache", "."],
    "format": ["-m", "ruff", "format", "--no-cache", "--check", "."],
}


class Tally:
    """Counts what pytest tells of each test; what never began counts as failed."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def pytest_runtest_logreport(self, report) -> None:
        if report.when == "call" and report.passed:
            self.passed += 1
        elif report.failed or report.skipped:
            self.failed += 1

    def pytest_collectreport(self, report) -> None:
        if report.failed:
            self.failed += 1


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lambda-dir", type=Path, help="packed functions to deploy")
    parser.add_argument("--tables", type=Path, help="the program that prints the tables")
    given = parser.parse_args()
    for variable, path in (("TXP_LAMBDA_DIR", given.lambda_dir), ("TXP_TABLES", given.tables)):
        if path is not None:
            os.environ[variable] = str(path.resolve())
    tally = Tally()
    for name, arguments in TOOLS.items():
        print(f"-- {name}", flush=True)
        done = subprocess.run([sys.executable, *arguments], cwd=PROGRAM, check=False)  # noqa: S603
        tally.passed += done.returncode == 0
        tally.failed += done.returncode != 0
    print("-- tests", flush=True)
    import pytest

    os.chdir(PROGRAM)
    code = pytest.main(["-q", "-p", "no:cacheprovider"], plugins=[tally])
    if code != 0 and tally.failed == 0:
        tally.failed = 1
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 0 if tally.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
