"""What AWS refuses and the emulator takes."""

import json
from collections.abc import Sequence
from typing import Any

from .aws import Aws
from .policies import decide, matches


def statements_of(aws: Aws, function: str) -> list[dict[str, Any]]:
    """The policy of a function as a resource: who may call it."""
    client = aws.client("lambda")
    try:
        return json.loads(client.get_policy(FunctionName=function)["Policy"])["Statement"]
    except client.exceptions.ResourceNotFoundException:
        return []


def may_call(statement: dict[str, Any], principal: str, source_arn: str) -> bool:
    condition = statement.get("Condition", {})
    given = [
        value
        for operator in ("ArnLike", "ArnEquals")
        for key, value in condition.get(operator, {}).items()
        if key.lower() == "aws:sourcearn"
    ]
    return statement["Principal"] == {"Service": principal} and any(
        matches(pattern, source_arn) for pattern in given
    )


def needs_permission(aws: Aws, function: str, principal: str, source_arn: str) -> None:
    """AWS tries whether it may call when it is told to."""
    statements = statements_of(aws, function)
    if not any(may_call(statement, principal, source_arn) for statement in statements):
        raise PermissionError(f"{principal} may not call {function} for {source_arn}")


def needs_source(aws: Aws, function: str, source_arn: str, actions: Sequence[str]) -> None:
    """AWS tries whether the function's role may read a mapping's source when it is made."""
    role = aws.client("lambda").get_function_configuration(FunctionName=function)["Role"]
    statements = role_statements(aws, role.rpartition("/")[2])
    denied = [one for one in actions if decide(statements, one, source_arn) != "allow"]
    if denied:
        raise PermissionError(f"{role} may not {denied} on {source_arn}")


def role_statements(aws: Aws, role: str) -> list[dict[str, Any]]:
    """Everything that a role's own policies say."""
    iam = aws.client("iam")
    found: list[dict[str, Any]] = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        document = json.loads(document) if isinstance(document, str) else document
        found += document["Statement"]
    return found
