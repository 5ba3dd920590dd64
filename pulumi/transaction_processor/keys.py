"""The customer keys: one for raw uploads, one for what is masked, one for alerts.

A key's policy hands decisions on to IAM with a list of actions, never with all of them, and only
through the services that use the key. Raw uploads are cardholder data: of their key, only the role
of validation may decrypt, whatever else IAM allows.
"""

from dataclasses import dataclass

import pulumi
from pulumi_aws import kms

from .documents import Condition, Statement, document
from .naming import Place

# Days between asking for a key's deletion and its end; the least that KMS takes.
DELETION_DAYS = 7

# What an administrator does with a key, short of using it.
ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
USE = ("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")
# What the services do that keep data of ours under the data key.
DATA_SERVICES = ("dynamodb", "kinesis", "s3", "secretsmanager", "sqs")


def via(place: Place, *services: str) -> Condition:
    """Only where one of these services asks on the caller's behalf."""
    hosts = [f"{service}.{place.region}.amazonaws.com" for service in services]
    return {"StringEquals": {"kms:ViaService": hosts}}


@dataclass(frozen=True)
class KeysArgs:
    place: Place


class Keys(pulumi.ComponentResource):
    """The keys, each with an alias."""

    uploads: kms.Key
    data: kms.Key
    alerts: kms.Key

    def __init__(self, name: str, args: KeysArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Keys", name, None, opts)
        place = args.place
        self.uploads = self._key(
            place, "transaction-uploads", "Raw uploads", uploads_statements(place)
        )
        self.data = self._key(
            place, "transaction-data", "History, tables, reports, logs", data_statements(place)
        )
        self.alerts = self._key(
            place, "transaction-alerts", "Alerts and alarms", alerts_statements(place)
        )
        self.register_outputs(
            {"uploads": self.uploads.arn, "data": self.data.arn, "alerts": self.alerts.arn}
        )

    def _key(
        self, place: Place, purpose: str, description: str, statements: list[Statement]
    ) -> kms.Key:
        key = kms.Key(
            f"{purpose}-key",
            description=f"{description} of the transaction processor, {place.environment}",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            policy=document([administration(place), *statements]),
            tags=place.tags,
            opts=place.kept(self),
        )
        kms.Alias(
            f"{purpose}-alias",
            name=f"alias/{place.name(purpose)}",
            target_key_id=key.key_id,
            opts=place.kept(self),
        )
        return key


def in_key(
    sid: str,
    actions: tuple[str, ...],
    principal: dict[str, str],
    condition: Condition | None = None,
) -> Statement:
    """A statement of a key's policy: there `*` is the key itself, and nothing narrower exists."""
    return Statement(sid, actions, ["*"], condition or {}, principal=principal)


def administration(place: Place) -> Statement:
    return in_key("Administration", ADMINISTRATION, {"AWS": place.account_root})


def uploads_statements(place: Place) -> list[Statement]:
    reader: Condition = {
        **via(place, "s3"),
        "ArnEquals": {"aws:PrincipalArn": place.role_arn("validation")},
    }
    account = {"AWS": place.account_root}
    return [
        in_key("WritersThroughS3", ("kms:GenerateDataKey",), account, via(place, "s3")),
        in_key("ValidationAloneReads", ("kms:Decrypt",), account, reader),
    ]


def data_statements(place: Place) -> list[Statement]:
    account = {"AWS": place.account_root}
    # DynamoDB works on a table by a grant that it asks for when the table is made.
    grants: Condition = {
        **via(place, "dynamodb"),
        "Bool": {"kms:GrantIsForAWSResource": "true"},
    }
    logs: Condition = {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": place.log_group_arn("/aws/*")}
    }
    return [
        in_key("UseThroughServices", USE, account, via(place, *DATA_SERVICES)),
        in_key("GrantsOfTables", ("kms:CreateGrant",), account, grants),
        in_key("Logs", USE, {"Service": f"logs.{place.region}.amazonaws.com"}, logs),
    ]


def alerts_statements(place: Place) -> list[Statement]:
    # An alarm under the AWS-managed key of SNS could not be published at all.
    ours: Condition = {"StringEquals": {"aws:SourceAccount": place.account}}
    return [
        in_key("UseThroughSns", USE, {"AWS": place.account_root}, via(place, "sns")),
        in_key("AlarmsPublish", USE, {"Service": "cloudwatch.amazonaws.com"}, ours),
    ]
