"""Webhooks: who is told is a secret, of the one function that tells."""

import json

from ..harness.graph import Graph
from .identity import allow, bearers
from .rule import Rule, put

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 of the specification's example
URL = "https://shop.example/hook"
WEBHOOKS = json.dumps(
    [
        {"name": "shop", "url": URL, "secrets": [SECRET], "events": ["uploads"]},
        {"name": "rota", "url": "https://rota.example/", "secrets": [SECRET], "events": ["alerts"]},
    ]
)
SENDER = "anomaly-lambda"
AGGREGATOR = "aggregator-lambda"


def secret(graph: Graph) -> list[str]:
    made = graph.one("secretsmanager.Secret", "webhooks")
    version = graph.one("secretsmanager.SecretVersion", "webhooks-version")
    faults: list[str] = []
    if not made.inputs.get("kmsKeyId"):
        faults.append(f"{made}: is not under our key")
    if "secretString" not in version.secrets:
        faults.append(f"{version}: is in the open")
    others = [resource.inputs for resource in graph.resources if resource != version]
    if SECRET in json.dumps([others, graph.outputs]):
        faults.append("a secret is told elsewhere too")
    readers = bearers(graph, "secretsmanager:GetSecretValue", made.outputs["arn"])
    if readers != [f"{SENDER}-policy"]:
        faults.append(f"{made}: is read by {readers}")
    return faults


def sender(graph: Graph) -> list[str]:
    """What one function writes down the other must find."""
    variables = {
        name: graph.one("lambda.Function", name).inputs["environment"]["variables"]
        for name in (SENDER, AGGREGATOR)
    }
    faults: list[str] = []
    named = graph.one("secretsmanager.Secret", "webhooks").outputs["arn"]
    if variables[SENDER].get("WEBHOOKS_SECRET") != named:
        faults.append("anomaly does not know whom to tell")
    uploads = variables[AGGREGATOR]["UPLOADS_TABLE"]
    if variables[SENDER].get("UPLOADS_TABLE") != uploads:
        faults.append("anomaly does not know which uploads have ended")
    if not variables[AGGREGATOR].get("TELL_UPLOAD_ENDS"):
        faults.append("aggregator does not say which uploads have ended")
    arn = graph.one("dynamodb.Table", "uploads").outputs["arn"]
    for action, place in (("Query", f"{arn}/index/by_due"), ("Query", arn), ("UpdateItem", arn)):
        if f"{SENDER}-policy" not in bearers(graph, f"dynamodb:{action}", place):
            faults.append(f"anomaly may not {action} {place}")
    return faults


def _told_by_another(graph: Graph) -> None:
    arn = graph.one("secretsmanager.Secret", "webhooks").outputs["arn"]
    policy = graph.one("iam.RolePolicy", "api-lambda-policy").inputs
    more = json.loads(allow(["secretsmanager:GetSecretValue"], [arn]))["Statement"]
    document = json.loads(policy["policy"])
    policy["policy"] = json.dumps({"Statement": document["Statement"] + more})


def _in_the_open(graph: Graph) -> None:
    graph.one("secretsmanager.SecretVersion", "webhooks-version").secrets = []


def _exported(graph: Graph) -> None:
    graph.outputs["webhooks"] = WEBHOOKS


def _policy_without(action: str):
    def broken(graph: Graph) -> None:
        inputs = graph.one("iam.RolePolicy", f"{SENDER}-policy").inputs
        inputs["policy"] = inputs["policy"].replace(action, "dynamodb:Nothing")

    return broken


WITH_WEBHOOKS = {"webhooks": WEBHOOKS}

RULES = [
    Rule(
        "who is told over webhooks is a secret of the function that tells",
        secret,
        {
            "no key": put("secretsmanager.Secret", "kmsKeyId", None, "webhooks"),
            "no secret": _in_the_open,
            "exported": _exported,
            "api has it": _told_by_another,
        },
        WITH_WEBHOOKS,
    ),
    Rule(
        "the function that tells finds what is to be told",
        sender,
        {
            "no secret": put(
                "lambda.Function", "environment.variables.WEBHOOKS_SECRET", None, SENDER
            ),
            "no uploads": put(
                "lambda.Function", "environment.variables.UPLOADS_TABLE", None, SENDER
            ),
            "no ends": put(
                "lambda.Function", "environment.variables.TELL_UPLOAD_ENDS", None, AGGREGATOR
            ),
            "it may not look": _policy_without("dynamodb:Query"),
            "it may not mark": _policy_without("dynamodb:UpdateItem"),
        },
        WITH_WEBHOOKS,
    ),
]
