"""The functions, and what wakes them."""

import json

from ..harness.graph import Graph, Resource
from .rule import Rule, at, drop, each, missing, put

FUNCTIONS = ("validation", "aggregator", "anomaly", "api", "archiver")
UNLIMITED = -1
ANOMALY_AGE_SECONDS = 20 * 3600


def functions(graph: Graph) -> list[str]:
    made = {function.inputs.get("name") for function in graph.of("lambda.Function")}
    environment = graph.outputs["dynamodb_table_name"].removeprefix("transactions-")
    absent = [name for name in FUNCTIONS if f"{name}-lambda-{environment}" not in made]
    return [f"there is no function {name}" for name in absent] + each(
        graph,
        "lambda.Function",
        ("runtime", "provided.al2023"),
        ("handler", "bootstrap"),
        ("memorySize", 512),
        ("reservedConcurrentExecutions", 10),
        ("tracingConfig.mode", "Active"),
        ("loggingConfig.logFormat", "JSON"),
    )


def log_groups(graph: Graph) -> list[str]:
    faults = each(graph, "cloudwatch.LogGroup", ("retentionInDays", 7))
    groups = {group.inputs.get("name"): group for group in graph.of("cloudwatch.LogGroup")}
    for function in graph.of("lambda.Function"):
        name = f"/aws/lambda/{function.inputs['name']}"
        group = groups.get(name)
        if group is None or at(function.inputs, "loggingConfig.logGroup") != name:
            faults.append(f"{function}: logs elsewhere")
        elif group.urn not in function.dependencies:
            faults.append(f"{function}: may make its own log group first")
        if group is not None and not group.inputs.get("kmsKeyId"):
            faults.append(f"{group}: is not under our key")
    return faults


def failures(graph: Graph) -> list[str]:
    faults = missing(
        graph,
        graph.of("lambda.Function"),
        "lambda.FunctionEventInvokeConfig",
        "functionName",
        "name",
    )
    queues = {queue.outputs["arn"] for queue in graph.of("sqs.Queue")}
    for settings in graph.of("lambda.FunctionEventInvokeConfig"):
        if at(settings.inputs, "destinationConfig.onFailure.destination") not in queues:
            faults.append(f"{settings}: failures go nowhere")
    for queue in graph.of("sqs.Queue"):
        if not queue.inputs.get("kmsMasterKeyId"):
            faults.append(f"{queue}: is not under our key")
    return faults


def recursion(graph: Graph) -> list[str]:
    name = graph.one("lambda.Function", "validation-lambda").inputs["name"]
    allowed = {
        settings.inputs["functionName"]: settings.inputs["recursiveLoop"]
        for settings in graph.of("lambda.FunctionRecursionConfig")
    }
    return [] if allowed == {name: "Allow"} else [f"functions that may call themselves: {allowed}"]


def mapping_of(graph: Graph, function: str) -> Resource | None:
    arn = graph.one("lambda.Function", f"{function}-lambda").outputs["arn"]
    found = graph.settings_of("lambda.EventSourceMapping", "functionName", arn)
    return found[0] if len(found) == 1 else None


def mappings(graph: Graph) -> list[str]:
    stream = graph.one("kinesis.Stream", "transaction-events").outputs["arn"]
    changes = graph.one("dynamodb.Table", "transactions").outputs["streamArn"]
    ages = {
        "aggregator": (stream, UNLIMITED),
        "archiver": (stream, UNLIMITED),
        "anomaly": (changes, ANOMALY_AGE_SECONDS),
    }
    queues = {queue.outputs["arn"] for queue in graph.of("sqs.Queue")}
    faults: list[str] = []
    for function, (source, age) in ages.items():
        mapping = mapping_of(graph, function)
        if mapping is None:
            faults.append(f"{function} has not one mapping")
            continue
        wanted = {
            "eventSourceArn": source,
            "startingPosition": "TRIM_HORIZON",
            "maximumRetryAttempts": UNLIMITED,
            "maximumRecordAgeInSeconds": age,
            "functionResponseTypes": ["ReportBatchItemFailures"],
            "bisectBatchOnFunctionError": True,
        }
        for key, value in wanted.items():
            if mapping.inputs.get(key) != value:
                faults.append(f"{mapping}: {key} is {mapping.inputs.get(key)!r}")
        if at(mapping.inputs, "destinationConfig.onFailure.destinationArn") not in queues:
            faults.append(f"{mapping}: what it gives up on goes nowhere")
        if mapping.inputs.get("enabled") is False:
            faults.append(f"{mapping}: is off")
    return faults


def live_only(graph: Graph) -> list[str]:
    """No replay can alert."""
    mapping = mapping_of(graph, "anomaly")
    patterns = at(mapping.inputs, "filterCriteria.filters") if mapping else None
    if not patterns or len(patterns) != 1:
        # Several are alternatives: one that lets less through takes nothing from the others.
        return ["anomaly sees what replays write"]
    writer = at(json.loads(patterns[0]["pattern"]), "dynamodb.NewImage.writer.S")
    return [] if writer == ["live"] else [f"{mapping}: sees writers {writer}"]


