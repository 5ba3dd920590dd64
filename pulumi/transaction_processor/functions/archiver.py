"""archiver: copies the history into objects by date, woken by the stream."""

import pulumi

from ..documents import Statement
from . import access
from .function import LambdaFunction, LambdaFunctionArgs
from .mapping import MappingArgs, mapping
from .parts import Parts

PURPOSE = "archiver"
# What the code calls its stage.
STAGE = "archive"
TIMEOUT_SECONDS = 300
BATCH_RECORDS = 80
# Nobody waits for it, and fewer, larger objects are what Athena and a reader want.
WINDOW_SECONDS = 60


def archiver(parts: Parts, parent: pulumi.Resource) -> LambdaFunction:
    """The function and its mapping."""
    place = parts.place
    made = LambdaFunction(
        f"{PURPOSE}-lambda",
        LambdaFunctionArgs(
            place=place,
            keys=parts.keys,
            packaging=parts.packaging,
            purpose=PURPOSE,
            description="Copies the history into the archive, by date",
            timeout_seconds=TIMEOUT_SECONDS,
            variables={
                "ARCHIVE_BUCKET": parts.storage.archive.name,
                "REPORTS_BUCKET": parts.storage.reports.name,
            },
            statements=statements(parts),
        ),
        place.child(parent),
    )
    mapping(
        "archiver-mapping",
        MappingArgs(
            place,
            parts.stream.stream.arn,
            made,
            batch_records=BATCH_RECORDS,
            window_seconds=WINDOW_SECONDS,
        ),
        made,
    )
    return made


def statements(parts: Parts) -> list[Statement]:
    return [
        access.reads_stream(parts.stream.stream.arn),
        Statement("Archives", ["s3:PutObject"], [parts.storage.archive.under("date=")]),
        access.quarantines(parts.storage.reports, STAGE),
        access.uses_key(
            parts.place,
            "DataKey",
            parts.keys.data.arn,
            ["Decrypt", "GenerateDataKey"],
            "kinesis",
            "s3",
        ),
    ]
