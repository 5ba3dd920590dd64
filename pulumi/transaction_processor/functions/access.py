"""What functions are allowed, in the words of what they do. No action and no resource is wider
than what the code calls; where AWS knows nothing narrower than `*`, that is said.
"""

from collections.abc import Sequence

import pulumi

from ..bucket import PrivateBucket
from ..documents import Statement
from ..keys import via
from ..naming import Place
from ..storage import QUARANTINE_PREFIX

Arn = pulumi.Input[str]


def logs(log_group_arn: Arn) -> Statement:
    streams = pulumi.Output.concat(log_group_arn, ":*")
    return Statement("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], [streams])


def trace() -> Statement:
    """Segments belong to no resource: X-Ray knows nothing narrower than `*`."""
    return Statement("Trace", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"])


def reports_failures(queue_arn: Arn) -> Statement:
    return Statement("Failures", ["sqs:SendMessage"], [queue_arn])


def uses_key(
    place: Place, sid: str, key_arn: Arn, actions: Sequence[str], *services: str
) -> Statement:
    kms = [f"kms:{action}" for action in actions]
    return Statement(sid, kms, [key_arn], via(place, *services))


def reads_stream(stream_arn: Arn) -> Statement:
    """What Lambda's poller does in the function's name."""
    actions = [
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
    ]
    return Statement("ReadsStream", actions, [stream_arn])


def appends_to_stream(stream_arn: Arn) -> Statement:
    return Statement("Appends", ["kinesis:ListShards", "kinesis:PutRecords"], [stream_arn])


def quarantines(reports: PrivateBucket, stage: str) -> Statement:
    prefix = f"{QUARANTINE_PREFIX}{stage}/"
    return Statement("Quarantines", ["s3:PutObject"], [reports.under(prefix)])


def finds_what_is_missing(sid: str, *buckets: PrivateBucket) -> Statement:
    """Without it S3 answers that a missing object is forbidden. It looks without naming a prefix,
    so this cannot be bound to one.
    """
    return Statement(sid, ["s3:ListBucket"], [bucket.arn for bucket in buckets])


def reads_secret(sid: str, secret_arn: Arn) -> Statement:
    return Statement(sid, ["secretsmanager:GetSecretValue"], [secret_arn])


def table(sid: str, actions: Sequence[str], table_arn: Arn) -> Statement:
    return Statement(sid, [f"dynamodb:{action}" for action in actions], [table_arn])


def queries_index(sid: str, table_arn: pulumi.Output[str], index: str) -> Statement:
    arn = pulumi.Output.concat(table_arn, "/index/", index)
    return Statement(sid, ["dynamodb:Query"], [arn])
