"""How the program is put together: components, parents, names, tags, outputs."""

import inspect
import json
import re
from functools import cache

import pulumi_aws

from ..harness.graph import Graph, Resource, short
from .rule import Rule, drop, put

TAGS = {"Environment": "production", "Project": "transaction-processor"}
COMPONENTS = {
    "TapStack",
    "Keys",
    "Storage",
    "Stream",
    "Tables",
    "Alerts",
    "SecretKey",
    "Functions",
    "Api",
    "Clients",
    "Analytics",
    "Observability",
}
SECRET_KEYS = ("fingerprint-key", "receipt-key")
OUTPUTS = {
    "bucket_name",
    "dynamodb_table_name",
    "sns_topic_arn",
    "api_endpoint",
    "api_key_id",
    "stream_name",
    "archive_bucket",
    "dashboard_urls",
}
# Of these the name is not ours to give, or is a part of something that is named.
NAMED_BY_OTHERS = {
    "cloudwatch.LogGroup",
    "glue.CatalogTable",
    "iam.RolePolicy",
    "kms.Alias",
    "apigateway.Response",
}


@cache
def arguments(type_: str) -> frozenset[str]:
    """What a resource of the provider can be given."""
    module, name = short(type_).split(".")
    module = {"lambda": "lambda_"}.get(module, module)
    resource = getattr(getattr(pulumi_aws, module), name)
    return frozenset(inspect.signature(resource._internal_init).parameters)


def taggable(resource: Resource) -> bool:
    return resource.custom and "tags" in arguments(resource.type)


def tags(graph: Graph) -> list[str]:
    return [
        f"{resource}: tags are {resource.inputs.get('tags')}"
        for resource in graph.custom()
        if taggable(resource) and resource.inputs.get("tags") != TAGS
    ]


def parents(graph: Graph) -> list[str]:
    components = {resource.urn: resource for resource in graph.resources if not resource.custom}
    faults: list[str] = []
    for resource in graph.resources:
        is_root = resource.type.endswith(":TapStack")
        if not is_root and resource.parent not in components:
            faults.append(f"{resource}: its parent is no component")
        if resource.urn in components and resource.urn not in graph.completed:
            faults.append(f"{resource}: registers no outputs")
    kinds = {resource.type.rpartition(":")[2] for resource in components.values()}
    return faults + [f"there is no component {name}" for name in sorted(COMPONENTS - kinds)]


def environment_of(graph: Graph) -> str:
    return graph.outputs["dynamodb_table_name"].removeprefix("transactions-")


def names(graph: Graph) -> list[str]:
    environment = environment_of(graph)
    faults: list[str] = []
    for resource in graph.custom():
        kind = short(resource.type)
        if kind in NAMED_BY_OTHERS or "name" not in arguments(resource.type):
            continue
        name = str(resource.inputs.get("name", ""))
        ending = f"-{environment}"
        if kind == "glue.CatalogDatabase":
            # Athena takes no dash in a name without quotes.
            ending = ending.replace("-", "_")
        if not name.endswith(ending) or name == ending:
            faults.append(f"{resource}: is called `{name}`")
    return faults


def outputs(graph: Graph) -> list[str]:
    return [
        f"{name} is not exported, or is nothing"
        for name in sorted(OUTPUTS)
        if graph.outputs.get(name) is None
    ]


def no_secret_in_the_open(graph: Graph) -> list[str]:
    return [
        fault
        for name in SECRET_KEYS
        for fault in in_the_open(
            graph, graph.one("secretsmanager.SecretVersion", f"{name}-version")
        )
    ]


def in_the_open(graph: Graph, version: Resource) -> list[str]:
    faults: list[str] = []
    key = version.inputs["secretString"]
    if "secretString" not in version.secrets:
        faults.append(f"{version}: the key is in the open")
    if not re.fullmatch("[0-9a-f]{64}", key):
        faults.append(f"{version}: the key is no 64 hexadecimal digits")
    # Another key in the next run would part old sales of a card from new ones, and old receipts
    # from the key to check them with.
    if "secretString" not in version.ignore_changes:
        faults.append(f"{version}: the next run makes another key")
    others = json.dumps([resource.inputs for resource in graph.resources if resource != version])
    if key in others or key in json.dumps(graph.outputs):
        faults.append(f"{version}: the key is told elsewhere too")
    return faults


def _orphan(graph: Graph) -> None:
    graph.of("s3.Bucket")[0].parent = "urn:pulumi:test::p::pulumi:pulumi:Stack::p-test"


def _forgotten(graph: Graph) -> None:
    graph.completed = [urn for urn in graph.completed if ":Storage" not in urn]


def _without_output(graph: Graph) -> None:
    del graph.outputs["api_key_id"]


def _version(graph: Graph, name: str) -> Resource:
    return graph.one("secretsmanager.SecretVersion", f"{name}-version")


def _in_the_open(graph: Graph) -> None:
    _version(graph, "fingerprint-key").secrets = []


def _made_again(graph: Graph) -> None:
    _version(graph, "receipt-key").ignore_changes = []


def _exported(graph: Graph) -> None:
    graph.outputs["receipt_key"] = _version(graph, "receipt-key").inputs["secretString"]


def _one_for_both(graph: Graph) -> None:
    first = _version(graph, "fingerprint-key").inputs
    _version(graph, "receipt-key").inputs["secretString"] = first["secretString"]


RULES = [
    Rule(
        "every resource that takes tags has them",
        tags,
        {
            "no tags": put("s3.Bucket", "tags", None),
            "another environment": put("lambda.Function", "tags.Environment", "test"),
        },
    ),
    Rule(
        "every resource is a part of a component, and every component completes",
        parents,
        {
            "a bucket beside the stack": _orphan,
            "no register_outputs": _forgotten,
            "no component": drop("transaction-processor:index:Stream"),
        },
    ),
    Rule(
        "names are {purpose}-{environment}",
        names,
        {
            "a name by chance": put("sqs.Queue", "name", None),
            "without the environment": put("kinesis.Stream", "name", "transaction-events"),
        },
    ),
    Rule("what people ask for is exported", outputs, {"no key": _without_output}),
    Rule(
        "secret keys are secrets, made once",
        no_secret_in_the_open,
        {
            "no secret": _in_the_open,
            "made again": _made_again,
            "exported": _exported,
            "one for both": _one_for_both,
            "short": put("secretsmanager.SecretVersion", "secretString", "00"),
        },
    ),
]
