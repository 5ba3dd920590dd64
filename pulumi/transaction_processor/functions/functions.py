"""The functions together."""

from collections.abc import Callable, Mapping

import pulumi

from .aggregator import aggregator
from .anomaly import anomaly
from .api import api
from .archiver import archiver
from .function import LambdaFunction
from .parts import Parts
from .validation import validation

# What a function is called, and what makes it.
FUNCTIONS: Mapping[str, Callable[[Parts, pulumi.Resource], LambdaFunction]] = {
    "validation": validation,
    "aggregator": aggregator,
    "anomaly": anomaly,
    "api": api,
    "archiver": archiver,
}


class Functions(pulumi.ComponentResource):
    """Every function, with what wakes it but the REST API."""

    validation: LambdaFunction
    aggregator: LambdaFunction
    anomaly: LambdaFunction
    api: LambdaFunction
    archiver: LambdaFunction
    names: Mapping[str, pulumi.Output[str]]
    failure_queues: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, parts: Parts, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Functions", name, None, opts)
        made = {purpose: make(parts, self) for purpose, make in FUNCTIONS.items()}
        self.validation = made["validation"]
        self.aggregator = made["aggregator"]
        self.anomaly = made["anomaly"]
        self.api = made["api"]
        self.archiver = made["archiver"]
        self.names = {purpose: one.function.name for purpose, one in made.items()}
        self.failure_queues = {purpose: one.failures.name for purpose, one in made.items()}
        self.register_outputs({"names": self.names})
