"""A function woken by the clock."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, lambda_

from ..naming import Place


@dataclass(frozen=True)
class ScheduleArgs:
    place: Place
    purpose: str
    description: str
    expression: str
    function: lambda_.Function


class Schedule(pulumi.ComponentResource):
    """A rule, its target, and the permission to call it."""

    def __init__(self, name: str, args: ScheduleArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Schedule", name, None, opts)
        child = args.place.child(self)
        rule = cloudwatch.EventRule(
            f"{name}-rule",
            name=args.place.name(args.purpose),
            description=args.description,
            schedule_expression=args.expression,
            tags=args.place.tags,
            opts=child,
        )
        permission = lambda_.Permission(
            f"{name}-permission",
            action="lambda:InvokeFunction",
            function=args.function.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=child,
        )
        cloudwatch.EventTarget(
            f"{name}-target",
            rule=rule.name,
            arn=args.function.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
        self.register_outputs({"rule": rule.name})
