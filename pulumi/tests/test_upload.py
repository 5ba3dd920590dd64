"""The first upload that README.md shows, run as it stands against the deployed functions."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .emulator.stack import Stack
from .harness.program import PROGRAM

SHELL_SECONDS_MAX = 60
COMPLETED_SECONDS_MAX = 90
POLL_SECONDS = 0.2

PULUMI = """import json, sys
outputs = json.load(open({outputs!r}))
print(outputs[sys.argv[3]])
"""
AWS = """import boto3, sys
client = boto3.client("apigateway", endpoint_url={endpoint!r}, region_name="us-east-1",
                      aws_access_key_id="test", aws_secret_access_key="test")
print(client.get_api_key(apiKey=sys.argv[4], includeValue=True)["value"])
"""


def commands() -> str:
    readme = (PROGRAM / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"<!-- first-upload -->\n```sh\n(.*?)```", readme, re.DOTALL)
    return block


def stand_in(path: Path, program: str) -> None:
    """A command of the name, for the two command lines that are not needed here."""
    path.write_text(f"#!{sys.executable}\n{program}", encoding="utf-8")
    path.chmod(0o755)


def test_the_first_upload_of_the_readme(stack: Stack, tmp_path: Path) -> None:
    assert os.environ.get("TXP_LAMBDA_DIR"), "package the functions: `cargo xtask package`"
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps(stack.graph.outputs), encoding="utf-8")
    stand_in(tmp_path / "pulumi", PULUMI.format(outputs=str(outputs)))
    stand_in(tmp_path / "aws", AWS.format(endpoint=stack.aws.endpoint))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    shell = ["/bin/bash", "-euo", "pipefail", "-c", commands()]
    done = subprocess.run(  # noqa: S603 what the README says
        shell,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SHELL_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    link = json.loads((tmp_path / "link.json").read_text(encoding="utf-8"))
    assert json.loads(done.stdout)["upload_id"] == link["upload_id"]
    with mappings(stack):
        upload = wait_until(
            lambda: ask(stack, f"/uploads/{link['upload_id']}"),
            lambda document: document["state"] == "completed",
        )
    assert upload["counts"] == {"accepted": 1, "rejected": 0, "duplicates": 0, "conflicts": 0}
    transaction = ask(stack, "/status/t-1")
    assert transaction["status"] == "validated"
    assert transaction["card_last4"] == "4242"
    archived = stack.aws.client("s3").list_objects_v2(Bucket=stack.graph.outputs["archive_bucket"])
    assert archived["KeyCount"] > 0
    assert all(one["Key"].startswith("date=") for one in archived["Contents"])


@contextmanager
def mappings(stack: Stack) -> Iterator[None]:
    """The emulator's own pollers, on for a while: for one row that no function refuses they do."""
    client = stack.aws.client("lambda")
    made = [one.id for one in stack.graph.of("lambda.EventSourceMapping")]
    for uuid in made:
        client.update_event_source_mapping(UUID=uuid, Enabled=True)
    try:
        yield
    finally:
        for uuid in made:
            client.update_event_source_mapping(UUID=uuid, Enabled=False)


def ask(stack: Stack, path: str) -> dict[str, Any]:
    key_id = stack.graph.outputs["api_key_id"]
    gateway = stack.aws.client("apigateway")
    key = gateway.get_api_key(apiKey=key_id, includeValue=True)["value"]
    request = urllib.request.Request(  # noqa: S310 the emulator
        stack.graph.outputs["api_endpoint"] + path, headers={"x-api-key": key}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def wait_until(
    look: Callable[[], dict[str, Any]], is_done: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    until = time.monotonic() + COMPLETED_SECONDS_MAX
    while not is_done(seen := look()):
        assert time.monotonic() < until, f"after {COMPLETED_SECONDS_MAX} s it is still {seen}"
        time.sleep(POLL_SECONDS)
    return seen
