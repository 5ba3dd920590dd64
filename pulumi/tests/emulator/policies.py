"""Evaluates policy documents as IAM does: a denial wins, without a permission nothing is allowed.

For services whose calls the emulator does not check, and for policies of resources. An operator
that it does not know is an error, never a silent yes.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

Json = Any
Context = Mapping[str, str]


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    parts = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    flags = re.IGNORECASE if ignore_case else 0
    return re.fullmatch(".*".join(parts), value, flags | re.DOTALL) is not None


def as_list(value: Json) -> list[str]:
    return value if isinstance(value, list) else [value]


def holds(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    found = context.get(key)
    if operator in ("ArnNotEquals", "StringNotEquals"):
        return found is None or not any(matches(one, found) for one in wanted)
    if found is None:
        # A key that the request does not have matches nothing.
        return False
    match operator:
        case "StringEquals" | "Bool":
            return found in wanted
        case "StringLike" | "ArnEquals" | "ArnLike":
            return any(matches(one, found) for one in wanted)
        case "NumericLessThan":
            return any(float(found) < float(one) for one in wanted)
        case _:
            raise NotImplementedError(f"the condition {operator} is not known here")


def applies(statement: Json, action: str, resource: str, context: Context) -> bool:
    if unknown := set(statement) - {
        "Sid",
        "Effect",
        "Action",
        "Resource",
        "Condition",
        "Principal",
    }:
        raise NotImplementedError(f"{sorted(unknown)} of a statement are not known here")
    return (
        any(matches(one, action, ignore_case=True) for one in as_list(statement["Action"]))
        and any(matches(one, resource) for one in as_list(statement["Resource"]))
        and all(
            holds(operator, key, as_list(wanted), context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def decide(
    statements: Iterable[Json], action: str, resource: str, context: Context | None = None
) -> str:
    """`allow`, `deny` (by a statement) or `none` (no statement says anything)."""
    effects = {
        statement["Effect"]
        for statement in statements
        if applies(statement, action, resource, context or {})
    }
    if "Deny" in effects:
        return "deny"
    return "allow" if "Allow" in effects else "none"


def for_emulator(policy: str) -> str:
    """A resource's policy as the emulator must have it to mean the same.

    It has no TLS, so denials of requests without TLS go. AWS gives a session's role as the
    principal where a condition asks; the emulator gives the session, so that is taken too.
    """
    document = json.loads(policy)
    transport = {"aws:SecureTransport", "s3:TlsVersion"}
    kept: list[Json] = []
    for statement in document["Statement"]:
        conditions = statement.get("Condition", {}).values()
        if transport & {key for keys in conditions for key in keys}:
            continue
        for keys in conditions:
            if "aws:PrincipalArn" in keys:
                roles = as_list(keys["aws:PrincipalArn"])
                keys["aws:PrincipalArn"] = roles + [sessions(role) for role in roles]
        kept.append(statement)
    return json.dumps({**document, "Statement": kept})


# What AWS authorises as the first, the emulator authorises as the second too.
EMULATOR_ACTIONS = {"sns:Publish": "sns:PublishBatch"}


def role_for_emulator(policy: str) -> str:
    """A role's policy as the emulator must have it to mean the same."""
    document = json.loads(policy)
    for statement in document["Statement"]:
        actions = as_list(statement["Action"])
        more = [EMULATOR_ACTIONS[one] for one in actions if one in EMULATOR_ACTIONS]
        statement["Action"] = [*actions, *more]
    return json.dumps(document)


def sessions(role_arn: str) -> str:
    """Every session of a role."""
    return role_arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/*"
