"""What the functions measured, as they printed it: each line of CloudWatch's embedded format held to
the list of metrics, which `schemas/metrics.json` is printed from.
"""

import json
from pathlib import Path

from . import observe
from .stack import FUNCTIONS

DECLARED = {
    metric["name"]: metric
    for metric in json.loads(Path(__file__).parents[3].joinpath("schemas/metrics.json").read_text())["metrics"]
}
# What no section makes happen: files that end every reader, stored items that are damaged.
RARE = {"uploads_given_up", "damaged_items"}
# Of the format: values of one metric in a line.
VALUES_MAX = 100


def documents(stack, function):
    """Lines of a function's log that are metrics."""
    for line in observe.log_lines(stack, function):
        if '"_aws"' in line:
            yield json.loads(line)


def values(stack, function, name, **dimensions):
    """All values of a metric, in the order of the log."""
    found = []
    for document in documents(stack, function):
        if name in document and all(document.get(key) == value for key, value in dimensions.items()):
            value = document[name]
            found += value if isinstance(value, list) else [value]
    return found


def check(report, stack):
    """Nothing that is not declared; gives which function measured what."""
    seen, wrong = set(), []
    for function in FUNCTIONS:
        for document in documents(stack, function):
            for told in document["_aws"]["CloudWatchMetrics"]:
                names = {metric["Name"] for metric in told["Metrics"]}
                seen |= {(function, name) for name in names}
                wrong += [(function, *fault) for fault in faults(stack, function, document, told)]
    report.equal(f"{stack.env}: metrics that differ from the list ({len(seen)} seen)", sorted(set(wrong))[:10], [])
    return seen


def faults(stack, function, document, told):
    """What of one set of dimensions is not as declared."""
    if told["Namespace"] != f"transaction-processor-{stack.env}":
        yield "namespace", told["Namespace"]
    if document.get("function") != stack.function(function):
        yield "function", str(document.get("function"))
    dimensions = {name for group in told["Dimensions"] for name in group}
    for name in dimensions:
        if not isinstance(document.get(name), str) or not document[name]:
            yield "value of a dimension", name
    for metric in told["Metrics"]:
        name = metric["Name"]
        declared = DECLARED.get(name)
        if declared is None:
            yield name, "is not declared"
            continue
        if function not in declared["functions"]:
            yield name, "is not this function's"
        if metric.get("Unit") != declared["unit"]:
            yield name, f"unit {metric.get('Unit')}"
        if len(told["Dimensions"]) != 1 or dimensions != {"function", *declared["dimensions"]}:
            yield name, f"dimensions {sorted(dimensions)}"
        given = document.get(name)
        numbers = given if isinstance(given, list) else [given]
        if not 0 < len(numbers) <= VALUES_MAX or not all(is_amount(number) for number in numbers):
            yield name, f"values {str(given)[:50]}"


def is_amount(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def complete(report, seen):
    """Of all sections together: each metric by each function that is said to tell of it."""
    names = {name for _, name in seen}
    wanted = {name for name, metric in DECLARED.items() if metric["functions"]} - RARE
    report.equal("metrics that no function printed", sorted(wanted - names), [])
    report.equal("metrics that are printed and said to be rare", sorted(RARE & names), [])
