"""Who may do what, function by function: by the policies, and by asking as each role where the
emulator checks. Whatever is not in a function's row of the table is forbidden to it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .emulator.aws import Aws
from .emulator.policies import decide
from .emulator.stack import Stack

FUNCTIONS = ("validation", "aggregator", "anomaly", "api", "archiver")
REFUSED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "403"}
RAW = "uploads/shop/bcdfghjklmnpqrst.csv"
DAY = "date=2026-11-22/shard-1-2.ndjson.gz"


@dataclass(frozen=True)
class Operation:
    """Something that the functions named may do, and no other."""

    action: str
    # A part of the stack, and what in it.
    place: str
    inside: str = ""
    allowed: frozenset[str] = frozenset()
    context: dict[str, str] = field(default_factory=dict[str, str])
    # How to try it; what cannot be tried is decided by the policies alone.
    attempt: Callable[[Aws, str, str], Any] | None = None

    def __str__(self) -> str:
        return f"{self.action} {self.place} {self.inside}".strip()


def s3(action: str, bucket: str, key: str, *allowed: str) -> Operation:
    attempts: dict[str, Callable[[Aws, str, str], Any]] = {
        "GetObject": lambda aws, name, key: aws.client("s3").get_object(Bucket=name, Key=key),
        "PutObject": lambda aws, name, key: aws.client("s3").put_object(Bucket=name, Key=key),
        "DeleteObject": lambda aws, name, key: aws.client("s3").delete_object(Bucket=name, Key=key),
        "GetObjectVersion": lambda aws, name, key: aws.client("s3").get_object(
            Bucket=name, Key=key, VersionId="x"
        ),
    }
    return Operation(
        f"s3:{action}",
        f"bucket/{bucket}",
        key,
        frozenset(allowed),
        {"aws:SecureTransport": "true"},
        attempts.get(action),
    )


def dynamodb(action: str, table: str, *allowed: str, index: str = "") -> Operation:
    def key_of(aws: Aws, name: str) -> dict[str, dict[str, str]]:
        described = Aws(aws.endpoint, aws.region).client("dynamodb").describe_table(TableName=name)
        return {one["AttributeName"]: {"S": "x"} for one in described["Table"]["KeySchema"]}

    def attempt(aws: Aws, name: str, index_name: str) -> Any:
        client = aws.client("dynamodb")
        key = key_of(aws, name)
        match action:
            case "GetItem" | "DeleteItem" | "UpdateItem":
                call = {
                    "GetItem": client.get_item,
                    "DeleteItem": client.delete_item,
                    "UpdateItem": client.update_item,
                }[action]
                return call(TableName=name, Key=key)
            case "PutItem":
                return client.put_item(TableName=name, Item=key)
            case "Scan":
                return client.scan(TableName=name)
            case "Query":
                hashes = {"by_client": "client_id", "by_due": "due"}
                hashes |= dict.fromkeys(("by_waiting", "by_age"), "waiting")
                attribute = hashes.get(index_name, next(iter(key)))
                more = {"IndexName": index_name} if index_name else {}
                return client.query(
                    TableName=name,
                    KeyConditionExpression="#key = :key",
                    ExpressionAttributeNames={"#key": attribute},
                    ExpressionAttributeValues={":key": {"S": "x"}},
                    **more,
                )
            case _:
                return client.delete_table(TableName=name)

    return Operation(
        f"dynamodb:{action}", f"table/{table}", index, frozenset(allowed), attempt=attempt
    )


def kms(action: str, key: str, via: str, *allowed: str) -> Operation:
    context = {"kms:ViaService": f"{via}.us-east-1.amazonaws.com"} if via else {}
    return Operation(f"kms:{action}", f"key/{key}", via, frozenset(allowed), context)


def other(
    action: str,
    place: str,
    *allowed: str,
    attempt: Callable[[Aws, str, str], Any] | None = None,
) -> Operation:
    return Operation(action, place, "", frozenset(allowed), {}, attempt)


def put_records(aws: Aws, name: str, _: str) -> Any:
    records = [{"Data": b"x", "PartitionKey": "x"}]
    return aws.client("kinesis").put_records(StreamName=name, Records=records)


def iterator(aws: Aws, name: str, _: str) -> Any:
    return aws.client("kinesis").get_shard_iterator(
        StreamName=name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )


def publish(aws: Aws, arn: str, _: str) -> Any:
    return aws.client("sns").publish(TopicArn=arn, Message="x")


def read_secret(aws: Aws, arn: str, _: str) -> Any:
    return aws.client("secretsmanager").get_secret_value(SecretId=arn)


def invoke(aws: Aws, name: str, _: str) -> Any:
    return aws.client("lambda").invoke(FunctionName=name, InvocationType="DryRun")


def assume(aws: Aws, arn: str, _: str) -> Any:
    return aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="more")


def widen(aws: Aws, arn: str, _: str) -> Any:
    nothing = '{"Version":"2012-10-17","Statement":[]}'
    return aws.client("iam").put_role_policy(
        RoleName=arn.rpartition("/")[2], PolicyName="more", PolicyDocument=nothing
    )


def subscribe(aws: Aws, arn: str, _: str) -> Any:
    return aws.client("sns").subscribe(TopicArn=arn, Protocol="email", Endpoint="x@example.com")


def reconfigure(aws: Aws, name: str, _: str) -> Any:
    return aws.client("lambda").update_function_configuration(FunctionName=name, Timeout=1)


def read_log(aws: Aws, name: str, _: str) -> Any:
    return aws.client("logs").filter_log_events(logGroupName=name)


def read_keys(aws: Aws, _name: str, _: str) -> Any:
    return aws.client("apigateway").get_api_keys(includeValues=True)


OPERATIONS = [
    # Raw uploads: validation reads, a link of the api writes, no one else and nothing else.
    s3("GetObject", "transaction-uploads", RAW, "validation"),
    s3("PutObject", "transaction-uploads", RAW, "api"),
    s3("PutObject", "transaction-uploads", "elsewhere/a.csv"),
    s3("DeleteObject", "transaction-uploads", RAW),
    s3("GetObjectVersion", "transaction-uploads", RAW, "validation"),
    s3("DeleteObjectVersion", "transaction-uploads", RAW),
    # The history: written once, read by no function, deleted by none.
    s3("PutObject", "transaction-archive", DAY, "archiver"),
    s3("PutObject", "transaction-archive", "elsewhere"),
    s3("GetObject", "transaction-archive", DAY),
    s3("DeleteObject", "transaction-archive", DAY),
    # Masked reports.
    s3("PutObject", "transaction-reports", "rejects/a.csv", "validation"),
    s3("GetObject", "transaction-reports", "rejects/a.csv", "api"),
    s3("PutObject", "transaction-reports", "tmp/a", "validation"),
    s3("GetObject", "transaction-reports", "tmp/a", "validation"),
    s3("PutObject", "transaction-reports", "quarantine/aggregate/a", "aggregator"),
    s3("PutObject", "transaction-reports", "quarantine/anomaly/a", "anomaly"),
    s3("PutObject", "transaction-reports", "quarantine/archive/a", "archiver"),
    s3("GetObject", "transaction-reports", "quarantine/anomaly/a"),
    # The rules: whoever deploys changes them.
    s3("GetObject", "transaction-rules", "rules.json", "anomaly"),
    s3("GetObject", "transaction-rules", "shadow.json", "anomaly"),
    s3("PutObject", "transaction-rules", "rules.json"),
    s3("PutObject", "transaction-rules", "shadow.json"),
    # Tables.
    dynamodb("GetItem", "transactions", "aggregator"),
    dynamodb("Query", "transactions", "api"),
    dynamodb("PutItem", "transactions", "aggregator"),
    dynamodb("UpdateItem", "transactions"),
    dynamodb("DeleteItem", "transactions"),
    dynamodb("Scan", "transactions"),
    dynamodb("GetItem", "uploads", "validation", "aggregator", "api"),
    dynamodb("UpdateItem", "uploads", "validation", "aggregator", "api"),
    dynamodb("PutItem", "uploads", "api"),
    dynamodb("DeleteItem", "uploads"),
    dynamodb("Scan", "uploads"),
    dynamodb("Query", "uploads", "api", index="by_client"),
    dynamodb("Query", "uploads", "validation", index="by_due"),
    dynamodb("GetItem", "profiles", "anomaly"),
    dynamodb("PutItem", "profiles", "anomaly"),
    dynamodb("GetItem", "alerts", "anomaly"),
    dynamodb("PutItem", "alerts", "anomaly"),
    dynamodb("DeleteItem", "alerts", "anomaly"),
    dynamodb("DeleteItem", "profiles"),
    dynamodb("Query", "alerts", "anomaly", index="by_waiting"),
    dynamodb("Query", "alerts", "anomaly", index="by_age"),
    dynamodb("GetItem", "clients", "api"),
    dynamodb("PutItem", "clients"),
    dynamodb("DeleteTable", "transactions"),
    # The stream.
    other("kinesis:PutRecords", "stream", "validation", "anomaly", attempt=put_records),
    other("kinesis:GetShardIterator", "stream", "aggregator", "archiver", attempt=iterator),
    other("kinesis:DeleteStream", "stream"),
    # People, the keys, each other.
    other("sns:Publish", "topic", "anomaly", attempt=publish),
    other(
        "secretsmanager:GetSecretValue", "secret/fingerprint-key", "validation", attempt=read_secret
    ),
    other("secretsmanager:PutSecretValue", "secret/fingerprint-key"),
    other("secretsmanager:GetSecretValue", "secret/receipt-key", "api", attempt=read_secret),
    other("secretsmanager:PutSecretValue", "secret/receipt-key"),
    other("lambda:InvokeFunction", "function/validation", "validation", attempt=invoke),
    other("lambda:InvokeFunction", "function/anomaly", attempt=invoke),
    other("lambda:UpdateFunctionCode", "function/validation"),
    other("iam:PassRole", "role/validation"),
    other("sts:AssumeRole", "role/validation", attempt=assume),
    other("iam:PutRolePolicy", "role/api", attempt=widen),
    other("sns:Subscribe", "topic", attempt=subscribe),
    other("lambda:UpdateFunctionConfiguration", "function/api", attempt=reconfigure),
    other("logs:FilterLogEvents", "log/validation", attempt=read_log),
    other("apigateway:GET", "keys", attempt=read_keys),
    # Keys: only through the service that holds the data.
    kms("Decrypt", "transaction-uploads", "s3", "validation"),
    kms("Decrypt", "transaction-uploads", ""),
    kms("GenerateDataKey", "transaction-uploads", "s3", "api"),
    kms("Decrypt", "transaction-data", ""),
    kms("Decrypt", "transaction-data", "secretsmanager", "validation", "api"),
    kms(
        "Decrypt", "transaction-data", "kinesis", "validation", "aggregator", "anomaly", "archiver"
    ),
    kms("GenerateDataKey", "transaction-alerts", "sns", "anomaly"),
    kms("ScheduleKeyDeletion", "transaction-data", ""),
]
TRIED = [operation for operation in OPERATIONS if operation.attempt is not None]


def twice(arn: str) -> tuple[str, str]:
    """For what is called by its ARN."""
    return arn, arn


def located(stack: Stack, operation: Operation) -> tuple[str, str]:
    """The ARN that a policy speaks of, and the name that a call takes."""
    graph = stack.graph
    kind, _, name = operation.place.partition("/")
    match kind:
        case "bucket":
            bucket = graph.one("s3.Bucket", name).inputs["bucket"]
            return f"arn:aws:s3:::{bucket}/{operation.inside}", bucket
        case "table":
            table = graph.one("dynamodb.Table", name)
            index = f"/index/{operation.inside}" if operation.inside else ""
            return table.outputs["arn"] + index, table.inputs["name"]
        case "stream":
            stream = graph.one("kinesis.Stream", "transaction-events")
            return stream.outputs["arn"], stream.inputs["name"]
        case "topic":
            return twice(graph.one("sns.Topic", "transaction-alerts").outputs["arn"])
        case "secret":
            return twice(graph.one("secretsmanager.Secret", name).outputs["arn"])
        case "function":
            function = graph.one("lambda.Function", f"{name}-lambda")
            return function.outputs["arn"], function.inputs["name"]
        case "role":
            return twice(stack.role_arn(name))
        case "log":
            group = graph.one("cloudwatch.LogGroup", f"{name}-lambda-logs")
            return group.outputs["arn"], group.inputs["name"]
        case "keys":
            return twice("arn:aws:apigateway:us-east-1::/apikeys")
        case _:
            return twice(graph.one("kms.Key", f"{name}-key").outputs["arn"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_policies_allow_the_functions_named_and_no_other(
    stack: Stack, operation: Operation
) -> None:
    arn, _ = located(stack, operation)
    allowed = {
        function
        for function in FUNCTIONS
        if decide(stack.statements(function), operation.action, arn, operation.context) == "allow"
    }
    assert allowed == operation.allowed


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("operation", TRIED, ids=str)
def test_a_call_with_the_function_s_role(stack: Stack, operation: Operation, function: str) -> None:
    assert operation.attempt is not None
    _, name = located(stack, operation)
    role = stack.aws.as_role(stack.role_arn(function))
    refusal = refused(operation.attempt, role, name, operation.inside)
    if function in operation.allowed:
        assert refusal is None
    else:
        assert refusal is not None, "it was let through"


def refused(
    attempt: Callable[[Aws, str, str], Any], aws: Aws, name: str, inside: str
) -> str | None:
    """Why a call was refused; another failure than for want of permission counts as let through."""
    try:
        attempt(aws, name, inside)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        return str(error) if code in REFUSED else None
    return None


def test_a_bucket_takes_nothing_without_tls(stack: Stack) -> None:
    """The emulator has no TLS, so the policy as it is refuses what is allowed otherwise."""
    policy = stack.graph.one("s3.BucketPolicy", "transaction-rules-policy").inputs
    operation = s3("GetObject", "transaction-rules", "rules.json", "anomaly")
    assert operation.attempt is not None
    role, root = stack.aws.as_role(stack.role_arn("anomaly")), stack.aws.client("s3")
    assert refused(operation.attempt, role, policy["bucket"], "rules.json") is None
    root.put_bucket_policy(Bucket=policy["bucket"], Policy=policy["policy"])
    try:
        refusal = refused(operation.attempt, role, policy["bucket"], "rules.json")
        assert refusal is not None
        assert "explicit deny in a resource-based policy" in refusal
    finally:
        root.delete_bucket_policy(Bucket=policy["bucket"])


def test_of_raw_uploads_the_bucket_itself_refuses_other_readers(stack: Stack) -> None:
    """Even an administrator: whatever IAM allows, a denial wins."""
    policy = stack.graph.one("s3.BucketPolicy", "transaction-uploads-policy").policy()
    arn = f"arn:aws:s3:::{stack.graph.outputs['bucket_name']}/{RAW}"
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    administrator = "arn:aws:iam::000000000000:role/administrator"
    for principal, secure, decision in (
        (administrator, "true", "deny"),
        (stack.role_arn("api"), "true", "deny"),
        (stack.role_arn("validation"), "true", "allow"),
        (stack.role_arn("validation"), "false", "deny"),
    ):
        context = {"aws:PrincipalArn": principal, "aws:SecureTransport": secure}
        assert decide([*policy, *everything], "s3:GetObject", arn, context) == decision


def test_the_key_of_raw_uploads_is_validation_s(stack: Stack) -> None:
    key = stack.graph.one("kms.Key", "transaction-uploads-key")
    arn = key.outputs["arn"]
    through_s3 = {"kms:ViaService": "s3.us-east-1.amazonaws.com"}
    for principal, context, decision in (
        (stack.role_arn("validation"), through_s3, "allow"),
        (stack.role_arn("validation"), {}, "none"),
        (stack.role_arn("api"), through_s3, "none"),
        ("arn:aws:iam::000000000000:role/administrator", through_s3, "none"),
    ):
        asked = {"aws:PrincipalArn": principal, **context}
        assert decide(key.policy(), "kms:Decrypt", arn, asked) == decision


def test_an_analyst_asks_the_archive_and_nothing_else(stack: Stack) -> None:
    statements = stack.graph.one("iam.Policy", "transaction-analyst-policy").policy()
    bucket = {
        name: f"arn:aws:s3:::{stack.graph.one('s3.Bucket', name).inputs['bucket']}"
        for name in ("transaction-uploads", "transaction-archive", "transaction-reports")
    }
    for action, arn, is_allowed in (
        ("s3:GetObject", f"{bucket['transaction-archive']}/{DAY}", True),
        ("s3:PutObject", f"{bucket['transaction-archive']}/{DAY}", False),
        ("s3:GetObject", f"{bucket['transaction-uploads']}/{RAW}", False),
        ("s3:GetObject", f"{bucket['transaction-reports']}/rejects/a.csv", False),
        ("s3:PutObject", f"{bucket['transaction-reports']}/athena/a.csv", True),
        ("athena:StartQueryExecution", workgroup(stack), True),
        ("athena:StartQueryExecution", workgroup(stack).replace("analysts", "primary"), False),
        ("dynamodb:GetItem", stack.graph.one("dynamodb.Table", "clients").outputs["arn"], False),
    ):
        assert (decide(statements, action, arn) == "allow") == is_allowed, (action, arn)


def workgroup(stack: Stack) -> str:
    return stack.graph.one("athena.Workgroup", "transaction-analysts").outputs["arn"]
