"""The topic that people are told by: what was found, and what is wrong with the processor."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import sns

from .documents import Statement, document
from .keys import Keys
from .naming import Place


@dataclass(frozen=True)
class AlertsArgs:
    place: Place
    keys: Keys
    emails: Sequence[str]
    on_call_topic: str | None


class Alerts(pulumi.ComponentResource):
    """The topic, its subscriptions, and where alarms go."""

    topic: sns.Topic
    # ARNs: the topic, and the rota's if there is one.
    alarm_actions: Sequence[pulumi.Input[str]]

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Alerts", name, None, opts)
        place = args.place
        self.topic = sns.Topic(
            "transaction-alerts",
            name=place.name("transaction-alerts"),
            display_name="Transaction alerts",
            kms_master_key_id=args.keys.alerts.arn,
            tags=place.tags,
            opts=place.child(self),
        )
        sns.TopicPolicy(
            "transaction-alerts-policy",
            arn=self.topic.arn,
            policy=document(statements(place, self.topic.arn)),
            opts=place.child(self),
        )
        for index, email in enumerate(args.emails):
            # By number: an address in a resource's name would stand in every log of a deployment.
            sns.TopicSubscription(
                f"transaction-alerts-email-{index}",
                topic=self.topic.arn,
                protocol="email",
                endpoint=email,
                opts=place.child(self),
            )
        self.alarm_actions = [
            self.topic.arn,
            *([args.on_call_topic] if args.on_call_topic else []),
        ]
        self.register_outputs({"topic": self.topic.arn})


def statements(place: Place, topic_arn: pulumi.Output[str]) -> list[Statement]:
    return [
        Statement(
            "AlarmsPublish",
            ["sns:Publish"],
            [topic_arn],
            {"StringEquals": {"aws:SourceAccount": place.account}},
            principal={"Service": "cloudwatch.amazonaws.com"},
        ),
        Statement(
            "TlsOnly",
            ["sns:Publish"],
            [topic_arn],
            {"Bool": {"aws:SecureTransport": "false"}},
            effect="Deny",
            principal="*",
        ),
    ]
