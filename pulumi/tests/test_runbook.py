"""Every command of AWS in RUNBOOK.md is one that there is, and finds what it names: run by the AWS
command line against a deployment of its own. A second emulator is asked of the dashboards.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from cloud import processes

from .emulator import insight
from .emulator.aws import Aws
from .emulator.stack import Stack, deploy
from .harness.forks import Forks
from .harness.program import PROGRAM

RUNBOOK = PROGRAM.parent / "RUNBOOK.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
ENVIRONMENT = "runbook"
# The interpreter with the second emulator and the AWS command line.
SECOND = "TXP_SECOND"
DRIVER = Path(__file__).parent / "harness/commands.py"
COMMANDS_SECONDS_MAX = 240


def commands() -> list[str]:
    lines = [
        line for block in BLOCK.findall(RUNBOOK.read_text("utf-8")) for line in block.split("\n")
    ]
    return list(dict.fromkeys(line for line in lines if line.startswith("aws ")))


@pytest.fixture(scope="module")
def second() -> str:
    given = os.environ.get(SECOND)
    assert given, f"{SECOND} names no interpreter: `cargo xtask ci --only pulumi` makes one"
    return given


@pytest.fixture(scope="module")
def deployed(
    forks: Forks, emulator: str, lambda_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Stack:
    """Of its own: what a runbook does changes things."""
    out = tmp_path_factory.mktemp("runbook") / "graph.json"
    config = {"lambda_dir": lambda_dir, "env": ENVIRONMENT}
    return deploy(forks, emulator, out, "us-east-1", config)


def test_every_command_of_the_runbook_is_one(deployed: Stack, emulator: str, second: str) -> None:
    mapping, *_ = deployed.aws.client("lambda").list_event_source_mappings(
        FunctionName=deployed.graph.outputs["functions"]["aggregator"]
    )["EventSourceMappings"]
    written = commands()
    assert len(written) > 20
    values = {"$ENV": ENVIRONMENT, "$SINCE": "1767225600000", "MAPPING_ID": mapping["UUID"]}
    filled = written
    for name, value in values.items():
        filled = [line.replace(name, value) for line in filled]
    given = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL": emulator,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
    }
    done = subprocess.run(  # noqa: S603 an interpreter that the checks made
        [second, DRIVER],
        input=json.dumps(filled),
        env=given,
        capture_output=True,
        text=True,
        timeout=COMMANDS_SECONDS_MAX,
        check=True,
    )
    faults = [
        f"{line}: {err.strip()}"
        for line, (code, _, err) in zip(written, json.loads(done.stdout), strict=True)
        # `aws s3 ls` says by 1 that nothing is there, which is what one hopes for.
        if code != 0 and not (line.startswith("aws s3 ls") and code == 1 and not err)
    ]
    assert faults == []


@pytest.fixture
def moto(second: str, tmp_path: Path) -> Iterator[str]:
    port = processes.free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [second, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    environment = {"PATH": os.environ["PATH"]}
    running = processes.Process(
        command, f"{endpoint}/moto-api/data.json", tmp_path / "moto.log", environment
    )
    try:
        yield endpoint
    finally:
        running.end()


def test_a_second_emulator_takes_the_dashboards_and_alarms(deployed: Stack, moto: str) -> None:
    cloudwatch = boto3.client(
        "cloudwatch",
        endpoint_url=moto,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 nobody's
    )
    dashboards = deployed.graph.of("cloudwatch.Dashboard")
    assert {one.name for one in dashboards} == {
        f"{name}-dashboard" for name in ("operations", "business", "cost")
    }
    for one in dashboards:
        answer = cloudwatch.put_dashboard(
            DashboardName=one.inputs["dashboardName"], DashboardBody=one.inputs["dashboardBody"]
        )
        assert not answer.get("DashboardValidationMessages")
    alarms = deployed.graph.of("cloudwatch.MetricAlarm")
    for one in alarms:
        insight.alarm(Aws(moto, "us-east-1"), one.name, one.inputs)
    there = cloudwatch.describe_alarms(MaxRecords=100)["MetricAlarms"]
    assert len(there) == len(alarms) > 10
    for alarm in there:
        assert alarm["TreatMissingData"] in {"breaching", "notBreaching"}
        assert alarm.get("MetricName") or alarm["Metrics"]


def test_a_second_emulator_refuses_what_is_no_dashboard(moto: str) -> None:
    cloudwatch = boto3.client(
        "cloudwatch",
        endpoint_url=moto,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 nobody's
    )
    with pytest.raises(cloudwatch.exceptions.DashboardInvalidInputError):
        cloudwatch.put_dashboard(DashboardName="a", DashboardBody="{")
