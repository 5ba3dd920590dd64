"""Dashboards, alarms and queries: what they say is data in `dashboards/`; here it is shipped.

Every `*.json` there is the body of a dashboard, but `alarms.json`: alarms, and composite alarms
over them, and `queries.json`: saved queries of Logs Insights. `${environment}`, `${region}` and
`${account}` in any text are substituted; another `$` stays as it is. A folder without files is no
fault.
"""

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import pulumi
from pulumi_aws import cloudwatch

from .naming import Place

ALARMS_FILE = "alarms.json"
QUERIES_FILE = "queries.json"
# What an alarm's own expression is called beside its inputs.
RESULT = "result"


class SourceShape(TypedDict):
    """One metric, as an alarm looks at it."""

    namespace: str
    metric: str
    dimensions: dict[str, str]
    statistic: str


class AlarmShape(TypedDict):
    """An alarm on one metric, or on what an expression makes of several."""

    name: str
    description: str
    namespace: NotRequired[str]
    metric: NotRequired[str]
    dimensions: NotRequired[dict[str, str]]
    statistic: NotRequired[str]
    expression: NotRequired[str]
    inputs: NotRequired[dict[str, SourceShape]]
    period_seconds: int
    periods: int
    # Of the periods, how many must breach; all of them if it is not said.
    breaching_periods: NotRequired[int]
    comparison: str
    threshold: float
    # What no data means, and why: an idle day must not wake anyone.
    missing_data: str
    missing_data_why: NotRequired[str]
    # Whether it tells people by itself, or is a part of composite alarms only.
    notifies: NotRequired[bool]


class CompositeShape(TypedDict):
    """An alarm on other alarms: `ALARM(name)`, `AND`, `OR`, `NOT`, names without environment."""

    name: str
    description: str
    rule: str


class AlarmsShape(TypedDict):
    alarms: list[AlarmShape]
    composites: NotRequired[list[CompositeShape]]


class QueryShape(TypedDict):
    """A saved query over the logs of these functions."""

    name: str
    description: str
    functions: list[str]
    query: str


class QueriesShape(TypedDict):
    queries: list[QueryShape]


@dataclass(frozen=True)
class ObservabilityArgs:
    place: Place
    dashboards_dir: Path
    alarm_actions: Sequence[pulumi.Input[str]]


class Observability(pulumi.ComponentResource):
    """The dashboards, alarms and saved queries."""

    # Name of a dashboard to where it is looked at.
    dashboard_urls: Mapping[str, str]
    # Short name of an alarm, composites among them, to its name.
    alarm_names: Mapping[str, str]

    def __init__(
        self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("transaction-processor:index:Observability", name, None, opts)
        place, files = args.place, sorted(args.dashboards_dir.glob("*.json"))
        others = [ALARMS_FILE, QUERIES_FILE]
        dashboards = [path for path in files if path.name not in others]
        self.dashboard_urls = {path.stem: self._dashboard(place, path) for path in dashboards}
        self.alarm_names = {}
        if args.dashboards_dir / ALARMS_FILE in files:
            self.alarm_names = self._alarms(args)
        if args.dashboards_dir / QUERIES_FILE in files:
            self._queries(args)
        self.register_outputs({"dashboard_urls": self.dashboard_urls})

    def _dashboard(self, place: Place, path: Path) -> str:
        dashboard_name = place.name(f"transaction-{path.stem}")
        cloudwatch.Dashboard(
            f"{path.stem}-dashboard",
            dashboard_name=dashboard_name,
            # Read and written again: a file that is no JSON fails here and not in AWS.
            dashboard_body=json.dumps(load(path, place)),
            opts=place.child(self),
        )
        return (
            f"https://{place.region}.console.aws.amazon.com/cloudwatch/home"
            f"?region={place.region}#dashboards/dashboard/{dashboard_name}"
        )

    def _queries(self, args: ObservabilityArgs) -> None:
        place = args.place
        described = cast(QueriesShape, load(args.dashboards_dir / QUERIES_FILE, place))
        for query in described["queries"]:
            cloudwatch.QueryDefinition(
                f"{query['name']}-query",
                name=place.name(f"transaction-{query['name']}"),
                log_group_names=[
                    f"/aws/lambda/{place.function(purpose)}" for purpose in query["functions"]
                ],
                query_string=f"# {query['description']}\n{query['query']}",
                opts=place.child(self),
            )

    def _alarms(self, args: ObservabilityArgs) -> dict[str, str]:
        place = args.place
        described = cast(AlarmsShape, load(args.dashboards_dir / ALARMS_FILE, place))
        names = {alarm["name"]: place.name(alarm["name"]) for alarm in described["alarms"]}
        made = [self._alarm(args, alarm) for alarm in described["alarms"]]
        for composite in described.get("composites", []):
            cloudwatch.CompositeAlarm(
                f"{composite['name']}-alarm",
                alarm_name=place.name(composite["name"]),
                alarm_description=composite["description"],
                alarm_rule=with_names(composite["rule"], names),
                alarm_actions=list(args.alarm_actions),
                ok_actions=list(args.alarm_actions),
                tags=place.tags,
                # AWS refuses a rule that names an alarm which is not there yet.
                opts=pulumi.ResourceOptions(parent=self, depends_on=made),
            )
            names[composite["name"]] = place.name(composite["name"])
        return names

    def _alarm(self, args: ObservabilityArgs, alarm: AlarmShape) -> cloudwatch.MetricAlarm:
        actions = list(args.alarm_actions) if alarm.get("notifies", True) else []
        return cloudwatch.MetricAlarm(
            f"{alarm['name']}-alarm",
            name=args.place.name(alarm["name"]),
            alarm_description=alarm["description"],
            **source(alarm),
            evaluation_periods=alarm["periods"],
            datapoints_to_alarm=alarm.get("breaching_periods", alarm["periods"]),
            comparison_operator=alarm["comparison"],
            threshold=alarm["threshold"],
            treat_missing_data=alarm["missing_data"],
            alarm_actions=actions,
            ok_actions=actions,
            tags=args.place.tags,
            opts=args.place.child(self),
        )


def source(alarm: AlarmShape) -> dict[str, Any]:
    """What an alarm looks at, in the provider's words."""
    period = alarm["period_seconds"]
    expression = alarm.get("expression")
    if expression is None:
        return {
            "namespace": alarm.get("namespace"),
            "metric_name": alarm.get("metric"),
            "dimensions": alarm.get("dimensions", {}),
            "statistic": alarm.get("statistic"),
            "period": period,
        }
    inputs = [
        {
            "id": name,
            "return_data": False,
            "metric": {
                "namespace": one["namespace"],
                "metric_name": one["metric"],
                "dimensions": one["dimensions"],
                "stat": one["statistic"],
                "period": period,
            },
        }
        for name, one in alarm.get("inputs", {}).items()
    ]
    result = {"id": RESULT, "expression": expression, "label": alarm["name"], "return_data": True}
    return {"metric_queries": [*inputs, result]}


def load(path: Path, place: Place) -> object:
    """A file of `dashboards/` with the environment put in."""
    text = string.Template(path.read_text(encoding="utf-8")).safe_substitute(
        environment=place.environment, region=place.region, account=place.account
    )
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error


def with_names(rule: str, names: Mapping[str, str]) -> str:
    """A composite's rule with the full names of its alarms."""
    # A name may be the beginning of another one: the bracket ends it.
    for short, full in names.items():
        rule = rule.replace(f"({short})", f"({full})")
    return rule
