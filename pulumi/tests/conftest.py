"""What tests share: graphs of the program under a configuration, each recorded once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .emulator.ministack import ministack
from .emulator.stack import Stack, deploy
from .harness.graph import Graph, read
from .harness.program import PROGRAM
from .harness.zips import placeholders

RECORD_SECONDS_MAX = 120

Record = Callable[..., Graph]


@pytest.fixture(scope="session")
def lambda_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zips to deploy: what was packaged, or stand-ins where a test only looks at settings."""
    given = os.environ.get("TXP_LAMBDA_DIR")
    return Path(given) if given else placeholders(tmp_path_factory.mktemp("lambda"))


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory, lambda_dir: Path) -> Record:
    """Records the program under a configuration; a copy, so that a test may break it."""
    known: dict[tuple[str, ...], Graph] = {}

    def recorded(region: str = "us-east-1", **config: str) -> Graph:
        arguments = (region, *(f"{key}={value}" for key, value in sorted(config.items())))
        if arguments not in known:
            out = tmp_path_factory.mktemp("graph") / "graph.json"
            result = run_recorder(out, region, lambda_dir, config)
            assert result.returncode == 0, result.stderr
            known[arguments] = read(out)
        return known[arguments].copy()

    return recorded


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("ministack")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def stack(emulator: str, tmp_path_factory: pytest.TempPathFactory, lambda_dir: Path) -> Stack:
    """The program as it is, deployed."""
    out = tmp_path_factory.mktemp("deployed") / "graph.json"
    return deploy(emulator, out, lambda_dir, "us-east-1", {})


DASHBOARD = {
    "widgets": [
        {
            "type": "metric",
            "x": 0,
            "y": 0,
            "width": 12,
            "height": 6,
            "properties": {
                "region": "${region}",
                "title": "Age of the oldest record",
                "metrics": [
                    [
                        "AWS/Lambda",
                        "IteratorAge",
                        "FunctionName",
                        "aggregator-lambda-${environment}",
                    ]
                ],
            },
        }
    ]
}
ALARMS = {
    "alarms": [
        {
            "name": "lag",
            "description": "The state is far behind in ${environment}",
            "namespace": "AWS/Lambda",
            "metric": "IteratorAge",
            "dimensions": {"FunctionName": "aggregator-lambda-${environment}"},
            "statistic": "Maximum",
            "period_seconds": 60,
            "periods": 5,
            "comparison": "GreaterThanThreshold",
            "threshold": 60000,
            "missing_data": "notBreaching",
        }
    ],
    "composites": [
        {"name": "merchants-wait", "description": "Files take long", "rule": "ALARM(lag)"}
    ],
}


@pytest.fixture(scope="session")
def dashboards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of dashboards and alarms."""
    folder = tmp_path_factory.mktemp("dashboards")
    (folder / "operations.json").write_text(json.dumps(DASHBOARD), encoding="utf-8")
    (folder / "alarms.json").write_text(json.dumps(ALARMS), encoding="utf-8")
    return folder


def run_recorder(
    out: Path, region: str, lambda_dir: Path, config: dict[str, str], *more: str
) -> subprocess.CompletedProcess[str]:
    """The recorder in a process of its own: Pulumi's state is global."""
    given = {"lambda_dir": str(lambda_dir), **config}
    command = [sys.executable, "-m", "tests.harness.recorder", str(out), "--region", region]
    pairs = [f"{key}={value}" for key, value in given.items()]
    return subprocess.run(  # noqa: S603 the tests' own interpreter
        [*command, *more, *pairs],
        cwd=PROGRAM,
        capture_output=True,
        text=True,
        timeout=RECORD_SECONDS_MAX,
        check=False,
    )
