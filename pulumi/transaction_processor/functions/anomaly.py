"""anomaly: judges what changed and tells people, woken by the table's stream and by the clock. It
is the one function that sends webhooks.
"""

import json

import pulumi

from ..documents import Statement
from ..storage import RULES_KEY, SHADOW_RULES_KEY
from . import access
from .function import LambdaFunction, LambdaFunctionArgs
from .mapping import MappingArgs, mapping
from .parts import Parts
from .schedule import Schedule, ScheduleArgs

PURPOSE = "anomaly"
TIMEOUT_SECONDS = 300
BATCH_RECORDS = 500
# A person does not tell the difference, and it saves three calls of four.
WINDOW_SECONDS = 1
# The table's stream keeps 24 h; what is older than this would alert nobody in time.
AGE_MAX_SECONDS = 20 * 3600
# Digests that are due, alerts that were recorded and not handed on, what webhooks are to be told.
DIGESTS = "rate(1 minute)"
# No replay can alert, even into a live table.
LIVE_WRITERS = json.dumps(
    {
        "eventName": ["INSERT", "MODIFY"],
        "dynamodb": {"NewImage": {"writer": {"S": ["live"]}}},
    }
)


def anomaly(parts: Parts, parent: pulumi.Resource) -> LambdaFunction:
    """The function with what wakes it."""
    place = parts.place
    variables: dict[str, pulumi.Input[str]] = {
        "EVENTS_STREAM": parts.stream.stream.name,
        "ALERTS_TOPIC": parts.alerts.topic.arn,
        "REPORTS_BUCKET": parts.storage.reports.name,
        "RULES_OBJECT": parts.storage.rules_object,
        "SHADOW_RULES_OBJECT": parts.storage.shadow_rules_object,
        "METRICS_NAMES": parts.metrics_names,
        **parts.tables_of("PROFILES_TABLE", "ALERTS_TABLE"),
    }
    if parts.webhooks is not None:
        variables["WEBHOOKS_SECRET"] = parts.webhooks.secret.arn
        variables |= parts.tables_of("UPLOADS_TABLE")
    made = LambdaFunction(
        f"{PURPOSE}-lambda",
        LambdaFunctionArgs(
            place=place,
            keys=parts.keys,
            packaging=parts.packaging,
            purpose=PURPOSE,
            description="Judges transactions by the rules and alerts people",
            timeout_seconds=TIMEOUT_SECONDS,
            variables=variables,
            statements=[*statements(parts), *tells(parts)],
            depends_on=[] if parts.webhooks is None else [parts.webhooks.version],
        ),
        place.child(parent),
    )
    # The stack's own table keeps its mapping when another one is in use: what was written to it
    # last is judged, too.
    for name, stream_arn in changes(parts).items():
        mapping(
            name,
            MappingArgs(
                place,
                stream_arn,
                made,
                batch_records=BATCH_RECORDS,
                window_seconds=WINDOW_SECONDS,
                age_max_seconds=AGE_MAX_SECONDS,
                pattern=LIVE_WRITERS,
            ),
            made,
        )
    Schedule(
        "digests",
        ScheduleArgs(
            place,
            "digest-schedule",
            "Sends digests that are due, alerts that were recorded and not sent, webhooks",
            DIGESTS,
            made.function,
        ),
        place.child(made),
    )
    return made


def changes(parts: Parts) -> dict[str, pulumi.Output[str]]:
    """The streams of the tables whose changes are judged, by the name of the mapping."""
    own = {"anomaly-mapping": parts.tables.transactions.stream_arn}
    if parts.in_use_elsewhere:
        return own | {"anomaly-mapping-in-use": parts.tables.in_use.stream_arn}
    return own


def statements(parts: Parts) -> list[Statement]:
    place, tables, keys = parts.place, parts.tables, parts.keys
    profiles = ["BatchGetItem", "GetItem", "PutItem"]
    alerts = ["DeleteItem", "GetItem", "PutItem", "UpdateItem"]
    reads = [
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    ]
    return [
        # What Lambda's poller does in the function's name.
        Statement("ReadsChanges", reads, list(changes(parts).values())),
        access.table("Profiles", profiles, tables.profiles.arn),
        access.table("Alerts", alerts, tables.alerts.arn),
        access.queries_index("AlertsWaiting", tables.alerts.arn, "by_waiting"),
        access.queries_index("WebhooksWaiting", tables.alerts.arn, "by_age"),
        access.appends_to_stream(parts.stream.stream.arn),
        Statement("Publishes", ["sns:Publish"], [parts.alerts.topic.arn]),
        Statement(
            "ReadsRules",
            ["s3:GetObject"],
            [
                pulumi.Output.concat(parts.storage.rules.arn, "/", key)
                for key in (RULES_KEY, SHADOW_RULES_KEY)
            ],
        ),
        access.finds_what_is_missing("FindsNoRules", parts.storage.rules),
        access.quarantines(parts.storage.reports, PURPOSE),
        access.uses_key(place, "AlertsKey", keys.alerts.arn, ["Decrypt", "GenerateDataKey"], "sns"),
        access.uses_key(
            place,
            "DataKey",
            keys.data.arn,
            ["Decrypt", "GenerateDataKey"],
            "dynamodb",
            "kinesis",
            "s3",
        ),
    ]


def tells(parts: Parts) -> list[Statement]:
    """What sending webhooks takes: who is told, and which uploads have ended."""
    if parts.webhooks is None:
        return []
    uploads = parts.tables.uploads.arn
    key = parts.keys.data.arn
    return [
        access.reads_secret("Webhooks", parts.webhooks.secret.arn),
        access.uses_key(parts.place, "WebhooksKey", key, ["Decrypt"], "secretsmanager"),
        access.table("UploadsEnded", ["Query", "UpdateItem"], uploads),
        access.queries_index("UploadsDue", uploads, "by_due"),
    ]
