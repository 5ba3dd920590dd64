"""What a stack holds, read with root's eyes: tables, archive, queue, logs, stream."""

import gzip
import json
from decimal import Decimal


def items(stack, base):
    """All items of a table, as plain values."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.table(base), ConsistentRead=True)
    return [_plain({"M": item}) for page in pages for item in page["Items"]]


def _plain(value):
    ((kind, inner),) = value.items()
    if kind == "M":
        return {key: _plain(part) for key, part in inner.items()}
    if kind == "L":
        return [_plain(part) for part in inner]
    if kind == "N":
        return Decimal(inner)
    if kind == "NULL":
        return None
    return inner


def objects(stack, purpose, prefix=""):
    """Names and bytes of a bucket's objects."""
    s3, bucket = stack.client("s3"), stack.bucket(purpose)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for entry in page.get("Contents", []):
            yield entry["Key"], s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()


def archived(stack):
    """Lines of the archive, a list per object."""
    for key, body in objects(stack, "archive"):
        yield key, [json.loads(line) for line in gzip.decompress(body).decode().splitlines()]


def drain_queue(stack):
    """Messages delivered to whoever subscribes to alerts: each SNS envelope, taken off the queue."""
    sqs, found = stack.client("sqs"), []
    while True:
        batch = sqs.receive_message(QueueUrl=stack.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=600)
        messages = batch.get("Messages", [])
        if not messages:
            return found
        for message in messages:
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=stack.queue_url, ReceiptHandle=message["ReceiptHandle"])


def log_lines(stack, function):
    """What a function logged, every invocation."""
    group = f"/aws/lambda/{stack.function(function)}"
    pages = stack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]


def stream_records(stack):
    """The bytes of every record in the stream."""
    kinesis, name = stack.client("kinesis"), stack.stream
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        iterator = iterator["ShardIterator"]
        while iterator:
            answer = kinesis.get_records(ShardIterator=iterator, Limit=1000)
            yield from (record["Data"] for record in answer["Records"])
            iterator = answer.get("NextShardIterator") if answer["Records"] else None


def everything(stack):
    """All that the stack wrote anywhere but the raw uploads, as named text."""
    for base in ("transactions", "uploads", "profiles", "alerts", "clients"):
        yield f"table {base}", json.dumps(items(stack, base), default=str)
    for purpose in ("archive", "reports"):
        for key, body in objects(stack, purpose):
            if key.endswith(".gz"):
                body = gzip.decompress(body)
            yield f"{purpose} {key}", f"{key}\n{body.decode(errors='replace')}"
    for function in ("validation", "aggregator", "anomaly", "api", "archiver"):
        yield f"log of {function}", "\n".join(log_lines(stack, function))
    for number, data in enumerate(stream_records(stack)):
        yield f"stream record {number}", data.decode(errors="replace")
