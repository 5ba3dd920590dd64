"""Creates what `deployed` describes, through the AWS API; gives a `Stack`.

Checks what the emulator does not: that whoever calls a function was permitted to.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from . import deployed, permissions
from .processes import wait_until

READY_LIMIT_SECONDS = 30
# What AWS authorises as the first, the emulator authorises as the second too.
EMULATOR_ACTIONS = {"sns:Publish": "sns:PublishBatch"}
SHARDS = 2


@dataclass
class Stack:
    """A deployment as tests see it: names, and what only the deployment knows."""

    names: deployed.Names
    emulator: object
    api_url: str
    api_key: str
    api_key_id: str
    queue_url: str

    def client(self, service):
        return self.emulator.client(service)


def deploy(emulator, names, tables, zips, fingerprint_key, endpoint=None, functions=None):
    """`endpoint` is where the functions send their calls: the emulator, or faults before it."""
    buckets(emulator, names)
    stream(emulator, names, SHARDS)
    for table in tables:
        create_table(emulator, names, table)
    emulator.client("secretsmanager").create_secret(Name=names.secret, SecretString=fingerprint_key)
    queue_url = topic(emulator, names)
    for function in functions or deployed.functions(names):
        create_function(emulator, names, function, zips, endpoint or emulator.url)
    notification(emulator, names)
    for mapping in deployed.MAPPINGS:
        create_mapping(emulator, names, mapping)
    api_url, key_id, key = rest_api(emulator, names)
    return Stack(names, emulator, api_url, key, key_id, queue_url)


def buckets(emulator, names):
    s3 = emulator.client("s3")
    for purpose in deployed.BUCKETS:
        s3.create_bucket(Bucket=names.bucket(purpose))
    for purpose in ("uploads", "rules"):
        s3.put_bucket_versioning(Bucket=names.bucket(purpose), VersioningConfiguration={"Status": "Enabled"})


def stream(emulator, names, shards):
    kinesis = emulator.client("kinesis")
    kinesis.create_stream(StreamName=names.stream, ShardCount=shards)

    def active():
        summary = kinesis.describe_stream_summary(StreamName=names.stream)
        return summary["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE"

    wait_until(active, READY_LIMIT_SECONDS, "an active stream")


def create_table(emulator, names, table):
    keys = [table["hash"], table["range"]]
    indexed = [key for index in table["indexes"] for key in (index["hash"], index["range"])]
    attributes = {key["name"]: key["type"] for key in keys + indexed if key}

    def schema(hash_key, range_key):
        parts = [{"AttributeName": hash_key["name"], "KeyType": "HASH"}]
        return parts + ([{"AttributeName": range_key["name"], "KeyType": "RANGE"}] if range_key else [])

    more = {}
    if table["indexes"]:
        more["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index["name"],
                "KeySchema": schema(index["hash"], index["range"]),
                "Projection": {"ProjectionType": index["projection"]},
            }
            for index in table["indexes"]
        ]
    if table["has_stream"]:
        more["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    emulator.client("dynamodb").create_table(
        TableName=names.table(table["base"]),
        BillingMode="PAY_PER_REQUEST",
        KeySchema=schema(*keys),
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in attributes.items()],
        **more,
    )


def topic(emulator, names):
    sns, sqs = emulator.client("sns"), emulator.client("sqs")
    arn = sns.create_topic(Name=names.topic)["TopicArn"]
    url = sqs.create_queue(QueueName=names.queue)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": arn}},
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
    return url


def create_function(emulator, names, function, zips, endpoint):
    iam, functions = emulator.client("iam"), emulator.client("lambda")
    iam.create_role(RoleName=names.role(function.name), AssumeRolePolicyDocument=json.dumps(permissions.TRUST))
    put_policy(emulator, names, function.name, permissions.policy(names, function.name))
    name = names.function(function.name)
    emulator.client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")
    functions.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=names.role_arn(function.name),
        Code={"ZipFile": (Path(zips) / function.name / "bootstrap.zip").read_bytes()},
        MemorySize=deployed.MEMORY_MB,
        Timeout=function.timeout_seconds,
        Architectures=["x86_64"],
        TracingConfig={"Mode": "Active"},
        Environment={"Variables": {**function.environment, "AWS_ENDPOINT_URL": endpoint}},
    )

    def active():
        configuration = functions.get_function_configuration(FunctionName=name)
        return configuration["State"] == "Active" and configuration.get("LastUpdateStatus") != "InProgress"

    wait_until(active, READY_LIMIT_SECONDS, f"an active function {name}")


def put_policy(emulator, names, function, policy):
    policy = json.loads(json.dumps(policy))
    for statement in policy["Statement"]:
        statement["Action"] += [EMULATOR_ACTIONS[action] for action in statement["Action"] if action in EMULATOR_ACTIONS]
    emulator.client("iam").put_role_policy(RoleName=names.role(function), PolicyName="work", PolicyDocument=json.dumps(policy))


def permit(emulator, names, function, principal, source_arn):
    emulator.client("lambda").add_permission(
        FunctionName=names.function(function),
        StatementId=principal.split(".")[0],
        Action="lambda:InvokeFunction",
        Principal=principal,
        SourceArn=source_arn,
    )


def is_permitted(emulator, names, function, principal):
    policy = json.loads(emulator.client("lambda").get_policy(FunctionName=names.function(function))["Policy"])
    return any(statement["Principal"].get("Service") == principal for statement in policy["Statement"])


def notification(emulator, names):
    permit(emulator, names, "validation", "s3.amazonaws.com", names.bucket_arn("uploads"))
    if not is_permitted(emulator, names, "validation", "s3.amazonaws.com"):
        raise SystemExit("S3 may not call the validation function")
    rules = [{"Name": "prefix", "Value": deployed.UPLOADS_PREFIX}, {"Name": "suffix", "Value": deployed.UPLOADS_SUFFIX}]
    configuration = {
        "LambdaFunctionArn": names.function_arn("validation"),
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": rules}},
    }
    emulator.client("s3").put_bucket_notification_configuration(
        Bucket=names.bucket("uploads"),
        NotificationConfiguration={"LambdaFunctionConfigurations": [configuration]},
    )


def create_mapping(emulator, names, mapping):
    """Disabled: the emulator's own poller drops what fails. Whoever drives it reads the settings."""
    if mapping.source == "stream":
        arn = names.stream_arn
    else:
        table = emulator.client("dynamodb").describe_table(TableName=names.table(mapping.source))
        arn = table["Table"]["LatestStreamArn"]
    emulator.client("lambda").create_event_source_mapping(
        EventSourceArn=arn, FunctionName=names.function(mapping.function), Enabled=False, **mapping.settings
    )


