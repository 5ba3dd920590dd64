"""validation: reads what merchants put, woken by S3, by itself and by the sweeper's clock."""

import pulumi
from pulumi_aws import lambda_, s3

from ..documents import Statement
from ..storage import REJECTS_PREFIX, TEMPORARY_PREFIX, UPLOADS_PREFIX
from . import access
from .function import LambdaFunction, LambdaFunctionArgs
from .parts import Parts
from .schedule import Schedule, ScheduleArgs

PURPOSE = "validation"
# The longest that Lambda gives; what is not read by then is continued in a new invocation.
TIMEOUT_SECONDS = 900
UPLOADS_SUFFIX = ".csv"
SWEEP = "rate(1 minute)"


def validation(parts: Parts, parent: pulumi.Resource) -> LambdaFunction:
    """The function with what wakes it."""
    place, uploads = parts.place, parts.storage.uploads
    variables: dict[str, pulumi.Input[str]] = {
        "UPLOADS_BUCKET": uploads.name,
        "REPORTS_BUCKET": parts.storage.reports.name,
        "EVENTS_STREAM": parts.stream.stream.name,
        "FINGERPRINT_KEY_SECRET": parts.fingerprint_key.secret.arn,
        "METRICS_NAMES": parts.metrics_names,
        **parts.tables_of("UPLOADS_TABLE"),
    }
    if parts.aggregate_bytes is not None:
        variables["TXP_AGGREGATE_BYTES"] = str(parts.aggregate_bytes)
    made = LambdaFunction(
        f"{PURPOSE}-lambda",
        LambdaFunctionArgs(
            place=place,
            keys=parts.keys,
            packaging=parts.packaging,
            purpose=PURPOSE,
            description="Reads uploaded files into events",
            timeout_seconds=TIMEOUT_SECONDS,
            variables=variables,
            statements=statements(parts),
            continues_itself=True,
            depends_on=[parts.fingerprint_key.version],
        ),
        place.child(parent),
    )
    permission = lambda_.Permission(
        "uploads-permission",
        action="lambda:InvokeFunction",
        function=made.function.name,
        principal="s3.amazonaws.com",
        source_arn=uploads.arn,
        source_account=place.account,
        opts=place.child(made),
    )
    s3.BucketNotification(
        "uploads-notification",
        bucket=uploads.name,
        lambda_functions=[
            {
                "id": "uploaded",
                "lambda_function_arn": made.function.arn,
                "events": ["s3:ObjectCreated:*"],
                "filter_prefix": UPLOADS_PREFIX,
                "filter_suffix": UPLOADS_SUFFIX,
            }
        ],
        # S3 tries whether it may call when it is told to.
        opts=pulumi.ResourceOptions(parent=made, depends_on=[permission]),
    )
    Schedule(
        "sweeper",
        ScheduleArgs(
            place,
            "sweeper-schedule",
            "Resumes uploads that stalled, claims files that no event announced",
            SWEEP,
            made.function,
        ),
        place.child(made),
    )
    return made


def statements(parts: Parts) -> list[Statement]:
    place, storage, keys = parts.place, parts.storage, parts.keys
    objects = storage.uploads.under(UPLOADS_PREFIX)
    table_arn = parts.tables.uploads.arn
    # Of several versions the first is the upload.
    versions = Statement(
        "ListsVersions",
        ["s3:ListBucketVersions"],
        [storage.uploads.arn],
        {"StringLike": {"s3:prefix": f"{UPLOADS_PREFIX}*"}},
    )
    temporary = ["s3:GetObject", "s3:PutObject"]
    items = ["GetItem", "Query", "UpdateItem"]
    return [
        Statement("ReadsUploads", ["s3:GetObject", "s3:GetObjectVersion"], [objects]),
        versions,
        access.finds_what_is_missing("FindsWhatIsMissing", storage.uploads, storage.reports),
        Statement(
            "WritesRejects",
            ["s3:AbortMultipartUpload", "s3:PutObject"],
            [storage.reports.under(REJECTS_PREFIX)],
        ),
        Statement("KeepsParts", temporary, [storage.reports.under(TEMPORARY_PREFIX)]),
        access.table("Uploads", items, table_arn),
        access.queries_index("UploadsDue", table_arn, "by_due"),
        access.appends_to_stream(parts.stream.stream.arn),
        access.reads_secret("FingerprintKey", parts.fingerprint_key.secret.arn),
        Statement("ContinuesItself", ["lambda:InvokeFunction"], [place.function_arn(PURPOSE)]),
        access.uses_key(place, "UploadsKey", keys.uploads.arn, ["Decrypt"], "s3"),
        access.uses_key(
            place,
            "DataKey",
            keys.data.arn,
            ["Decrypt", "GenerateDataKey"],
            "dynamodb",
            "kinesis",
            "s3",
            "secretsmanager",
        ),
    ]
