"""A deployed stack, for tests: what was asked for, and clients to look at what is there."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..harness.graph import Graph, read
from ..harness.program import PROGRAM
from .aws import Aws

DEPLOY_SECONDS_MAX = 300


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
    endpoint: str, out: Path, lambda_dir: Path, region: str, config: Mapping[str, str]
) -> Stack:
    """The program deployed in a process of its own: Pulumi's state is global."""
    pairs = [f"{key}={value}" for key, value in {"lambda_dir": lambda_dir, **config}.items()]
    result = subprocess.run(  # noqa: S603 the tests' own interpreter
        [
            sys.executable,
            "-m",
            "tests.emulator.deployer",
            endpoint,
            out,
            "--region",
            region,
            *pairs,
        ],
        cwd=PROGRAM,
        capture_output=True,
        text=True,
        timeout=DEPLOY_SECONDS_MAX,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"the deployment failed: {result.stderr}")
    return Stack(read(out), Aws(endpoint, region))
