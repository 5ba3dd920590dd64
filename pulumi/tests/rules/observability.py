"""Dashboards, alarms, queries: what they look at is there, and whom they tell."""

import json
import re
from collections.abc import Iterator, Mapping

from ..harness.graph import Graph, Resource
from .rule import Break, Rule, drop, pick, put

# Dimensions that name a thing of the stack, and which of its inputs has the name.
THINGS = {
    "function": ("lambda.Function", "name"),
    "FunctionName": ("lambda.Function", "name"),
    "QueueName": ("sqs.Queue", "name"),
    "TopicName": ("sns.Topic", "name"),
    "StreamName": ("kinesis.Stream", "name"),
    "TableName": ("dynamodb.Table", "name"),
    "ApiName": ("apigateway.RestApi", "name"),
    "Stage": ("apigateway.Stage", "stageName"),
}
ALARMED = re.compile(r"ALARM\(([^)]+)\)")
SECTION = re.compile(r"RUNBOOK\.md#[a-z-]+$")
# A text message; the name and the state come before it.
DESCRIPTION_CHARS_MAX = 200


def sources(alarm: Resource) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Namespace and dimensions of all that an alarm looks at."""
    queries = alarm.inputs.get("metricQueries")
    if queries is None:
        yield alarm.inputs["namespace"], alarm.inputs.get("dimensions", {})
        return
    for query in queries:
        if metric := query.get("metric"):
            yield metric["namespace"], metric["dimensions"]


def lines(dashboard: Resource) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Namespace and dimensions of all that a dashboard names one by one."""
    for widget in json.loads(dashboard.inputs["dashboardBody"])["widgets"]:
        for line in widget["properties"].get("metrics", []):
            named = [part for part in line if isinstance(part, str)]
            if named:
                yield named[0], dict(zip(named[2::2], named[3::2], strict=True))


def looks_at_what_is_there(graph: Graph) -> list[str]:
    there = {
        dimension: {one.inputs.get(key) for one in graph.of(type_)}
        for dimension, (type_, key) in THINGS.items()
    }
    namespaces = {
        one.inputs["environment"]["variables"]["METRICS_NAMESPACE"]
        for one in graph.of("lambda.Function")
    }
    looking = [(one, sources(one)) for one in graph.of("cloudwatch.MetricAlarm")]
    looking += [(one, lines(one)) for one in graph.of("cloudwatch.Dashboard")]
    faults: list[str] = []
    for one, seen in looking:
        for namespace, dimensions in seen:
            if not namespace.startswith("AWS/") and namespace not in namespaces:
                faults.append(f"{one}: nobody counts in {namespace}")
            faults += [
                f"{one}: there is no {dimension} {value}"
                for dimension, value in dimensions.items()
                if dimension in there and value not in there[dimension]
            ]
    return faults


def tells_people(graph: Graph) -> list[str]:
    topic = graph.one("sns.Topic", "transaction-alerts").outputs["arn"]
    composites = graph.of("cloudwatch.CompositeAlarm")
    parts = {part for one in composites for part in ALARMED.findall(one.inputs["alarmRule"])}
    alarms = graph.of("cloudwatch.MetricAlarm")
    faults = [
        f"{one}: tells nobody, by itself or as a part"
        for one in alarms
        if one.inputs["name"] not in parts and topic not in one.inputs.get("alarmActions", [])
    ]
    names = {one.inputs["name"] for one in alarms}
    faults += [f"an alarm is composed of {part}, which is none" for part in sorted(parts - names)]
    for one in composites:
        for key in ("alarmActions", "okActions"):
            if topic not in one.inputs.get(key, []):
                faults.append(f"{one}: {key} tell nobody")
    return faults + ([] if alarms and composites else ["there are no alarms"])


def says_what_it_means(graph: Graph) -> list[str]:
    alarms = graph.of("cloudwatch.MetricAlarm")
    faults = [
        f"{one}: does not say what missing data means"
        for one in alarms
        if one.inputs.get("treatMissingData") not in {"breaching", "notBreaching"}
    ]
    for one in [*alarms, *graph.of("cloudwatch.CompositeAlarm")]:
        text = one.inputs.get("alarmDescription", "")
        if not SECTION.search(text) or len(text) > DESCRIPTION_CHARS_MAX:
            faults.append(
                f"{one}: `{text}` is too long, or does not end with the runbook's section"
            )
    return faults


def asks_logs_that_are_there(graph: Graph) -> list[str]:
    groups = {one.inputs["name"] for one in graph.of("cloudwatch.LogGroup")}
    return [
        f"{one}: there is no log group {name}"
        for one in graph.of("cloudwatch.QueryDefinition")
        for name in one.inputs["logGroupNames"]
        if name not in groups
    ]


def is_of_one_region(graph: Graph) -> list[str]:
    return [
        f"{one}: `{widget['properties'].get('title')}` is of another region"
        for one in graph.of("cloudwatch.Dashboard")
        for widget in json.loads(one.inputs["dashboardBody"])["widgets"]
        if widget["properties"].get("region", graph.region) != graph.region
    ]


def other_line(graph: Graph) -> None:
    dashboard = pick(graph, "cloudwatch.Dashboard", "operations-dashboard")
    body = dashboard.inputs["dashboardBody"]
    dashboard.inputs["dashboardBody"] = body.replace("aggregator-lambda-", "aggregate-lambda-")


def other_region(graph: Graph) -> None:
    dashboard = pick(graph, "cloudwatch.Dashboard", None)
    body = dashboard.inputs["dashboardBody"]
    dashboard.inputs["dashboardBody"] = body.replace(graph.region, "mars-north-1")


def alarm(path: str, value: object, name: str) -> Break:
    return put("cloudwatch.MetricAlarm", path, value, f"{name}-alarm")


RULES = [
    Rule(
        "alarms and dashboards look at what is there",
        looks_at_what_is_there,
        {
            "another namespace": alarm("namespace", "transaction-processor", "sla"),
            "another function": alarm("dimensions.FunctionName", "x", "iterator-age-anomaly"),
            "an input": alarm("metricQueries.0.metric.dimensions.QueueName", "x", "failure-queues"),
            "a panel": other_line,
        },
    ),
    Rule(
        "every alarm tells people, by itself or as a part of one that does",
        tells_people,
        {
            "a part of none": drop("cloudwatch.CompositeAlarm", "api-failing-alarm"),
            "nobody": alarm("alarmActions", [], "cost"),
            "no composite's": put("cloudwatch.CompositeAlarm", "alarmActions", []),
            "no end": put("cloudwatch.CompositeAlarm", "okActions", []),
            "no part": drop("cloudwatch.MetricAlarm", "sla-alarm"),
        },
    ),
    Rule(
        "every alarm says what missing data means, and which section of the runbook to read",
        says_what_it_means,
        {
            "missing": alarm("treatMissingData", "missing", "sla"),
            "unsaid": alarm("treatMissingData", None, "sla"),
            "no section": alarm("alarmDescription", "Help!", "sla"),
            "too long": put(
                "cloudwatch.CompositeAlarm", "alarmDescription", "x" * 300 + " RUNBOOK.md#a"
            ),
        },
    ),
    Rule(
        "saved queries ask logs that are there",
        asks_logs_that_are_there,
        {"another group": put("cloudwatch.QueryDefinition", "logGroupNames.0", "/aws/lambda/x")},
    ),
    Rule("dashboards are of the stack's region", is_of_one_region, {"elsewhere": other_region}),
]
