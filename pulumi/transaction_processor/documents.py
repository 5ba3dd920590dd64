"""Policy documents: statements as values, written out as JSON in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pulumi

VERSION = "2012-10-17"

Principal: TypeAlias = str | Mapping[str, str | Sequence[str]]
Condition: TypeAlias = Mapping[str, Mapping[str, pulumi.Input[str] | Sequence[pulumi.Input[str]]]]


@dataclass(frozen=True)
class Statement:
    """What is allowed (or denied), to whom, on what, and when."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]
    condition: Condition = field(default_factory=dict[str, Mapping[str, str]])
    effect: str = "Allow"
    # Only in policies of resources; those of roles are the role's.
    principal: Principal | None = None

    def to_json(self) -> dict[str, object]:
        body: dict[str, object] = {
            "Sid": self.sid,
            "Effect": self.effect,
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        if self.principal is not None:
            body["Principal"] = self.principal
        if self.condition:
            body["Condition"] = self.condition
        return body


def document(statements: Sequence[Statement]) -> pulumi.Output[str]:
    """The policy document of these statements."""
    return pulumi.Output.json_dumps(
        {"Version": VERSION, "Statement": [statement.to_json() for statement in statements]}
    )


def trust(service: str) -> pulumi.Output[str]:
    """The policy by which a service may take on a role."""
    return pulumi.Output.json_dumps(
        {
            "Version": VERSION,
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    )
