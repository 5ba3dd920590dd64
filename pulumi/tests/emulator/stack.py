"""A deployed stack, for tests: what was asked for, and clients to look at what is there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..harness.forks import Forks
from ..harness.graph import Graph, read
from .aws import Aws


@dataclass(frozen=True)
class Stack:
    graph: Graph
    aws: Aws

    @property
    def environment(self) -> str:
        return self.graph.outputs["dynamodb_table_name"].removeprefix("transactions-")

    def role_arn(self, function: str) -> str:
        return self.graph.one("iam.Role", f"{function}-lambda-role").outputs["arn"]

    def statements(self, function: str) -> list[dict[str, object]]:
        """What a function's role is allowed."""
        policy = self.graph.one("iam.RolePolicy", f"{function}-lambda-policy").inputs["policy"]
        return json.loads(policy)["Statement"]


def deploy(
    forks: Forks,
    endpoint: str,
    out: Path,
    region: str,
    config: Mapping[str, object],
    calls: str | None = None,
) -> Stack:
    """The program deployed; `calls` is where its functions send theirs, if not to the endpoint."""
    pairs = [f"{key}={value}" for key, value in config.items()]
    through = ["--calls", calls] if calls else []
    ended = forks.deploy(endpoint, out, "--region", region, *through, *pairs)
    if ended.returncode != 0:
        raise RuntimeError(f"the deployment failed: {ended.stderr}")
    return Stack(read(out), Aws(endpoint, region))
