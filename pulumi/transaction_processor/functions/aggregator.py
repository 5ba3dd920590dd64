"""aggregator: folds the history into the state of transactions, woken by the stream."""

import pulumi

from ..documents import Statement
from . import access
from .function import LambdaFunction, LambdaFunctionArgs
from .mapping import MappingArgs, mapping
from .parts import Parts

PURPOSE = "aggregator"
# What the code calls its stage.
STAGE = "aggregate"
# A full batch on a table that throttles; Lambda sends again what was not done by then.
TIMEOUT_SECONDS = 300
# Aggregated records of up to 50 KB: as many as fit Lambda's 6 MB with base64 around them.
BATCH_RECORDS = 80
# A merchant waits for it. Polling once a second bounds the calls as a window of 1 s would.
WINDOW_SECONDS = 0
# Times the 4 shards of a new stream it stays within the reserved concurrency.
PARALLEL = 2


def aggregator(parts: Parts, parent: pulumi.Resource) -> LambdaFunction:
    """The function and its mapping."""
    place = parts.place
    variables: dict[str, pulumi.Input[str]] = {
        "REPORTS_BUCKET": parts.storage.reports.name,
        **parts.tables_of("TRANSACTIONS_TABLE", "UPLOADS_TABLE"),
    }
    if parts.webhooks is not None and parts.webhooks.tells_uploads:
        # It writes down that an upload's end is to be told; `anomaly` tells it.
        variables["TELL_UPLOAD_ENDS"] = "true"
    made = LambdaFunction(
        f"{PURPOSE}-lambda",
        LambdaFunctionArgs(
            place=place,
            keys=parts.keys,
            packaging=parts.packaging,
            purpose=PURPOSE,
            description="Folds the history into the state of transactions",
            timeout_seconds=TIMEOUT_SECONDS,
            variables=variables,
            statements=statements(parts),
        ),
        place.child(parent),
    )
    mapping(
        "aggregator-mapping",
        MappingArgs(
            place,
            parts.stream.stream.arn,
            made,
            batch_records=BATCH_RECORDS,
            window_seconds=WINDOW_SECONDS,
            parallel=PARALLEL,
            enabled=not parts.fold_paused,
        ),
        made,
    )
    return made


def statements(parts: Parts) -> list[Statement]:
    tables = parts.tables
    transactions = ["BatchGetItem", "GetItem", "PutItem"]
    uploads = ["GetItem", "UpdateItem"]
    return [
        access.reads_stream(parts.stream.stream.arn),
        access.table("Transactions", transactions, tables.in_use.arn),
        access.table("Uploads", uploads, tables.uploads.arn),
        access.quarantines(parts.storage.reports, STAGE),
        access.uses_key(
            parts.place,
            "DataKey",
            parts.keys.data.arn,
            ["Decrypt", "GenerateDataKey"],
            "dynamodb",
            "kinesis",
            "s3",
        ),
    ]
