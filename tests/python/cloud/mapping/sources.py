"""Kinesis and DynamoDB streams: shards, iterators, and records as Lambda hands them to a function."""

import base64
import json
from dataclasses import dataclass

import botocore.exceptions

READ_RECORDS_MAX = 1000
EXPIRED = ("ExpiredIteratorException", "TrimmedDataAccessException")


@dataclass(frozen=True)
class Shard:
    id: str
    parents: tuple


@dataclass(frozen=True)
class Record:
    sequence: str
    key: str
    arrival: float
    size: int
    event: dict


class IteratorExpired(Exception):
    pass


class Kinesis:
    def __init__(self, client, arn):
        self._client, self._arn = client, arn

    def shards(self):
        pages = self._client.get_paginator("list_shards").paginate(StreamName=self._arn.split("/")[-1])
        return [
            Shard(
                shard["ShardId"],
                tuple(shard[key] for key in ("ParentShardId", "AdjacentParentShardId") if shard.get(key)),
            )
            for page in pages
            for shard in page["Shards"]
        ]

    def iterator(self, shard, after=None):
        position = {"ShardIteratorType": "TRIM_HORIZON"}
        if after:
            position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
        answer = self._client.get_shard_iterator(StreamName=self._arn.split("/")[-1], ShardId=shard, **position)
        return answer["ShardIterator"]

    def read(self, shard, iterator):
        answer = _read(self._client, iterator)
        return [self._record(shard, record) for record in answer["Records"]], answer.get("NextShardIterator")

    def _record(self, shard, record):
        arrival = record["ApproximateArrivalTimestamp"].timestamp()
        event = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": record["SequenceNumber"],
                "data": _base64(record["Data"]),
                "approximateArrivalTimestamp": arrival,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard}:{record['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/mapping",
            "awsRegion": self._arn.split(":")[3],
            "eventSourceARN": self._arn,
        }
        return Record(record["SequenceNumber"], record["PartitionKey"], arrival, len(json.dumps(event)), event)


class DynamoDb:
    def __init__(self, client, arn):
        self._client, self._arn = client, arn

    def shards(self):
        description = self._client.describe_stream(StreamArn=self._arn)["StreamDescription"]
        return [Shard(shard["ShardId"], tuple(filter(None, [shard.get("ParentShardId")]))) for shard in description["Shards"]]

    def iterator(self, shard, after=None):
        position = {"ShardIteratorType": "TRIM_HORIZON"}
        if after:
            position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        return self._client.get_shard_iterator(StreamArn=self._arn, ShardId=shard, **position)["ShardIterator"]

    def read(self, shard, iterator):
        answer = _read(self._client, iterator)
        return [self._record(record) for record in answer["Records"]], answer.get("NextShardIterator")

    def _record(self, record):
        change = dict(record["dynamodb"])
        arrival = change["ApproximateCreationDateTime"].timestamp()
        change["ApproximateCreationDateTime"] = arrival
        change = json.loads(json.dumps(change, default=_base64))
        event = {
            "eventID": record["eventID"],
            "eventName": record["eventName"],
            "eventVersion": record.get("eventVersion", "1.1"),
            "eventSource": "aws:dynamodb",
            "awsRegion": self._arn.split(":")[3],
            "dynamodb": change,
            "eventSourceARN": self._arn,
        }
        key = json.dumps(change["Keys"], sort_keys=True)
        return Record(change["SequenceNumber"], key, arrival, len(json.dumps(event)), event)


def _base64(value):
    return base64.b64encode(bytes(value)).decode()


def _read(client, iterator):
    try:
        return client.get_records(ShardIterator=iterator, Limit=READ_RECORDS_MAX)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in EXPIRED:
            raise IteratorExpired from error
        raise
