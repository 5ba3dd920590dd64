"""Runs the program again and again without loading Pulumi each time.

Loading it takes seconds, and its state is global, so that a run needs a process of its own: one
process loads it and forks for each run. `python -m tests.harness.forks` is that process; it reads
what to run as lines of JSON and answers each with a line.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PROGRAM = Path(__file__).resolve().parents[2]
RUN_SECONDS_MAX = 300
STOP_SECONDS_MAX = 10

Main = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Ended:
    returncode: int
    stderr: str


class Forks:
    """The process that has loaded Pulumi; one run at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.forks"],
            cwd=PROGRAM,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def record(self, *arguments: object) -> Ended:
        """What `tests.harness.recorder` takes."""
        return self._run("record", arguments)

    def deploy(self, *arguments: object) -> Ended:
        """What `tests.emulator.deployer` takes."""
        return self._run("deploy", arguments)

    def _run(self, what: str, arguments: Sequence[object]) -> Ended:
        asked = {"what": what, "arguments": [str(one) for one in arguments]}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def forked(main: Main, arguments: Sequence[str]) -> Ended:
    """Calls `main` in a fork of this process; what it prints is handed back."""
    with tempfile.TemporaryFile("w+") as told:
        child = os.fork()
        if child == 0:
            in_child(main, arguments, told)
        _, status = os.waitpid(child, 0)
        told.seek(0)
        return Ended(os.waitstatus_to_exitcode(status), told.read())


def in_child(main: Main, arguments: Sequence[str], told: IO[str]) -> None:
    """Never comes back."""
    code = 1
    try:
        os.dup2(told.fileno(), 1)
        os.dup2(told.fileno(), 2)
        # Ends a run that hangs.
        signal.alarm(RUN_SECONDS_MAX)
        main(arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    # Whatever is loaded here is not loaded again by any run.
    import transaction_processor  # noqa: F401

    from ..emulator import deployer
    from . import recorder

    mains: dict[str, Main] = {"record": recorder.main, "deploy": deployer.main}
    for line in sys.stdin:
        asked = json.loads(line)
        ended = forked(mains[asked["what"]], asked["arguments"])
        print(json.dumps({"returncode": ended.returncode, "stderr": ended.stderr}), flush=True)


if __name__ == "__main__":
    serve()
