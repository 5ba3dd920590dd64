"""What is there after the program was deployed on the emulator, asked of the services."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from .conftest import Record
from .emulator.checks import may_call, statements_of
from .emulator.compute import ENDPOINT_VARIABLE
from .emulator.stack import Stack, deploy
from .harness.forks import Forks
from .harness.graph import Graph
from .harness.program import PROGRAM
from .rules.webhooks import WEBHOOKS

DEFAULT_RULES = PROGRAM.parent / "crates/txp-pipeline/src/rulefile/default.json"
DAY_SECONDS = 86_400


def test_every_type_is_made(stack: Stack, record: Record) -> None:
    """The same resources as are recorded, each with an id of the emulator."""
    wanted = {f"{one.type} {one.name}" for one in record().custom()}
    assert {f"{one.type} {one.name}" for one in stack.graph.custom()} == wanted
    assert all(one.id for one in stack.graph.custom())


def test_buckets(stack: Stack) -> None:
    s3, name = stack.aws.client("s3"), stack.graph.outputs["bucket_name"]
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    by_id = {rule["ID"]: rule for rule in rules}
    assert by_id["raw"]["Expiration"]["Days"] == 90
    assert by_id["remains"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 7
    [rule] = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    own = stack.graph.one("kms.Key", "transaction-uploads-key").outputs["arn"]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == own
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    [cors] = s3.get_bucket_cors(Bucket=name)["CORSRules"]
    assert cors["AllowedMethods"] == ["PUT"]
    tags = s3.get_bucket_tagging(Bucket=name)["TagSet"]
    assert {"Key": "Environment", "Value": "production"} in tags
    woken = s3.get_bucket_notification_configuration(Bucket=name)
    [wakes] = woken["LambdaFunctionConfigurations"]
    assert wakes["Events"] == ["s3:ObjectCreated:*"]
    filters = wakes["Filter"]["Key"]["FilterRules"]
    assert {one["Name"].lower(): one["Value"] for one in filters} == {
        "prefix": "uploads/",
        "suffix": ".csv",
    }


def test_the_rules_are_there_as_they_are_in_the_code(stack: Stack) -> None:
    bucket, key = stack.graph.outputs["rules_object"].removeprefix("s3://").split("/", 1)
    body = stack.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert body == DEFAULT_RULES.read_bytes()


def test_tables(stack: Stack) -> None:
    dynamodb = stack.aws.client("dynamodb")
    shapes = json.loads((PROGRAM / "transaction_processor/tables.json").read_text())
    for shape in shapes:
        name = f"{shape['base']}-dev"
        table = dynamodb.describe_table(TableName=name)["Table"]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["SSEDescription"]["Status"] in {"ENABLED", "ENABLING"}
        keys = [one["AttributeName"] for one in table["KeySchema"]]
        assert keys == [one["name"] for one in (shape["hash"], shape["range"]) if one]
        indexes = {one["IndexName"]: one for one in table.get("GlobalSecondaryIndexes", [])}
        assert indexes.keys() == {one["name"] for one in shape["indexes"]}
        backups = dynamodb.describe_continuous_backups(TableName=name)
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        assert ttl.get("AttributeName") == shape.get("expires")
    stream = dynamodb.describe_table(TableName="transactions-dev")["Table"]["StreamSpecification"]
    assert stream == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_the_stream(stack: Stack) -> None:
    kinesis = stack.aws.client("kinesis")
    summary = kinesis.describe_stream_summary(StreamName="transaction-events-dev")
    found = summary["StreamDescriptionSummary"]
    assert found["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert found["RetentionPeriodHours"] == 7 * 24
    assert found["EncryptionType"] == "KMS"


def test_functions(stack: Stack) -> None:
    client = stack.aws.client("lambda")
    for name in stack.graph.outputs["functions"].values():
        settings = client.get_function_configuration(FunctionName=name)
        assert (settings["Runtime"], settings["MemorySize"]) == ("provided.al2023", 512)
        assert settings["TracingConfig"] == {"Mode": "Active"}
        reserved = client.get_function_concurrency(FunctionName=name)
        assert reserved["ReservedConcurrentExecutions"] == 10
        failures = client.get_function_event_invoke_config(FunctionName=name)
        assert ":sqs:" in failures["DestinationConfig"]["OnFailure"]["Destination"]
        group = f"/aws/lambda/{name}"
        [found] = stack.aws.client("logs").describe_log_groups(logGroupNamePrefix=group)[
            "logGroups"
        ]
        assert found["retentionInDays"] == 7


def test_variables_are_what_the_functions_read(stack: Stack) -> None:
    """As the code names them; each names something that is there."""
    wanted = {
        "validation": "UPLOADS_BUCKET REPORTS_BUCKET EVENTS_STREAM UPLOADS_TABLE "
        "FINGERPRINT_KEY_SECRET METRICS_NAMES",
        "aggregator": "TRANSACTIONS_TABLE UPLOADS_TABLE REPORTS_BUCKET",
        "anomaly": "PROFILES_TABLE ALERTS_TABLE EVENTS_STREAM ALERTS_TOPIC REPORTS_BUCKET "
        "RULES_OBJECT SHADOW_RULES_OBJECT METRICS_NAMES",
        "api": "UPLOADS_TABLE TRANSACTIONS_TABLE CLIENTS_TABLE UPLOADS_BUCKET REPORTS_BUCKET "
        "RECEIPT_KEY_SECRET",
        "archiver": "ARCHIVE_BUCKET REPORTS_BUCKET",
    }
    client = stack.aws.client("lambda")
    for function, names in wanted.items():
        settings = client.get_function_configuration(FunctionName=f"{function}-lambda-dev")
        variables = settings["Environment"]["Variables"]
        assert set(variables) == {*names.split(), "METRICS_NAMESPACE", ENDPOINT_VARIABLE}
        assert all(variables.values())


def test_who_may_call_functions(stack: Stack) -> None:
    """Exactly these: a service, for one source."""
    rest_api = stack.graph.one("apigateway.RestApi", "transaction-api").id
    execution = f"arn:aws:execute-api:us-east-1:000000000000:{rest_api}"
    rule = "arn:aws:events:us-east-1:000000000000:rule"
    callers = {
        "validation": {
            ("s3.amazonaws.com", "arn:aws:s3:::transaction-uploads-dev"),
            ("events.amazonaws.com", f"{rule}/sweeper-schedule-dev"),
        },
        "anomaly": {("events.amazonaws.com", f"{rule}/digest-schedule-dev")},
        "api": {("apigateway.amazonaws.com", f"{execution}/prod/POST/upload")},
        "aggregator": set[tuple[str, str]](),
        "archiver": set[tuple[str, str]](),
    }
    for function, wanted in callers.items():
        statements = statements_of(stack.aws, f"{function}-lambda-dev")
        assert len(statements) == len(wanted)
        for principal, source in wanted:
            assert any(may_call(one, principal, source) for one in statements), (function, source)
        strangers = [
            ("s3.amazonaws.com", "arn:aws:s3:::transaction-archive-dev"),
            ("apigateway.amazonaws.com", f"{execution}/test/POST/upload"),
            ("events.amazonaws.com", f"{rule}/another"),
        ]
        for principal, source in strangers:
            assert not any(may_call(one, principal, source) for one in statements)


def test_mappings(stack: Stack) -> None:
    found = stack.aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    by_function = {one["FunctionArn"].rpartition(":")[2]: one for one in found}
    assert by_function.keys() == {
        "aggregator-lambda-dev",
        "anomaly-lambda-dev",
        "archiver-lambda-dev",
    }
    for mapping in found:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert ":sqs:" in mapping["DestinationConfig"]["OnFailure"]["Destination"]
    [pattern] = by_function["anomaly-lambda-dev"]["FilterCriteria"]["Filters"]
    wanted = {"writer": {"S": ["live"]}}
    assert json.loads(pattern["Pattern"])["dynamodb"]["NewImage"] == wanted


@pytest.mark.parametrize("name", ["fingerprint-key", "receipt-key"])
def test_a_secret_key(stack: Stack, name: str) -> None:
    arn = stack.graph.one("secretsmanager.Secret", name).outputs["arn"]
    value = stack.aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    assert re.fullmatch("[0-9a-f]{64}", value)


def ask(stack: Stack, path: str, method: str, key: str | None) -> tuple[int, dict[str, str], Any]:
    request = urllib.request.Request(  # noqa: S310 the emulator
        stack.graph.outputs["api_endpoint"] + path, method=method
    )
    if key is not None:
        request.add_header("x-api-key", key)
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def key_of(stack: Stack) -> str:
    key_id = stack.graph.outputs["api_key_id"]
    gateway = stack.aws.client("apigateway")
    return gateway.get_api_key(apiKey=key_id, includeValue=True)["value"]


@pytest.mark.parametrize(
    "path", ["/upload", "/status/t-1", "/uploads", "/uploads/u-1", "/receipt-key"]
)
def test_the_api_asks_for_a_key(stack: Stack, path: str) -> None:
    method = "POST" if path == "/upload" else "GET"
    for key in (None, "not-a-key"):
        status, _, _ = ask(stack, path, method, key)
        assert status == 403
    status, _, _ = ask(stack, path, method, key_of(stack))
    assert status != 403
    status, headers, _ = ask(stack, path, "OPTIONS", None)
    assert status in {200, 204}
    allowed = {name.lower(): value for name, value in headers.items()}
    assert method in allowed["access-control-allow-methods"]


def test_the_plan_holds_the_key(stack: Stack) -> None:
    gateway = stack.aws.client("apigateway")
    [plan] = gateway.get_usage_plans()["items"]
    assert plan["throttle"] == {"rateLimit": 1000.0, "burstLimit": 500}
    assert plan["quota"]["limit"] == 10_000
    keys = gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]
    assert [one["id"] for one in keys] == [stack.graph.outputs["api_key_id"]]


def test_the_client_is_known(stack: Stack) -> None:
    key_id = stack.graph.outputs["api_key_id"]
    item = stack.aws.client("dynamodb").get_item(
        TableName="clients-dev", Key={"api_key_id": {"S": key_id}}
    )["Item"]
    assert item["client_id"] == {"S": "default"}
    assert item["merchants"] == {"L": [{"S": "*"}]}


def test_analysts_have_a_table_and_a_workgroup(stack: Stack) -> None:
    glue = stack.aws.client("glue")
    table = glue.get_table(DatabaseName="transaction_history_dev", Name="events")["Table"]
    template = table["Parameters"]["storage.location.template"]
    assert template == "s3://transaction-archive-dev/date=${date}/"
    workgroup = stack.aws.client("athena").get_work_group(WorkGroup="transaction-analysts-dev")
    assert workgroup["WorkGroup"]["Configuration"]["EnforceWorkGroupConfiguration"]


def test_two_environments_stand_side_by_side_in_any_region(
    stack: Stack, forks: Forks, emulator: str, lambda_dir: Path, dashboards: Path, tmp_path: Path
) -> None:
    clients = [{"name": "shop", "merchants": ["m-1"], "keys": ["old", "new"]}, {"name": "bank"}]
    config = {
        "lambda_dir": str(lambda_dir),
        "env": "pr-17",
        "bucket_suffix": "acme",
        "stream_mode": "provisioned",
        "stream_shards": "2",
        "reserved_concurrency": "false",
        "clients": json.dumps(clients),
        "alert_emails": '["on-call@example.com"]',
        "dashboards_dir": str(dashboards),
        "webhooks": WEBHOOKS,
    }
    second = deploy(forks, emulator, tmp_path / "graph.json", "eu-central-1", config)
    aws, outputs = second.aws, second.graph.outputs
    assert outputs["bucket_name"] == "transaction-uploads-pr-17-acme"
    place = aws.client("s3").get_bucket_location(Bucket=outputs["bucket_name"])
    assert place["LocationConstraint"] == "eu-central-1"
    shards = aws.client("kinesis").list_shards(StreamName=outputs["stream_name"])["Shards"]
    assert len(shards) == 2
    concurrency = aws.client("lambda").get_function_concurrency(
        FunctionName=outputs["functions"]["api"]
    )
    assert "ReservedConcurrentExecutions" not in concurrency
    items = aws.client("dynamodb").scan(TableName=outputs["tables"]["clients"])["Items"]
    assert sorted(one["client_id"]["S"] for one in items) == ["bank", "shop", "shop"]
    # While a client changes its key, both are let in.
    for key_id in outputs["api_key_ids"]["shop"].values():
        key = aws.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)["value"]
        assert ask(second, "/uploads", "GET", key)[0] != 403
    subscribed = aws.client("sns").list_subscriptions_by_topic(TopicArn=outputs["sns_topic_arn"])
    assert [one["Endpoint"] for one in subscribed["Subscriptions"]] == ["on-call@example.com"]
    told = aws.client("secretsmanager").get_secret_value(SecretId="webhooks-pr-17")["SecretString"]
    assert [one["name"] for one in json.loads(told)] == ["shop", "rota"]
    assert_observed(second.graph, aws.client("cloudwatch"))
    # The first is as it was.
    assert stack.aws.client("dynamodb").describe_table(TableName="clients-dev")


def assert_observed(graph: Graph, cloudwatch: Any) -> None:
    """The dashboard and the alarms of the fixture, with the environment put in."""
    body = cloudwatch.get_dashboard(DashboardName="transaction-operations-pr-17")["DashboardBody"]
    [widget] = json.loads(body)["widgets"]
    assert widget["properties"]["region"] == "eu-central-1"
    assert widget["properties"]["metrics"][0][-1] == "aggregator-lambda-pr-17"
    assert list(graph.outputs["dashboard_urls"]) == ["operations"]
    [alarm] = cloudwatch.describe_alarms(AlarmNames=["lag-pr-17"])["MetricAlarms"]
    assert alarm["AlarmActions"] == [graph.outputs["sns_topic_arn"]]
    assert alarm["TreatMissingData"] == "notBreaching"
    [composite] = graph.of("cloudwatch.CompositeAlarm")
    assert composite.inputs["alarmRule"] == "ALARM(lag-pr-17)"
