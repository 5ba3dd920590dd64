"""Mocks that make every resource on the emulator.

`python -m tests.emulator.deployer ENDPOINT OUT.json [--region R] [--calls URL] [key=value ...]`
deploys the program and writes the graph, with what the emulator answered. URL is where functions
send their calls, if not to the emulator: to proxies before it.

What differs from what is asked for: mappings and schedules are off (the emulator's pollers drop
what a function reports as failed; a test drives them), and policies of resources are as
`policies.for_emulator` says.
"""

import argparse
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pulumi

from ..harness import program
from ..harness.graph import short
from ..harness.monitor import plain
from ..harness.recorder import CONCURRENCY, invoked
from . import compute, data, gateway, identity, insight, storage
from .aws import ACCOUNT, Aws, Inputs, Made

Handler = Callable[[Aws, str, Inputs], Made]

HANDLERS: dict[str, Handler] = {
    **storage.HANDLERS,
    **data.HANDLERS,
    **identity.HANDLERS,
    **compute.HANDLERS,
    **gateway.HANDLERS,
    **insight.HANDLERS,
}


class Deployer(pulumi.runtime.Mocks):
    """Makes one resource at a time, in the order that the program's dependencies leave open."""

    def __init__(self, aws: Aws):
        self.aws = aws
        self.lock = threading.Lock()

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        return invoked(args.token, ACCOUNT, self.aws.region, CONCURRENCY), []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.custom:
            return args.name, args.inputs
        handler = HANDLERS.get(short(args.typ))
        if handler is None:
            raise NotImplementedError(f"no handler makes the type {args.typ} of {args.name}")
        with self.lock:
            try:
                made = handler(self.aws, args.name, plain(args.inputs))
            except Exception as error:
                raise RuntimeError(f"{args.typ} {args.name}: {error}") from error
        return made.id, {**args.inputs, **made.outputs}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("out", type=Path)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--calls")
    parser.add_argument("config", nargs="*", help="key=value")
    given = parser.parse_intermixed_args(arguments)
    config = dict(pair.split("=", 1) for pair in given.config)
    deployer = Deployer(Aws(given.endpoint, given.region, calls=given.calls))
    graph = program.run(deployer, config, ACCOUNT, given.region)
    graph.write(given.out)
    made = sum(1 for _ in graph.custom())
    print(f"{made} resources made", file=sys.stderr)


if __name__ == "__main__":
    main()
