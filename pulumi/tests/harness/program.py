"""Runs the program once, in this process. Pulumi's state is global: one process per run."""

import asyncio
import logging
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.stack import run_pulumi_func

from .graph import Graph
from .monitor import RecordingMonitor, plain

PROGRAM = Path(__file__).resolve().parents[2]
PROJECT = "transaction-processor"
STACK = "test"


class Messages(logging.Handler):
    """What the program tells whoever deploys."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.levelname.lower()}: {record.getMessage()}")


def run(mocks: pulumi.runtime.Mocks, config: Mapping[str, str], account: str, region: str) -> Graph:
    """What the program asked for and exports, every output resolved."""
    # Pulumi binds its futures to the loop that is there when the mocks are set.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    logger, messages = logging.getLogger("program"), Messages()
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(messages)
    monitor = RecordingMonitor(mocks)
    pulumi.runtime.set_mocks(
        mocks, project=PROJECT, stack=STACK, preview=False, monitor=monitor, logger=logger
    )
    pulumi.runtime.set_all_config({f"{PROJECT}:{key}": value for key, value in config.items()})
    sys.path.insert(0, str(PROGRAM))

    def program() -> None:
        runpy.run_path(str(PROGRAM / "__main__.py"), run_name="__main__")

    async def resolve() -> dict[str, Any]:
        await run_pulumi_func(program)
        root = pulumi.runtime.get_root_resource()
        exports: dict[str, Any] = vars(root)["outputs"]
        return {
            key: plain(await pulumi.Output.from_input(value).future())
            for key, value in exports.items()
        }

    outputs = loop.run_until_complete(resolve())
    return Graph(monitor.recorded, outputs, monitor.completed, account, region, messages.texts)
