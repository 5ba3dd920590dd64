"""Processes of this run: on free loopback ports, awaited, ended by their own id."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

START_LIMIT_SECONDS = 60
STOP_LIMIT_SECONDS = 20
POLL_SECONDS = 0.05


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A server that is ready once `url` answers anything at all."""

    def __init__(self, command, url, log, environment):
        self.name = str(command[-1])
        self._log = open(log, "wb")
        self._process = subprocess.Popen(
            [str(part) for part in command], env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        self.pid = self._process.pid
        try:
            self._wait(url, log)
        except BaseException:
            self.end()
            raise

    def _wait(self, url, log):
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while True:
            if self._process.poll() is not None:
                raise SystemExit(f"{self._process.args} ended with {self._process.returncode} before it answered: see {log}")
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except urllib.error.HTTPError:
                return
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline:
                    raise SystemExit(f"no answer from {url} in {START_LIMIT_SECONDS} s: {error}") from error
            time.sleep(POLL_SECONDS)

    def end(self):
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        return self._process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def bare_environment(**variables):
    """Nothing of this machine's environment but the path: what a server inherits, it hands on."""
    return {"PATH": os.environ["PATH"], **{name: str(value) for name, value in variables.items()}}


def wait_until(condition, limit_seconds, what, poll_seconds=POLL_SECONDS):
    """Waits for a condition to hold and gives its value; past the limit it is an error."""
    deadline = time.monotonic() + limit_seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit_seconds} s: {what}")
        time.sleep(poll_seconds)