def rest_api(emulator, names):
    gateway = emulator.client("apigateway")
    api = gateway.create_rest_api(name=names.rest_api)["id"]
    paths = {resource["path"]: resource["id"] for resource in gateway.get_resources(restApiId=api)["items"]}
    uri = f"arn:aws:apigateway:{names.region}:lambda:path/2015-03-31/functions/{names.function_arn('api')}/invocations"
    for method, route in deployed.ROUTES:
        path = ""
        for part in route.split("/"):
            parent, path = path or "/", f"{path}/{part}"
            if path not in paths:
                paths[path] = gateway.create_resource(restApiId=api, parentId=paths[parent], pathPart=part)["id"]
        where = {"restApiId": api, "resourceId": paths[path], "httpMethod": method}
        gateway.put_method(**where, authorizationType="NONE", apiKeyRequired=True)
        gateway.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    permit(
        emulator,
        names,
        "api",
        "apigateway.amazonaws.com",
        f"arn:aws:execute-api:{names.region}:{names.account}:{api}/{deployed.STAGE}/*",
    )
    deployment = gateway.create_deployment(restApiId=api)["id"]
    gateway.create_stage(restApiId=api, stageName=deployed.STAGE, deploymentId=deployment, tracingEnabled=True)
    plan = gateway.create_usage_plan(
        name=f"usage-plan-{names.env}", apiStages=[{"apiId": api, "stage": deployed.STAGE}], **deployed.USAGE_PLAN
    )["id"]
    key_id, key = api_key(emulator, names, plan, "shop")
    return f"{emulator.url}/restapis/{api}/{deployed.STAGE}/_user_request_", key_id, key


def api_key(emulator, names, plan, client):
    gateway = emulator.client("apigateway")
    key = gateway.create_api_key(name=f"api-key-{client}-{names.env}", enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return key["id"], key["value"]
