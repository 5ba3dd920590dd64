"""Starts the emulator, an own process on a free port of the loopback, with IAM enforced."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..harness.program import PROGRAM

# Mends what would make every function look wrong; the end-to-end test starts it so too.
LAUNCHER = PROGRAM.parent / "tests/python/cloud/launch.py"
START_SECONDS_MAX = 60
POLL_SECONDS = 0.05
STOP_SECONDS_MAX = 10


@contextmanager
def ministack(work: Path, *, enforced: bool = True) -> Iterator[str]:
    """The endpoint of a running emulator, gone afterwards."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    # Nothing of this process's environment: it would leak into the functions.
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "TMPDIR": str(work),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "AWS_ENDPOINT_URL": endpoint,
        "LAMBDA_EXECUTOR": "local",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true" if enforced else "false",
    }
    with (work / "ministack.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 the tests' own interpreter
            [sys.executable, str(LAUNCHER)],
            env=environment,
            cwd=work,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_healthy(endpoint, process)
            yield endpoint
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_healthy(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the emulator ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=1):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_SECONDS)
    raise TimeoutError(f"the emulator is not healthy after {START_SECONDS_MAX} s")