def schedules(graph: Graph) -> list[str]:
    faults: list[str] = []
    targets = {target.inputs["rule"]: target for target in graph.of("cloudwatch.EventTarget")}
    sources = {
        permission.inputs.get("sourceArn")
        for permission in graph.of("lambda.Permission")
        if permission.inputs["principal"] == "events.amazonaws.com"
    }
    woken: dict[str, str] = {}
    for rule in graph.of("cloudwatch.EventRule"):
        target = targets.get(rule.inputs["name"])
        if target is None or rule.outputs["arn"] not in sources:
            faults.append(f"{rule}: wakes no one")
        else:
            woken[target.inputs["arn"]] = rule.inputs.get("scheduleExpression", "")
    for function in ("validation", "anomaly"):
        arn = graph.one("lambda.Function", f"{function}-lambda").outputs["arn"]
        if woken.get(arn) != "rate(1 minute)":
            faults.append(f"{function} is not woken every minute")
    return faults


def permissions(graph: Graph) -> list[str]:
    """Each names what may call: a service alone would be every account's."""
    return [
        f"{permission}: any {permission.inputs['principal']} may call"
        for permission in graph.of("lambda.Permission")
        if not permission.inputs.get("sourceArn")
    ]


FUNCTION = "lambda.Function"
MAPPING = "lambda.EventSourceMapping"
PATTERN = "filterCriteria.filters.0.pattern"


def _unordered(graph: Graph) -> None:
    graph.of(FUNCTION)[0].dependencies = []


RULES = [
    Rule(
        "functions are alike: runtime, memory, concurrency, trace",
        functions,
        {
            "another runtime": put(FUNCTION, "runtime", "python3.12"),
            "more memory": put(FUNCTION, "memorySize", 1024),
            "no reservation": put(FUNCTION, "reservedConcurrentExecutions", None),
            "no trace": put(FUNCTION, "tracingConfig.mode", "PassThrough"),
            "one less": drop(FUNCTION, "archiver-lambda"),
        },
    ),
    Rule(
        "logs are kept for 7 days, in groups of ours",
        log_groups,
        {
            "for ever": put("cloudwatch.LogGroup", "retentionInDays", None),
            "no group": drop("cloudwatch.LogGroup", "api-lambda-logs"),
            "no key": put("cloudwatch.LogGroup", "kmsKeyId", None, "api-lambda-logs"),
            "no order": _unordered,
        },
    ),
    Rule(
        "what fails asynchronously is kept",
        failures,
        {
            "nothing said": drop("lambda.FunctionEventInvokeConfig"),
            "nowhere": put("lambda.FunctionEventInvokeConfig", "destinationConfig", None),
            "in the open": put("sqs.Queue", "kmsMasterKeyId", None),
        },
    ),
    Rule(
        "validation alone may call itself",
        recursion,
        {
            "no one": drop("lambda.FunctionRecursionConfig"),
            "stopped": put("lambda.FunctionRecursionConfig", "recursiveLoop", "Terminate"),
        },
    ),
    Rule(
        "mappings lose nothing",
        mappings,
        {
            "none": drop(MAPPING, "archiver-mapping"),
            "only new": put(MAPPING, "startingPosition", "LATEST"),
            "three tries": put(MAPPING, "maximumRetryAttempts", 3),
            "an hour": put(MAPPING, "maximumRecordAgeInSeconds", 3600),
            "whole batches": put(MAPPING, "functionResponseTypes", None),
            "no halving": put(MAPPING, "bisectBatchOnFunctionError", False),
            "given up silently": put(MAPPING, "destinationConfig", None),
            "off": put(MAPPING, "enabled", False),
        },
    ),
    Rule(
        "anomaly sees live writers only",
        live_only,
        {
            "everything": put(MAPPING, "filterCriteria", None, "anomaly-mapping"),
            "replays": put(MAPPING, PATTERN, '{"eventName":["INSERT"]}', "anomaly-mapping"),
            "an alternative": put(
                MAPPING, "filterCriteria.filters", [{"pattern": "{}"}] * 2, "anomaly-mapping"
            ),
        },
    ),
    Rule(
        "sweeper and digests wake every minute",
        schedules,
        {
            "no rule": drop("cloudwatch.EventRule", "sweeper-rule"),
            "no target": drop("cloudwatch.EventTarget", "digests-target"),
            "not allowed": drop("lambda.Permission", "sweeper-permission"),
            "hourly": put("cloudwatch.EventRule", "scheduleExpression", "rate(1 hour)"),
        },
    ),
    Rule(
        "permissions to call name the caller",
        permissions,
        {"anyone": put("lambda.Permission", "sourceArn", None)},
    ),
]
