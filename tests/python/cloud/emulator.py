"""The emulator, with IAM enforced, and clients for it."""

import os
import sys
from pathlib import Path

import botocore.config
import botocore.session

from . import processes

REGION = "us-east-1"
ROOT = ("test", "test")
# Lambda tries an asynchronous event again after one and two minutes; here after a tenth of a second.
ASYNC_RETRY_SECONDS = 0.1
# Drivers call functions that may run as long as the slowest one.
READ_TIMEOUT_SECONDS = 330


class Emulator(processes.Process):
    """Functions run as its children; what they call is what their own environment says."""

    def __init__(self, work):
        port = processes.free_port()
        self.url = f"http://127.0.0.1:{port}"
        here = Path(__file__).resolve().parent
        super().__init__(
            [sys.executable, here / "launch.py"],
            f"{self.url}/_ministack/health",
            Path(work) / "emulator.log",
            # No AWS_ENDPOINT_URL: its own would be forced on the functions, past the faults.
            processes.bare_environment(
                GATEWAY_PORT=port,
                BIND_HOST="127.0.0.1",
                MINISTACK_HOST="127.0.0.1",
                AUTH="true",
                LAMBDA_EXECUTOR="local",
                LAMBDA_ASYNC_RETRY_BASE_SECONDS=ASYNC_RETRY_SECONDS,
                LAMBDA_ASYNC_RETRY_MAX_SECONDS=ASYNC_RETRY_SECONDS * 4,
                SFTP_ENABLED=0,
                IOT_MTLS_ENABLED=0,
                PYTHONDONTWRITEBYTECODE=1,
                TMPDIR=_made(Path(work) / "emulator"),
            ),
        )
        self._session = botocore.session.get_session()
        self._clients = {}

    def client(self, service):
        """A client with root's credentials; tests look and deploy with it, functions never."""
        if service not in self._clients:
            self._clients[service] = self.client_as(service, *ROOT)
        return self._clients[service]

    def client_as(self, service, key, secret, token=None):
        config = botocore.config.Config(
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            read_timeout=READ_TIMEOUT_SECONDS,
            max_pool_connections=64,
        )
        return self._session.create_client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=config,
        )

    def function_processes(self, function):
        """Ids of the processes that run a function now: children of this emulator, of that name."""
        found = []
        wanted = f"AWS_LAMBDA_FUNCTION_NAME={function}".encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                status = Path("/proc", entry, "status").read_text()
                environment = Path("/proc", entry, "environ").read_bytes()
            except OSError:
                continue
            if f"\nPPid:\t{self.pid}\n" in status and wanted in environment.split(b"\0"):
                found.append(int(entry))
        return found


def _made(path):
    path.mkdir(parents=True, exist_ok=True)
    return path
