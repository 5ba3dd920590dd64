"""Streams, tables, topics, queues."""

import json
import time

from .aws import Aws, Inputs, Made, pascal, tag_list
from .policies import for_emulator

ACTIVE_SECONDS_MAX = 30
POLL_SECONDS = 0.02


def stream(aws: Aws, _: str, given: Inputs) -> Made:
    kinesis, name = aws.client("kinesis"), given["name"]
    mode = given["streamModeDetails"]["streamMode"]
    shards = {"ShardCount": int(given["shardCount"])} if "shardCount" in given else {}
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": mode}, **shards)
    until = time.monotonic() + ACTIVE_SECONDS_MAX
    while (summary := describe(kinesis, name))["StreamStatus"] != "ACTIVE":
        if time.monotonic() > until:
            raise TimeoutError(f"the stream {name} is not active after {ACTIVE_SECONDS_MAX} s")
        time.sleep(POLL_SECONDS)
    kinesis.increase_stream_retention_period(
        StreamName=name, RetentionPeriodHours=int(given["retentionPeriod"])
    )
    kinesis.start_stream_encryption(
        StreamName=name, EncryptionType=given["encryptionType"], KeyId=given["kmsKeyId"]
    )
    kinesis.add_tags_to_stream(StreamName=name, Tags=given["tags"])
    return Made(summary["StreamARN"], {"arn": summary["StreamARN"]})


def describe(kinesis, name: str) -> dict[str, str]:
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def table(aws: Aws, _: str, given: Inputs) -> Made:
    dynamodb, name = aws.client("dynamodb"), given["name"]
    schema = [{"AttributeName": given["hashKey"], "KeyType": "HASH"}]
    if "rangeKey" in given:
        schema.append({"AttributeName": given["rangeKey"], "KeyType": "RANGE"})
    more: Inputs = {}
    if given.get("streamEnabled"):
        more["StreamSpecification"] = {
            "StreamEnabled": True,
            "StreamViewType": given["streamViewType"],
        }
    if given.get("globalSecondaryIndexes"):
        more["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index["name"],
                "KeySchema": pascal(index["keySchemas"]),
                "Projection": {"ProjectionType": index["projectionType"]},
            }
            for index in given["globalSecondaryIndexes"]
        ]
    encryption = given["serverSideEncryption"]
    made = dynamodb.create_table(
        TableName=name,
        KeySchema=schema,
        AttributeDefinitions=[
            {"AttributeName": one["name"], "AttributeType": one["type"]}
            for one in given["attributes"]
        ],
        BillingMode=given["billingMode"],
        SSESpecification={
            "Enabled": encryption["enabled"],
            "SSEType": "KMS",
            "KMSMasterKeyId": encryption["kmsKeyArn"],
        },
        Tags=tag_list(given),
        **more,
    )["TableDescription"]
    dynamodb.update_continuous_backups(
        TableName=name,
        PointInTimeRecoverySpecification={
            "PointInTimeRecoveryEnabled": given["pointInTimeRecovery"]["enabled"]
        },
    )
    if "ttl" in given:
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=pascal(given["ttl"]))
    stream_arn = made.get("LatestStreamArn", "")
    return Made(name, {"arn": made["TableArn"], "streamArn": stream_arn})


def item(aws: Aws, name: str, given: Inputs) -> Made:
    aws.client("dynamodb").put_item(
        TableName=given["tableName"],
        Item=json.loads(given["item"]),
        ConditionExpression="attribute_not_exists(#key)",
        ExpressionAttributeNames={"#key": given["hashKey"]},
    )
    return Made(name)


def topic(aws: Aws, _: str, given: Inputs) -> Made:
    attributes = {
        "DisplayName": given["displayName"],
        "KmsMasterKeyId": given["kmsMasterKeyId"],
    }
    made = aws.client("sns").create_topic(
        Name=given["name"], Attributes=attributes, Tags=tag_list(given)
    )
    return Made(made["TopicArn"], {"arn": made["TopicArn"]})


def topic_policy(aws: Aws, _: str, given: Inputs) -> Made:
    aws.client("sns").set_topic_attributes(
        TopicArn=given["arn"],
        AttributeName="Policy",
        AttributeValue=for_emulator(given["policy"]),
    )
    return Made(given["arn"])


def subscription(aws: Aws, _: str, given: Inputs) -> Made:
    made = aws.client("sns").subscribe(
        TopicArn=given["topic"],
        Protocol=given["protocol"],
        Endpoint=given["endpoint"],
        ReturnSubscriptionArn=True,
    )
    return Made(made["SubscriptionArn"], {"arn": made["SubscriptionArn"]})


def queue(aws: Aws, _: str, given: Inputs) -> Made:
    attributes = {
        "MessageRetentionPeriod": str(int(given["messageRetentionSeconds"])),
        "KmsMasterKeyId": given["kmsMasterKeyId"],
    }
    made = aws.client("sqs").create_queue(
        QueueName=given["name"], Attributes=attributes, tags=given["tags"]
    )
    return Made(made["QueueUrl"], {"url": made["QueueUrl"], "arn": aws.arn("sqs", given["name"])})


HANDLERS = {
    "kinesis.Stream": stream,
    "dynamodb.Table": table,
    "dynamodb.TableItem": item,
    "sns.Topic": topic,
    "sns.TopicPolicy": topic_policy,
    "sns.TopicSubscription": subscription,
    "sqs.Queue": queue,
}
