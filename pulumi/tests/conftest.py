"""What tests share: graphs of the program under a configuration, each recorded once."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloud.emulator import Emulator

from .emulator.stack import Stack, deploy
from .harness.forks import Ended, Forks
from .harness.graph import Graph, read
from .harness.zips import placeholders

Record = Callable[..., Graph]


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as running:
        yield running


@pytest.fixture(scope="session")
def lambda_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zips to deploy: what was packaged, or stand-ins where a test only looks at settings."""
    given = os.environ.get("TXP_LAMBDA_DIR")
    return Path(given) if given else placeholders(tmp_path_factory.mktemp("lambda"))


@pytest.fixture(scope="session")
def record(forks: Forks, tmp_path_factory: pytest.TempPathFactory, lambda_dir: Path) -> Record:
    """Records the program under a configuration; a copy, so that a test may break it."""
    known: dict[tuple[str, ...], Graph] = {}

    def recorded(region: str = "us-east-1", **config: str) -> Graph:
        arguments = (region, *(f"{key}={value}" for key, value in sorted(config.items())))
        if arguments not in known:
            out = tmp_path_factory.mktemp("graph") / "graph.json"
            result = run_recorder(forks, out, region, lambda_dir, config)
            assert result.returncode == 0, result.stderr
            known[arguments] = read(out)
        return known[arguments].copy()

    return recorded


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running.url


@pytest.fixture(scope="session")
def stack(
    forks: Forks, emulator: str, tmp_path_factory: pytest.TempPathFactory, lambda_dir: Path
) -> Stack:
    """The program as it is, deployed."""
    out = tmp_path_factory.mktemp("deployed") / "graph.json"
    return deploy(forks, emulator, out, "us-east-1", {"lambda_dir": lambda_dir})


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
    forks: Forks, out: Path, region: str, lambda_dir: Path, config: dict[str, str], *more: str
) -> Ended:
    """The program recorded under a configuration."""
    given = {"lambda_dir": str(lambda_dir), **config}
    pairs = [f"{key}={value}" for key, value in given.items()]
    return forks.record(out, "--region", region, *more, *pairs)
