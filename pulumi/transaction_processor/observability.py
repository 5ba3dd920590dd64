"""Dashboards and alarms: what they say is data in `dashboards/`; here it is shipped.

Every `*.json` there is the body of a dashboard, but `alarms.json`: alarms, and composite alarms
over them. `${environment}`, `${region}` and `${account}` in any text are substituted; another `$`
stays as it is. A folder without files is no fault.
"""

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import pulumi
from pulumi_aws import cloudwatch

from .naming import Place

ALARMS_FILE = "alarms.json"


class AlarmShape(TypedDict):
    """An alarm on one metric."""

    name: str
    description: str
    namespace: str
    metric: str
    dimensions: NotRequired[dict[str, str]]
    statistic: str
    period_seconds: int
    periods: int
    # Of the periods, how many must breach; all of them if it is not said.
    breaching_periods: NotRequired[int]
    comparison: str
    threshold: float
    # What no data means: an idle day must not wake anyone.
    missing_data: str
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


@dataclass(frozen=True)
class ObservabilityArgs:
    place: Place
    dashboards_dir: Path
    alarm_actions: Sequence[pulumi.Input[str]]


class Observability(pulumi.ComponentResource):
    """The dashboards and alarms."""

    # Name of a dashboard to where it is looked at.
    dashboard_urls: Mapping[str, str]

    def __init__(
        self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("transaction-processor:index:Observability", name, None, opts)
        place, files = args.place, sorted(args.dashboards_dir.glob("*.json"))
        dashboards = [path for path in files if path.name != ALARMS_FILE]
        self.dashboard_urls = {path.stem: self._dashboard(place, path) for path in dashboards}
        if args.dashboards_dir / ALARMS_FILE in files:
            self._alarms(args)
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

    def _alarms(self, args: ObservabilityArgs) -> None:
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

    def _alarm(self, args: ObservabilityArgs, alarm: AlarmShape) -> cloudwatch.MetricAlarm:
        actions = list(args.alarm_actions) if alarm.get("notifies", True) else []
        return cloudwatch.MetricAlarm(
            f"{alarm['name']}-alarm",
            name=args.place.name(alarm["name"]),
            alarm_description=alarm["description"],
            namespace=alarm["namespace"],
            metric_name=alarm["metric"],
            dimensions=alarm.get("dimensions", {}),
            statistic=alarm["statistic"],
            period=alarm["period_seconds"],
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
